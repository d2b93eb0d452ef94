# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark's Python driver: reads come from memory that was written once."""

import sys

import pyfusd

DATA = memoryview(b"d" * (128 << 10))


class Bench(pyfusd.Device):
    def read(self, file, buf, offset):
        return DATA[: len(buf)]

    def write(self, file, buf, offset):
        return len(buf)


with Bench(sys.argv[1]) as device:
    print(device.path, flush=True)
    pyfusd.run(device)
