# SPDX-License-Identifier: BSD-3-Clause
"""A loop of one's own: on asyncio the driver listens to its clients and to its
standard input, where one adds, changes and removes drums.

Try it:  python drums3.py         (prints where the devices are)
         bass thud           (type this: the bass sounds different now)
         triangle ting       (a new device)
         snare               (takes the snare away)
         Ctrl-D              (ends the driver, as the last drum's end does)
  also:  python drums3.py < FILE     (obeys the lines of a file)
"""

import asyncio
import errno
import os
import sys
from contextlib import suppress

import pyfusd

DRUMS = 16
LINE_SIZE = 256  # with its newline


class Drum(pyfusd.Device):
    sound: str

    def read(self, file, buf, offset):
        return os.fsencode(f"{self.sound}\n")


async def until_readable(descriptor):
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    try:
        loop.add_reader(descriptor, readable.set_result, None)
    except PermissionError:
        # A regular file, for example, which is always readable.
        await asyncio.sleep(0)
        return
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


class Drums:
    def __init__(self, directory):
        self.directory = directory
        self.drums = {}
        self.input = b""  # of a line that is not complete

    def set(self, name, sound):
        drum = self.drums.get(name)
        if drum is None:
            if len(self.drums) == DRUMS:
                raise OSError(errno.ENOSPC, f"there are {DRUMS} drums already")
            drum = Drum(f"{self.directory}/{name}", mode=0o666).register()
            self.drums[name] = drum
            print("drums3:", drum.path, file=sys.stderr)
        drum.sound = sound

    def remove(self, name):
        self.drums.pop(name).unregister()

    def forget_lost(self):
        """serve() unregisters what was taken away from outside."""
        for name, drum in list(self.drums.items()):
            if not drum.registered:
                del self.drums[name]

    def obey(self, line):
        """ "NAME SOUND" or "NAME" """
        name, _, sound = line.lstrip(" ").partition(" ")
        self.forget_lost()
        try:
            if sound:
                self.set(name, sound)
            elif name in self.drums:
                self.remove(name)
                print(f"drums3: {name} is gone", flush=True)
        except OSError as error:
            print(f"drums3: {error.strerror}", file=sys.stderr)

    def read_input(self):
        """Obeys the lines that are complete; false at the end of the input."""
        data = os.read(sys.stdin.fileno(), LINE_SIZE - len(self.input))
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            self.obey(os.fsdecode(line))
        if len(self.input) == LINE_SIZE:
            text = f"a line has more than {LINE_SIZE} bytes"
            raise OSError(errno.EMSGSIZE, text)
        return bool(data)

    async def listen(self):
        """Obeys its standard input; takes all drums away at the end of that."""
        try:
            await until_readable(sys.stdin.fileno())
            while self.read_input():
                await until_readable(sys.stdin.fileno())
        finally:
            for name in list(self.drums):
                self.remove(name)


async def serve(directory):
    drums = Drums(directory)
    drums.obey("bass boom")
    drums.obey("snare tak")
    if not drums.drums:
        sys.exit(1)
    listening = asyncio.create_task(drums.listen())
    # Until no drum is left. It serves those, too, that are registered later.
    await pyfusd.aio.serve(*drums.drums.values())
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "drums3"
    if len(sys.argv) > 2 or directory.startswith("-"):
        sys.exit("usage: drums3.py [NAME]")
    try:
        asyncio.run(serve(directory))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"drums3: {error.strerror}")


if __name__ == "__main__":
    main()
