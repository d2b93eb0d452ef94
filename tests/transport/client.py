# SPDX-License-Identifier: BSD-3-Clause
"""A client process: one JSON call a line in, one JSON answer a line out.

{"call": "read", "arguments": [3, 10]} gives {"result": "..."} or
{"errno": 5}. Bytes travel as Latin-1 strings.
"""

import ctypes
import fcntl
import json
import mmap
import os
import select
import signal
import struct
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.gate32 import Gate

libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def ioctl(descriptor, number, argument):
    """Returns the result and what the memory holds then, guards included."""
    if isinstance(argument, int):
        return [check(libc.ioctl(descriptor, number, argument)), None]
    data = ctypes.create_string_buffer(argument.encode("latin-1") + b"guard")
    result = libc.ioctl(descriptor, number, ctypes.addressof(data))
    error = ctypes.get_errno() if result < 0 else 0
    return [result, data.raw[:-1].decode("latin-1"), error]


def ioctl_32(descriptor, number, argument):
    """As a 32-bit program makes it; None where there is no way to."""
    try:
        return Gate()(descriptor, number, argument)
    except NotImplementedError:
        return None


def nested_ioctl(descriptor, number, text, shift):
    """As ioctl, of memory whose argument only points at it; shift spoils that."""
    data = ctypes.create_string_buffer(text.encode("latin-1") + b"guard")
    argument = struct.pack("QQ", ctypes.addressof(data) + shift, len(text))
    result = libc.ioctl(descriptor, number, argument)
    error = ctypes.get_errno() if result < 0 else 0
    return [result, data.raw[:-1].decode("latin-1"), error]


def poll(descriptor, events, timeout):
    poller = select.poll()
    poller.register(descriptor, events)
    ready = poller.poll(timeout)
    return ready[0][1] if ready else 0


epolls, polling = {}, []


def watch(descriptors, events):
    """Makes an epoll of this process for these descriptors."""
    epoll = select.epoll()
    for descriptor in descriptors:
        epoll.register(descriptor, events)
    epolls[epoll.fileno()] = epoll
    return epoll.fileno()


def rewatch(epoll, descriptor, events):
    epolls[epoll].modify(descriptor, events)


def watched(epoll, timeout):
    """[[descriptor, events], ...], in their order."""
    return sorted(epolls[epoll].poll(None if timeout < 0 else timeout / 1000))


def select_in(descriptor):
    return select.select([descriptor], [], [])[0] == [descriptor]


def start_polling(descriptor, events, is_forked):
    """A thread, or a forked child, polls without end; see polled."""
    receiver, sender = os.pipe()

    def report():
        os.write(sender, struct.pack("i", poll(descriptor, events, -1)))

    if not is_forked:
        threading.Thread(target=report, daemon=True).start()
    elif os.fork() == 0:
        report()
        os._exit(0)
    polling.append(receiver)


def polled():
    """What each that was started has got, once all have."""
    return [struct.unpack("i", os.read(receiver, 4))[0] for receiver in polling]


def read_into_pattern(descriptor, size):
    """A read into memory filled with '?', all of which is returned."""
    data = ctypes.create_string_buffer(b"?" * (size + 8))
    result = check(libc.read(descriptor, data, ctypes.c_size_t(size)))
    return [result, data.raw[: size + 8].decode("latin-1")]


def transfer_at(operation, descriptor, size, start):
    """One call whose buffer, of "w", begins at start in a page; its result."""
    memory = mmap.mmap(-1, size + mmap.PAGESIZE)
    memory[start : start + size] = b"w" * size
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + start
    call = {"read": libc.read, "write": libc.write}[operation]
    call.restype = ctypes.c_ssize_t
    return check(call(descriptor, ctypes.c_void_p(address), ctypes.c_size_t(size)))


def map_shared(descriptor, size=4096, offset=0, writable=True):
    """The address of the mapping, for peek and poke."""
    libc.mmap.restype = ctypes.c_ssize_t
    libc.mmap.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int),
        *(ctypes.c_int, ctypes.c_int, ctypes.c_long),
    ]
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    return check(libc.mmap(None, size, protection, mmap.MAP_SHARED, descriptor, offset))


def open_again_and_again(path, count):
    for _ in range(count):
        os.close(os.open(path, os.O_RDWR))


def poke(address, data):
    ctypes.memmove(address, data.encode("latin-1"), len(data))


def write_while_reading(descriptor, data):
    """Writes while another thread reads on the same open file."""
    reader = threading.Thread(target=os.read, args=(descriptor, 1))
    reader.start()
    written = os.write(descriptor, data.encode("latin-1"))
    reader.join()
    return written


def fork_read(descriptor, size):
    """A forked child reads on the same open file."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(sender, os.read(descriptor, size))
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(receiver, size).decode("latin-1")


def handle_signal(restart):
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.siginterrupt(signal.SIGUSR1, not restart)


def splice(descriptor, size):
    """What splice(2) moves from a device into a pipe."""
    receiver, sender = os.pipe()
    try:
        count = os.splice(descriptor, sender, size)
        return os.read(receiver, count).decode("latin-1") if count else ""
    finally:
        os.close(receiver)
        os.close(sender)


def raw_read(descriptor, size):
    """read(2) without Python's retry after EINTR."""
    data = ctypes.create_string_buffer(size)
    result = check(libc.read(descriptor, data, ctypes.c_size_t(size)))
    return data.raw[:result].decode("latin-1")


CALLS = {
    "open": os.open,
    "close": os.close,
    "dup": os.dup,
    "read": lambda fd, size: os.read(fd, size).decode("latin-1"),
    "raw_read": raw_read,
    "splice": splice,
    "pread": lambda fd, size, at: os.pread(fd, size, at).decode("latin-1"),
    "write": lambda fd, data: os.write(fd, data.encode("latin-1")),
    "write_size": lambda fd, size: os.write(fd, b"w" * size),
    "writev": lambda fd, parts: os.writev(fd, [p.encode("latin-1") for p in parts]),
    "readv": lambda fd, sizes: os.readv(fd, [bytearray(size) for size in sizes]),
    "pwrite": lambda fd, data, at: os.pwrite(fd, data.encode("latin-1"), at),
    "lseek": os.lseek,
    "fsync": os.fsync,
    "fdatasync": os.fdatasync,
    "ioctl": ioctl,
    "ioctl_32": ioctl_32,
    "nested_ioctl": nested_ioctl,
    "poll": poll,
    "select_in": select_in,
    "watch": watch,
    "rewatch": rewatch,
    "watched": watched,
    "start_polling": start_polling,
    "polled": polled,
    "read_into_pattern": read_into_pattern,
    "transfer_at": transfer_at,
    "map_shared": map_shared,
    "open_again_and_again": open_again_and_again,
    "peek": lambda address, size: ctypes.string_at(address, size).decode("latin-1"),
    "poke": poke,
    "fork_read": fork_read,
    "write_while_reading": write_while_reading,
    "handle_signal": handle_signal,
    "getfl": lambda fd: fcntl.fcntl(fd, fcntl.F_GETFL),
    "setfl": lambda fd, flags: fcntl.fcntl(fd, fcntl.F_SETFL, flags),
    "mode": lambda path: os.stat(path).st_mode,
    "ids": lambda: [os.getpid(), os.getuid(), os.getgid()],
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"result": CALLS[request["call"]](*request["arguments"])}
    except OSError as error:
        answer = {"errno": error.errno}
    print(json.dumps(answer), flush=True)
