# SPDX-License-Identifier: BSD-3-Clause
"""A device on top of another device or file: hands calls on, and logs them.

An ioctl whose number says no size is logged only, and gives ENOTTY. Its argument
may be an address in the client, which down there would be one in the proxy: any
client could write to its memory. Addresses inside of what is handed on are not
seen, so use it for devices that know of none.

Try it:  python ioctl.py &
         python proxy.py /dev/ioctl &          (prints where the device is)
         python ioctl_client.py /dev/proxy     and look at what it asks
  also:  python proxy.py TARGET NAME
"""

import errno
import fcntl
import os
import sys
from contextlib import suppress

import pyfusd


def hand_on_ioctl(lower, request, data):
    if isinstance(data, int) or not data:
        raise OSError(errno.ENOTTY, "nobody knows what its argument is")
    return fcntl.ioctl(lower, request, data)


class Proxy(pyfusd.Device):
    target: str

    def logged(self, file, call, function, *arguments):
        """Makes one call for a client, and logs it."""
        result = None
        try:
            result = function(*arguments)
            return result
        except OSError as error:
            result = -error.errno
            raise
        finally:
            print(f"proxy: {file.pid} {call} = {result or 0}", flush=True)

    def open(self, file):
        flags = file.flags & (os.O_ACCMODE | os.O_NONBLOCK)
        file.lower = self.logged(file, f"open({flags})", os.open, self.target, flags)

    def close(self, file):
        self.logged(file, "close()", os.close, file.lower)

    def go_to(self, file, offset):
        with suppress(OSError):  # a terminal, for example, has no position
            os.lseek(file.lower, offset, os.SEEK_SET)

    def read(self, file, buf, offset):
        self.go_to(file, offset)
        return self.logged(file, f"read({len(buf)})", os.readv, file.lower, [buf])

    def write(self, file, buf, offset):
        self.go_to(file, offset)
        return self.logged(file, f"write({len(buf)})", os.write, file.lower, buf)

    def ioctl(self, file, request, data):
        return self.logged(
            file, f"ioctl({request:#x})", hand_on_ioctl, file.lower, request, data
        )

    def seek(self, file, offset, whence):
        if whence == os.SEEK_CUR:  # of the client, not of the lower file
            return os.lseek(file.lower, file.offset + offset, os.SEEK_SET)
        return os.lseek(file.lower, offset, whence)

    def flush(self, file):
        os.close(os.dup(file.lower))  # one descriptor of several

    def fsync(self, file, datasync):
        sync = os.fdatasync if datasync else os.fsync
        self.logged(file, f"fsync({datasync:d})", sync, file.lower)


def main():
    if not 2 <= len(sys.argv) <= 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: proxy.py TARGET [NAME]")
    try:
        device = Proxy(sys.argv[2] if len(sys.argv) > 2 else "proxy", mode=0o666)
        device.target = sys.argv[1]
        with device:
            print("proxy:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"proxy: {error.strerror}")


if __name__ == "__main__":
    main()
