# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes that mypy finds: each line with a comment, and no other. Never run."""

from __future__ import annotations

import select

import pyfusd
from pyfusd.testing import StartDriver


def devices() -> None:
    pyfusd.Device()  # call-arg
    pyfusd.Device("name", "0666")  # arg-type
    pyfusd.Device("name", 0o666, "fuse")  # call-arg
    pyfusd.Device("name").path = "/dev/other"  # misc
    pyfusd.Device("name").no_such_method()  # attr-defined
    pyfusd.transport_problem(1)  # arg-type


def requests(request: pyfusd.Request) -> None:
    request.reply("text")  # arg-type
    request.fail(None)  # arg-type
    request.done = True  # misc


def numbers() -> None:
    pyfusd.IOR("t", 1)  # call-arg
    pyfusd.IO("t", "1")  # arg-type
    pyfusd.ioctl("TCGETS")  # arg-type


def mocks(fusd_device: StartDriver) -> None:
    fusd_device("sensor")  # arg-type
    fusd_device(pyfusd.Device, True)  # call-arg


class Arguments(pyfusd.Device):
    def open(self, file: pyfusd.File, flags: int) -> None:  # override
        pass

    def read(self, file: pyfusd.File, buf: bytearray, offset: int) -> int:  # override
        return 0

    def write(self, file: pyfusd.File, buf: memoryview) -> int:  # override
        return 0

    def ioctl(self, file: pyfusd.File, request: int, data: str) -> int:  # override
        return 0


class Results(pyfusd.Device):
    def open(self, file: pyfusd.File) -> str:  # override
        return ""

    async def read(self, file: object, buf: object, offset: int) -> str:  # override
        return ""

    def write(self, file: pyfusd.File, buf: object, offset: int) -> None:  # override
        pass

    def poll(self, file: pyfusd.File) -> int:  # override
        return select.POLLOUT

    async def mmap(self, *arguments: object) -> int:  # override
        return 0


class Poll(pyfusd.Device):
    def poll(self, file: pyfusd.File) -> pyfusd.Notify:
        return select.POLLOUT  # return-value


async def loops(device: pyfusd.Device, file: pyfusd.File) -> None:
    pyfusd.run("echo")  # arg-type
    pyfusd.run([device])  # arg-type
    await pyfusd.aio.serve(device.path)  # arg-type
    device.read(file)  # call-arg
    device.opne(file)  # attr-defined


class Final(pyfusd.File):  # misc
    pass
