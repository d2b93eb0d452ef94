# SPDX-License-Identifier: BSD-3-Clause
"""A client of the dial. It knows nothing of FUSD: to it the device is one of
the kernel's. It takes the request numbers from the driver's file.

Try it:  python ioctl.py &        (prints where the device is)
         python ioctl_client.py /dev/ioctl
"""

import sys
from fcntl import ioctl

from ioctl import GET, RESET, SET, TURN, Dial, Turn


def show(device, what):
    dial = Dial()
    ioctl(device, GET, dial)
    print(f"{what}: at {dial.position} of {dial.marks}")


def show_refusal(device, what, *request):
    """Says what became of a call that the driver should refuse."""
    try:
        ioctl(device, *request)
        print(f"{what}: accepted")
    except OSError as error:
        print(f"{what}: {error.strerror}")


def talk(device):
    ioctl(device, SET, Dial(position=30, marks=40))
    show(device, "set")
    turn = Turn(steps=-75)
    rounds = ioctl(device, TURN, turn)
    print(
        f"turned by {turn.steps}: now at {turn.position}, "
        f"passed the first mark {rounds} times"
    )
    show_refusal(device, "set to 40 of 40", SET, Dial(position=40, marks=40))
    show_refusal(device, "request 99", ord("D") << 8 | 99)
    ioctl(device, RESET, 7)
    show(device, "reset to 7")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: ioctl_client.py DEVICE")
    try:
        with open(sys.argv[1], "r+b", buffering=0) as device:
            talk(device)
    except OSError as error:
        sys.exit(f"ioctl_client: {sys.argv[1]}: {error.strerror}")


if __name__ == "__main__":
    main()
