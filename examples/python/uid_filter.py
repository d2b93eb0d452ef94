# SPDX-License-Identifier: BSD-3-Clause
"""A device of one user's own: the permission bits let everybody in, the
driver lets in only who runs it, or the user whose number it was given.

A file says who opened it, and in a callback who is asking: pid, uid and gid of
the calling thread.

Try it:  python uid_filter.py &   (prints where the device is)
         cat /dev/uid_filter
         sudo -u nobody cat /dev/uid_filter
  also:  python uid_filter.py NAME UID
"""

import errno
import os
import sys

import pyfusd


class UidFilter(pyfusd.Device):
    owner = os.getuid()

    def open(self, file):
        if file.uid != self.owner:
            raise OSError(errno.EACCES, "not your device")

    def read(self, file, buf, offset):
        text = f"Hello, user {file.uid}!\n".encode()
        return text[offset : offset + len(buf)]


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "uid_filter"
    uid = sys.argv[2] if len(sys.argv) > 2 else str(os.getuid())
    is_uid = uid.isdecimal() and int(uid) <= 0xFFFFFFFF
    if len(sys.argv) > 3 or name.startswith("-") or not is_uid:
        sys.exit("usage: uid_filter.py [NAME [UID]]")
    try:
        with UidFilter(name, mode=0o666) as device:
            device.owner = int(uid)
            print("uid_filter:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"uid_filter: {error.strerror}")


if __name__ == "__main__":
    main()
