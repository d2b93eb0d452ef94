# SPDX-License-Identifier: BSD-3-Clause
"""Random bytes as fast as dd can read them: the kernel's generator writes them
into the memory of the reply itself, so that nothing is copied in between.

Try it:  python random_bytes.py & (prints where the device is)
         dd if=/dev/random_bytes of=/dev/null bs=128K count=8192
"""

import os
import sys

import pyfusd


class RandomBytes(pyfusd.Device):
    def __init__(self, name="random_bytes", **options):
        super().__init__(name, **options)
        self.source = os.open("/dev/urandom", os.O_RDONLY)

    def read(self, file, buf, offset):
        return os.readv(self.source, [buf])


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "random_bytes"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: random_bytes.py [NAME]")
    try:
        with RandomBytes(name, mode=0o444) as device:
            print("random_bytes:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"random_bytes: {error.strerror}")


if __name__ == "__main__":
    main()
