# SPDX-License-Identifier: BSD-3-Clause
"""All four kinds of ioctl request, on the dial of a safe.

The direction and size inside a request number decide what is copied for the
driver: a method gets its argument's bytes as a ctypes structure, and what it
changes there goes back to the client where the request says so.

Try it:  python ioctl.py &        (prints where the device is)
         python ioctl_client.py /dev/ioctl
"""

import ctypes
import errno
import sys

import pyfusd


class Dial(ctypes.Structure):
    _fields_ = (
        ("position", ctypes.c_int32),  # 0 to marks - 1
        ("marks", ctypes.c_int32),
    )


class Turn(ctypes.Structure):
    _fields_ = (
        ("steps", ctypes.c_int32),  # in: how far, below 0 to the left
        ("position", ctypes.c_int32),  # out: where that led
    )


# Turns back to the mark given as the argument itself.
RESET = pyfusd.IO("D", 1)
# Reads the dial.
GET = pyfusd.IOR("D", 2, Dial)
# Replaces it; EINVAL unless 0 <= position < marks.
SET = pyfusd.IOW("D", 3, Dial)
# Turns it; the result is how often it passed the first mark.
TURN = pyfusd.IOWR("D", 4, Turn)


class Safe(pyfusd.Device):
    position = 0
    marks = 100

    def move(self, position, marks):
        if not 0 <= position < marks:
            raise OSError(errno.EINVAL, "no such mark")
        self.position, self.marks = position, marks

    @pyfusd.ioctl(RESET)
    def reset(self, file, argument):
        self.move(ctypes.c_int32(argument).value, self.marks)

    @pyfusd.ioctl(GET)
    def get(self, file, dial):
        dial.position = self.position
        dial.marks = self.marks

    @pyfusd.ioctl(SET)
    def set(self, file, dial):
        self.move(dial.position, dial.marks)

    @pyfusd.ioctl(TURN)
    def turn(self, file, turn):
        rounds, self.position = divmod(self.position + turn.steps, self.marks)
        turn.position = self.position
        return abs(rounds)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "ioctl"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: ioctl.py [NAME]")
    try:
        with Safe(name, mode=0o666) as device:
            print("ioctl:", device.path, file=sys.stderr)
            pyfusd.run(device)
    except OSError as error:
        sys.exit(f"ioctl: {error.strerror}")


if __name__ == "__main__":
    main()
