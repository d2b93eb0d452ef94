# SPDX-License-Identifier: BSD-3-Clause
"""Many devices, one set of callbacks: attributes of self tell them apart.

Every read of a drum is one beat, and the drummer never gets tired: there is no
end of file.

Try it:  python drums.py &        (prints where the devices are)
         head -n 3 /dev/drums/bass
         head -n 3 /dev/drums/snare
"""

import sys

import pyfusd

SOUNDS = {"bass": b"boom\n", "snare": b"tak\n", "cymbal": b"crash\n"}


class Drum(pyfusd.Device):
    sound: bytes

    def read(self, file, buf, offset):
        return self.sound


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "drums"
    if len(sys.argv) > 2 or directory.startswith("-"):
        sys.exit("usage: drums.py [NAME]")
    try:
        for name, sound in SOUNDS.items():
            drum = Drum(f"{directory}/{name}", mode=0o666)
            drum.sound = sound
            drum.register()
            print("drums:", drum.path, file=sys.stderr)
        pyfusd.run()
    except OSError as error:
        sys.exit(f"drums: {error.strerror}")


if __name__ == "__main__":
    main()
