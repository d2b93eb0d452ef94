# SPDX-License-Identifier: BSD-3-Clause
"""Drums that count: attributes of a file keep what belongs to one open file.

Whoever opens a drum hears one bar of four beats. Two listeners at the same time
are each at a beat of their own.

Try it:  python drums2.py &       (prints where the devices are)
         cat /dev/drums2/bass
         cat /dev/drums2/bass /dev/drums2/snare
"""

import sys

import pyfusd

BEATS_IN_A_BAR = 4
SOUNDS = {"bass": "boom", "snare": "tak", "cymbal": "crash"}


class Drum(pyfusd.Device):
    sound: str

    def open(self, file):
        file.beat = 0

    def read(self, file, buf, offset):
        if file.beat == BEATS_IN_A_BAR:
            return 0
        file.beat += 1
        return f"{file.beat} {self.sound}\n".encode()


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "drums2"
    if len(sys.argv) > 2 or directory.startswith("-"):
        sys.exit("usage: drums2.py [NAME]")
    try:
        for name, sound in SOUNDS.items():
            drum = Drum(f"{directory}/{name}", mode=0o666)
            drum.sound = sound
            drum.register()
            print("drums2:", drum.path, file=sys.stderr)
        pyfusd.run()
    except OSError as error:
        sys.exit(f"drums2: {error.strerror}")


if __name__ == "__main__":
    main()
