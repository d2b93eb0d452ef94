# SPDX-License-Identifier: BSD-3-Clause
"""The contract suite's driver in Python; driver.c explains it."""

import asyncio
import errno
import fcntl
import mmap
import os
import signal
import struct
import sys
import threading
from collections import deque

import pyfusd

MEMORY_SIZE = 4 << 20
MAP_SIZE = 16 << 10
F_ADD_SEALS, F_SEAL_FUTURE_WRITE = 1033, 0x10  # Not every Python has them.
memory = bytearray(MEMORY_SIZE)
held = deque()
lock = threading.Lock()
may_end = threading.Semaphore(0)
devices = []
state = 0
result = 0
position = -1


def say(*words):
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


class Saying(pyfusd.Device):
    def open(self, file):
        say("open", file.pid, file.uid, file.gid, f"{file.flags:x}")

    def close(self, file):
        say("close")


class Memory(Saying):
    def read(self, file, buf, offset):
        say("read", len(buf), offset, f"{file.flags:x}")
        chunk = memoryview(memory)[offset : offset + len(buf)]
        buf[: len(chunk)] = chunk
        return len(chunk)

    def write(self, file, buf, offset):
        say("write", len(buf), offset, f"{file.flags:x}", 0)
        if offset + len(buf) > MEMORY_SIZE:
            raise OSError(errno.ENOSPC, "full")
        memory[offset : offset + len(buf)] = buf
        return len(buf)

    @pyfusd.ioctl(pyfusd.IOWR("T", 1, 8))
    @pyfusd.ioctl(pyfusd.IOWR("T", 6, 16000))
    def exchange(self, file, data):
        data[:] = bytes(byte ^ 0xFF for byte in data)

    @pyfusd.ioctl(pyfusd.IOR("T", 2, 8))
    def fill(self, file, data):
        data[:] = b"readdata"
        return 7

    @pyfusd.ioctl(pyfusd.IOW("T", 3, 8))
    def take(self, file, data):
        say("take", bytes(data).decode())

    @pyfusd.ioctl(pyfusd.IO("T", 4))
    def by_value(self, file, argument):
        say("value", f"{argument:x}")
        return argument & 0xFF

    @pyfusd.ioctl(pyfusd.IOR("T", 5, 8))
    def fail(self, file, data):
        data[:] = b"readdata"
        return -errno.ENODATA

    @pyfusd.ioctl(pyfusd.IOR("T", 7, 8))
    def untouched(self, file, data):
        return 0

    @pyfusd.ioctl(0x0707)
    def invert_nested(self, file, argument):
        say("nested")
        address, length = struct.unpack("QQ", file.client_memory(argument, 16))
        data = file.client_memory(address, length, write=True)
        data[:] = bytes(byte ^ 0xFF for byte in data)
        return 3

    def ioctl(self, file, request, data):
        if request != 0x5401:
            return -errno.ENOTTY
        say("value", f"{data:x}")
        return 0


class Hold(Saying):
    def _hold(self, file):
        request = file.hold()
        held.append(request)
        say("hold", request.operation)
        return request

    def read(self, file, buf, offset):
        return self._hold(file)

    def write(self, file, buf, offset):
        return self._hold(file)

    def ioctl(self, file, request, data):
        return self._hold(file)

    def poll(self, file):
        return state

    def unblock(self, file, request):
        say("unblock")


class Sync(Memory):
    def seek(self, file, offset, whence):
        say("seek", offset, whence, file.offset)
        return result

    def flush(self, file):
        say("flush")
        return result

    def fsync(self, file, datasync):
        say("fsync", int(datasync))
        return result


class SyncStream(Sync):
    def __init__(self, *arguments):
        super().__init__(*arguments, stream=True)


class HeldSync(Saying):
    _hold = Hold._hold
    write = Hold.write
    unblock = Hold.unblock

    def seek(self, file, offset, whence):
        return self._hold(file)

    def flush(self, file):
        return self._hold(file)

    def fsync(self, file, datasync):
        return self._hold(file)


class Late(pyfusd.Device):
    def open(self, file):
        request = file.hold()
        held.append(request)
        say("hold open")
        return request

    def close(self, file):
        say("close")


class Closing(pyfusd.Device):
    def close(self, file):
        say("closing")
        may_end.acquire()

    def read(self, file, buf, offset):
        say("reading")
        may_end.acquire()
        return 0


class Selfish(pyfusd.Device):
    def write(self, file, buf, offset):
        path = bytes(buf).rstrip(b"\0")
        say("opening")
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError as error:
            say("opened", error.errno)
        else:
            say("opened", 0)
        return len(buf)


class Result(pyfusd.Device):
    def open(self, file):
        return min(result, 0)

    def close(self, file):
        say("close")

    def read(self, file, buf, offset):
        buf[:] = b"r" * len(buf)
        if position >= 0:
            file.offset = position
        return result

    def write(self, file, buf, offset):
        if position >= 0:
            file.offset = position
        return result

    def ioctl(self, file, request, data):
        return result


