# SPDX-License-Identifier: BSD-3-Clause
"""The least that a program can do with pyfuse3 to be the benchmark's file.

usage: pyfuse3_driver.py DIRECTORY   (which is made, and removed at the end)
"""

import errno
import os
import signal
import stat
import sys

import pyfuse3
import trio

BYTES = b"d" * (1 << 20)
INODE = pyfuse3.ROOT_INODE + 1


class Bench(pyfuse3.Operations):
    async def getattr(self, inode, ctx=None):
        attributes = pyfuse3.EntryAttributes()
        attributes.st_ino = inode
        is_root = inode == pyfuse3.ROOT_INODE
        attributes.st_mode = stat.S_IFDIR | 0o755 if is_root else stat.S_IFREG | 0o600
        attributes.entry_timeout = attributes.attr_timeout = 86400
        return attributes

    async def lookup(self, parent_inode, name, ctx):
        if name != b"device":
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(INODE)

    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=inode, direct_io=True)

    async def read(self, fh, off, size):
        return BYTES if size == len(BYTES) else BYTES[:size]

    async def write(self, fh, off, buf):
        return len(buf)


async def serve() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pyfuse3.main)
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            print(f"{directory}/device", flush=True)
            async for _ in signals:
                pyfuse3.terminate()
                break


directory = sys.argv[1]
os.mkdir(directory)
try:
    pyfuse3.init(Bench(), directory, set(pyfuse3.default_options))
    try:
        trio.run(serve)
    finally:
        pyfuse3.close(unmount=True)
finally:
    os.rmdir(directory)
