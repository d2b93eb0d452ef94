# SPDX-License-Identifier: BSD-3-Clause
"""Run under AddressSanitizer by test_memory.py: views kept in every way.

A use of freed request memory ends this process with a report. Prints "clean".
"""

import contextlib
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


def client(path):
    import fcntl

    for size in (1, 100, 4096, 100_000):
        descriptor = os.open(path, os.O_RDWR)
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.read(descriptor, size)
            os.write(descriptor, b"w" * size)
            fcntl.ioctl(descriptor, pyfusd.IOWR("T", 1, 64), bytearray(64))
        os.close(descriptor)


def main():
    devices = [Keeping(f"keeping{number}").register() for number in range(2)]
    serving = threading.Thread(target=pyfusd.run, args=devices)
    serving.start()
    clients = [
        threading.Thread(target=client, args=(device.path,)) for device in devices * 2
    ]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    for device in devices:
        device.unregister()
    serving.join()
    for device in devices:
        for kept in device.kept:
            use(kept)
        device.kept.clear()
    gc.collect()
    print("clean")


main()