class Registrar(pyfusd.Device):
    made = ()

    def write(self, file, buf, offset):
        command = bytes(buf).rstrip(b"\0").decode()
        if command[0] == "!":
            self.unregister()
        elif command[0] == "-":
            for device in self.made:
                device.unregister()
            self.made = ()
        else:
            self.made = (*self.made, Memory(command[1:], 0o666).register())
        return len(buf)


class Map(pyfusd.Device):
    flags = mmap.MAP_SHARED

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.memory = mmap.mmap(-1, MAP_SIZE, flags=self.flags)

    def mmap(self, file, offset, length, prot, flags):
        say("mmap", offset, length, prot, flags & mmap.MAP_SHARED)
        return self.memory


class Private(Map):
    flags = mmap.MAP_PRIVATE


class Shared(pyfusd.Device):
    """As shared_memory.c."""

    seals = 0

    def __init__(self, *arguments):
        self.file = os.fdopen(os.memfd_create("shared", os.MFD_ALLOW_SEALING), "r+b")
        self.file.truncate(MAP_SIZE)
        self.memory = mmap.mmap(self.file.fileno(), MAP_SIZE)
        fcntl.fcntl(self.file, F_ADD_SEALS, self.seals)
        super().__init__(*arguments, shared_memory=self.file)

    def register(self):
        with self.file:
            return super().register()  # The library has a descriptor of its own.

    def read(self, file, buf, offset):
        say("read", len(buf), offset)
        return self.memory[offset : offset + len(buf)]

    def write(self, file, buf, offset):
        self.memory[offset : offset + len(buf)] = buf
        return len(buf)

    def mmap(self, file, offset, length, prot, flags):
        return -errno.EBADE  # Never: clients have the memory without it.


class Sealed(Shared):
    seals = F_SEAL_FUTURE_WRITE


class Later(Saying):
    """A read waits until it is cancelled, unless it is of one byte."""

    async def read(self, file, buf, offset):
        say("begins")
        try:
            await asyncio.sleep(0 if len(buf) == 1 else 3600)
        except asyncio.CancelledError:
            say("cancelled")
            raise
        return b"x"


class Speed(pyfusd.Device):
    """As speed.c; its name begins with MAX_TRANSFER:SPIN_US:."""

    def __init__(self, name, *arguments):
        longest, spin_us, name = name.split(":")
        super().__init__(
            name,
            *arguments,
            max_transfer=int(longest) or 128 << 10,
            spin_us=int(spin_us),
        )

    def read(self, file, buf, offset):
        say("read", len(buf))
        return len(buf) if file.flags & os.O_NONBLOCK else b"r" * len(buf)

    def write(self, file, buf, offset):
        say("write", len(buf), int(buf[0] == buf[-1] == ord("w")))
        return len(buf)


class Nonblocking(pyfusd.Device):
    def open(self, file):
        file.flags |= os.O_NONBLOCK

    def close(self, file):
        say("close", file.pid, file.uid, file.gid)


KINDS = {
    "memory": Memory,
    "hold": Hold,
    "late": Late,
    "closing": Closing,
    "selfish": Selfish,
    "result": Result,
    "bare": pyfusd.Device,
    "registrar": Registrar,
    "map": Map,
    "private": Private,
    "shared": Shared,
    "sealed": Sealed,
    "speed": Speed,
    "later": Later,
    "nonblocking": Nonblocking,
    "sync": Sync,
    "sync-stream": SyncStream,
    "held-sync": HeldSync,
}


def answer(number, *data):
    if not held:
        say("nothing held")
        return
    request = held.popleft()
    error = 0
    try:
        if data and request.operation == "read":
            request.reply(data[0].encode()[: int(number)])
        else:
            request.reply(int(number))
    except OSError as failure:
        error = failure.errno
    say("answered", error)


def destroy():
    held.popleft()
    say("destroyed")


def end():
    may_end.release()
    say("ended")


def set_state(number):
    global state
    state = int(number)
    for device in devices:
        if isinstance(device, Hold):
            device.poll_changed()
    say("state", number)


def set_silently(number):
    global state
    state = int(number)
    say("state", number)


def set_result(number):
    global result
    result = int(number)
    say("result")


def set_position(number):
    global position
    position = int(number)
    say("position")


def unregister(index):
    devices[int(index)].unregister()
    say("unregistered")


COMMANDS = {
    "answer": answer,
    "destroy": destroy,
    "end": end,
    "state": set_state,
    "silent": set_silently,
    "result": set_result,
    "position": set_position,
    "unregister": unregister,
}


def obey():
    for line in sys.stdin:
        command, *arguments = line.split()
        COMMANDS[command](*arguments)
    os.kill(os.getpid(), signal.SIGTERM)


def main():
    for argument in sys.argv[1:]:
        kind, _, name = argument.partition(":")
        device = KINDS[kind](name, 0o666)
        try:
            device.register()
        except OSError as error:
            say("error", error.errno, error.strerror)
            sys.exit(2)
        devices.append(device)
        say("ready", device.path)
    threading.Thread(target=obey, daemon=True).start()
    pyfusd.run()
    if not any(device.registered for device in devices):
        signal.pause()


if __name__ == "__main__":
    main()
