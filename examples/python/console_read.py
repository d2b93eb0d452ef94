# SPDX-License-Identifier: BSD-3-Clause
"""A driver that blocks: what a client reads is what somebody types at the
driver's terminal.

While the callback waits for that line the driver serves nobody else; a second
client waits until the first has its answer. The pager shows how to do it
better.

Try it:  python console_read.py   (prints where the device is)
         head -n 1 /dev/console_read     (in another terminal)
         and type a line at the first terminal
"""

import sys

import pyfusd


class ConsoleRead(pyfusd.Device):
    def read(self, file, buf, offset):
        print(f"console_read: process {file.pid} reads, what shall it get?", flush=True)
        return sys.stdin.buffer.readline(len(buf))


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "console_read"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: console_read.py [NAME]")
    try:
        with ConsoleRead(name, mode=0o666) as device:
            print("console_read:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"console_read: {error.strerror}")


if __name__ == "__main__":
    main()
