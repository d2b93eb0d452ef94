# SPDX-License-Identifier: BSD-3-Clause
"""Run under AddressSanitizer by test_memory.py: views kept in every way.

A use of freed request memory ends this process with a report. Prints "clean".
"""

import asyncio
import contextlib
import errno
import gc
import os
import threading

import pyfusd

KEEPERS = (
    lambda buf: buf,
    lambda buf: buf[1:],
    lambda buf: buf.toreadonly(),
    lambda buf: (byte for byte in buf),
    lambda buf: [buf, buf[:1]],
    lambda buf: (buf[:], buf.release())[0],
    lambda buf: bytes(buf),
)


def use(kept):
    """Reads what was kept, and writes to it where that is allowed."""
    for item in kept if isinstance(kept, list) else [kept]:
        sum(item)
        if isinstance(item, memoryview) and not item.readonly:
            item[:] = bytes(len(item))


class Keeping(pyfusd.Device):
    def __init__(self, name):
        super().__init__(name)
        self.kept = []
        self.turn = 0

    def keep(self, buf):
        self.turn += 1
        self.kept.append(KEEPERS[self.turn % len(KEEPERS)](buf))
        if len(self.kept) > 40:
            use(self.kept.pop(self.turn % 40))

    def read(self, file, buf, offset):
        length = len(buf)
        self.keep(buf)
        if self.turn % 5 == 0:
            request = file.hold()
            threading.Thread(target=request.reply, args=(b"threaded",)).start()
            return request
        if self.turn % 7 == 0:
            raise ValueError("an exception keeps its frame, and that the buffer")
        return length

    def write(self, file, buf, offset):
        length = len(buf)
        self.keep(buf)
        return length

    @pyfusd.ioctl(pyfusd.IOWR("T", 1, 64))
    def exchange(self, file, data):
        self.keep(data)

    @pyfusd.ioctl(0x5401)
    def point(self, file, argument):
        self.keep(file.client_memory(argument, 64, write=self.turn % 2 == 0))
        if self.turn % 3 == 0:
            return file.hold(0.001, error=errno.EAGAIN)
        return 0


class Waiting(Keeping):
    """The same, after a wait; every eighth coroutine is cancelled."""

    async def read(self, file, buf, offset):
        length = len(buf)
        self.keep(buf)
        if self.turn % 8 == 0:
            asyncio.current_task().cancel()
        await asyncio.sleep(0.0001 if self.turn % 2 else 0)
        self.keep(buf[1:])
        if self.turn % 5 == 0:
            return super().read(file, buf, offset)
        return length

    async def close(self, file):
        await asyncio.sleep(0)


def client(path):
    import fcntl

    for size in (1, 100, 4096, 100_000):
        descriptor = os.open(path, os.O_RDWR)
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.read(descriptor, size)
            os.write(descriptor, b"w" * size)
            fcntl.ioctl(descriptor, pyfusd.IOWR("T", 1, 64), bytearray(64))
            with contextlib.suppress(BlockingIOError):
                fcntl.ioctl(descriptor, 0x5401, bytearray(64))
        os.close(descriptor)


def main():
    devices = [Keeping("keeping").register(), Waiting("waiting").register()]
    serving = [threading.Thread(target=pyfusd.run, args=(one,)) for one in devices]
    for thread in serving:
        thread.start()
    clients = [
        threading.Thread(target=client, args=(device.path,)) for device in devices * 2
    ]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    for device in devices:
        device.unregister()
    for thread in serving:
        thread.join()
    for device in devices:
        for kept in device.kept:
            use(kept)
        device.kept.clear()
    gc.collect()
    print("clean")


main()
