# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark's Python driver: reads come from memory that was written once.

It prints the path of its first device. An option that this pyfusd does not know
gives exit status 3.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import inspect
import resource
import sys
from contextlib import suppress
from typing import Any

import pyfusd

NOT_OFFERED = 3
# Options of a device that not each build has.
OPTIONS = ("max_transfer", "spin_us")

BYTES = b"d" * (1 << 20)
DATA = memoryview(BYTES)
EMPTY = pyfusd.NOTIFY_OUTPUT


class Plain(pyfusd.Device):
    def open(self, file):
        pass

    def close(self, file):
        pass

    def read(self, file, buf, offset):
        return DATA[: len(buf)]

    def write(self, file, buf, offset):
        return len(buf)

    def ioctl(self, file, request, data):
        return 0


class Coroutines(pyfusd.Device):
    """Of which none waits."""

    async def open(self, file):
        pass

    async def close(self, file):
        pass

    async def read(self, file, buf, offset):
        return DATA[: len(buf)]

    async def write(self, file, buf, offset):
        return len(buf)

    async def ioctl(self, file, request, data):
        return 0


class Polled(pyfusd.Device):
    """Readable after a write, and not after a read."""

    readable = False

    def read(self, file, buf, offset):
        self.readable = False
        return DATA[: len(buf)]

    def write(self, file, buf, offset):
        self.readable = True
        self.poll_changed()
        return len(buf)

    def poll(self, file):
        return EMPTY | pyfusd.NOTIFY_INPUT if self.readable else EMPTY


class Filling(Plain):
    def read(self, file, buf, offset):
        buf[:] = DATA[: len(buf)]
        return len(buf)


class Copying(Plain):
    def read(self, file, buf, offset):
        return BYTES[: len(buf)]


class Refusing(Plain):
    def read(self, file, buf, offset):
        return -errno.EAGAIN


class Raising(Plain):
    def read(self, file, buf, offset):
        raise BlockingIOError(errno.EAGAIN, "nothing there")


KINDS = {
    "plain": Plain,
    "coroutines": Coroutines,
    "polled": Polled,
    "filling": Filling,
    "copying": Copying,
    "refusing": Refusing,
    "raising": Raising,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="plain")
    parser.add_argument("--loop", choices=("run", "asyncio"), default="run")
    parser.add_argument("--devices", type=int, default=1)
    for name in OPTIONS:
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("name")
    return parser.parse_args()


def device_options(arguments: argparse.Namespace) -> dict[str, Any]:
    known = inspect.signature(pyfusd.Device).parameters
    options = {}
    for name in OPTIONS:
        value = getattr(arguments, name)
        if value is None:
            continue
        if name not in known:
            sys.exit(NOT_OFFERED)
        options[name] = value
    return options


def main() -> None:
    arguments = parse()
    options = device_options(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    devices = [
        KINDS[arguments.kind](f"{arguments.name}{number or ''}", **options)
        for number in range(arguments.devices)
    ]
    for device in devices:
        device.register()
    print(devices[0].path, flush=True)
    if arguments.loop == "run":
        pyfusd.run(*devices, quiet=True)
        return
    with suppress(KeyboardInterrupt):  # of SIGTERM
        asyncio.run(pyfusd.aio.serve(*devices))


main()
