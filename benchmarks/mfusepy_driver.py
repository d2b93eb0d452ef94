# SPDX-License-Identifier: BSD-3-Clause
"""The least that a program can do with mfusepy to be the benchmark's file.

usage: mfusepy_driver.py DIRECTORY   (which is made, and removed at the end)
"""

import errno
import os
import stat
import sys

import mfusepy

# What libfuse's fuse_main() returns then.
ENDED_BY_SIGNAL = 8
BYTES = b"d" * (1 << 20)


class Bench(mfusepy.Operations):
    use_ns = True

    def init(self, path):
        # The mount is there: who waits for this line may open the file.
        print(f"{directory}/device", flush=True)

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path != "/device":
            raise mfusepy.FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1}

    def open(self, path, fi):
        fi.direct_io = 1
        return 0

    def read(self, path, size, offset, fh):
        return BYTES if size == len(BYTES) else BYTES[:size]

    def write(self, path, data, offset, fh):
        return len(data)

    def ioctl(self, path, cmd, arg, fh, flags, data):
        return 0


directory = sys.argv[1]
os.mkdir(directory)
try:
    mfusepy.FUSE(Bench(), directory, foreground=True, nothreads=True, raw_fi=True)
except RuntimeError as error:
    if error.args != (ENDED_BY_SIGNAL,):
        raise
finally:
    os.rmdir(directory)
