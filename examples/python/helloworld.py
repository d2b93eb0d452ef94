# SPDX-License-Identifier: BSD-3-Clause
"""The smallest driver: every read from the start gives one sentence.

Try it:  python helloworld.py &   (prints where the device is)
         cat /dev/helloworld
"""

import sys

import pyfusd

GREETING = b"Hello, world!\n"


class HelloWorld(pyfusd.Device):
    def read(self, file, buf, offset):
        return GREETING[offset : offset + len(buf)]


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "helloworld"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: helloworld.py [NAME]")
    try:
        with HelloWorld(name, mode=0o666) as device:
            print("helloworld:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"helloworld: {error.strerror}")


if __name__ == "__main__":
    main()
