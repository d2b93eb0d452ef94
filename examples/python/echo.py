# SPDX-License-Identifier: BSD-3-Clause
"""Gives back the last thing that was written to it.

Try it:  python echo.py &         (prints where the device is)
         echo hi > /dev/echo
         cat /dev/echo
"""

import sys

import pyfusd


class Echo(pyfusd.Device):
    data = b""

    def read(self, file, buf, offset):
        return self.data[offset : offset + len(buf)]

    def write(self, file, buf, offset):
        self.data = bytes(buf)
        return len(buf)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "echo"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: echo.py [NAME]")
    try:
        with Echo(name, mode=0o666) as device:
            print("echo:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"echo: {error.strerror}")


if __name__ == "__main__":
    main()
