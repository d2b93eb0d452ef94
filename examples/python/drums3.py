# SPDX-License-Identifier: BSD-3-Clause
"""A loop of one's own: on asyncio the driver listens to its clients and to its
standard input, where one adds, changes and removes drums.

Try it:  python drums3.py         (prints where the devices are)
         bass thud           (type this: the bass sounds different now)
         triangle ting       (a new device)
         snare               (takes the snare away)
         Ctrl-D              (ends the driver, as the last drum's end does)
"""

import asyncio
import sys

import pyfusd


class Drum(pyfusd.Device):
    sound: str

    def read(self, file, buf, offset):
        return f"{self.sound}\n".encode()


class Drums:
    def __init__(self, directory):
        self.directory = directory
        self.drums = {}

    def set(self, name, sound):
        drum = self.drums.get(name)
        if drum is None:
            drum = Drum(f"{self.directory}/{name}", mode=0o666).register()
            self.drums[name] = drum
            print("drums3:", drum.path, flush=True)
        drum.sound = sound

    def remove(self, name):
        self.drums.pop(name).unregister()

    def obey(self, line):
        """ "NAME SOUND" or "NAME" """
        name, _, sound = line.strip().partition(" ")
        try:
            if sound:
                self.set(name, sound)
            elif name in self.drums:
                self.remove(name)
                print(f"drums3: {name} is gone", flush=True)
        except OSError as error:
            print(f"drums3: {error.strerror}", file=sys.stderr)

    async def listen(self):
        """Obeys its standard input; takes all drums away at the end of that."""
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
        )
        async for line in lines:
            self.obey(line.decode())
        for name in list(self.drums):
            self.remove(name)


async def serve(directory):
    drums = Drums(directory)
    drums.set("bass", "boom")
    drums.set("snare", "tak")
    listening = asyncio.create_task(drums.listen())
    # Until no drum is left. It serves those, too, that are registered later.
    await pyfusd.aio.serve(*drums.drums.values())
    listening.cancel()


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
