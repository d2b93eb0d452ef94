# SPDX-License-Identifier: BSD-3-Clause
"""A page of memory that the driver and its clients share, and that can be read
and written as a file, too.

A client that has mapped it sees what others write without asking anybody. That
works on kfusd, and for root on fuse since Linux 6.9; elsewhere mmap(2) gives ENODEV.

Try it:  python mmap_page.py &    (prints where the device is)
         echo hello > /dev/mmap_page
         python3 -c 'import mmap, os; mmap.mmap(os.open(
         "/dev/mmap_page", os.O_RDWR), 4096)[:5] = b"HELLO"'
         head -c 6 /dev/mmap_page
"""

import errno
import mmap
import os
import sys

import pyfusd

SIZE = 4096


class MmapPage(pyfusd.Device):
    def __init__(self, name="mmap_page", **options):
        memory = os.memfd_create("mmap_page")
        os.truncate(memory, SIZE)
        self.page = mmap.mmap(memory, SIZE)
        super().__init__(name, shared_memory=memory, **options)

    def read(self, file, buf, offset):
        return self.page[offset : offset + len(buf)]

    def write(self, file, buf, offset):
        count = min(len(buf), max(0, SIZE - offset))
        if count == 0:
            raise OSError(errno.ENOSPC, "the page is full")
        self.page[offset : offset + count] = buf[:count]
        return count


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "mmap_page"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: mmap_page.py [NAME]")
    try:
        with MmapPage(name, mode=0o666) as device:
            print("mmap_page:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"mmap_page: {error.strerror}")


if __name__ == "__main__":
    main()
