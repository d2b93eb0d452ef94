# SPDX-License-Identifier: BSD-3-Clause
"""A driver as a user types it: mypy --strict must not object. Never run."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import TYPE_CHECKING

import pyfusd
from pyfusd import tracing

if TYPE_CHECKING:
    from typing import Literal

    from typing_extensions import assert_type

    from pyfusd.results import ReadResult


class Config(ctypes.Structure):
    _fields_ = [("speed", ctypes.c_uint32)]


SET_CONFIG = pyfusd.IOW("t", 1, Config)
GET_LEVEL = pyfusd.IOR("t", 2, "<I")
RESET = pyfusd.IO("t", 3)


class Typed(pyfusd.Device):
    """All callbacks, in the forms that the documentation gives them."""

    waiting: pyfusd.Request | None = None

    def __init__(self, name: str, *, speed: int = 9600) -> None:
        super().__init__(
            name,
            0o666,
            transport="fuse",
            nonblock=True,
            shared_memory=os.memfd_create("memory"),
        )
        self.speed = speed

    def open(self, file: pyfusd.File) -> None:
        assert_type(file.pid, int)
        assert_type(file.flags, int)
        file.mine = 1
        if file.uid != os.getuid():
            raise OSError(errno.EACCES, "not yours")

    def close(self, file: pyfusd.File) -> None:
        file.poll_changed()

    def read(
        self, file: pyfusd.File, buf: memoryview, offset: int
    ) -> int | bytes | pyfusd.Request:
        if offset == 0:
            self.waiting = file.hold()
            return self.waiting
        file.offset = 0
        buf[:1] = b"x"
        return 1

    def write(self, file: pyfusd.File, buf: memoryview, offset: int) -> int:
        if self.waiting:
            self.waiting.reply(bytes(buf))
            self.waiting.reply(buf)
            self.waiting.fail(errno.EIO)
            assert_type(self.waiting.operation, str)
        self.poll_changed()
        return len(buf)

    def poll(self, file: pyfusd.File) -> pyfusd.Notify:
        assert_type(pyfusd.NOTIFY_INPUT | pyfusd.NOTIFY_OUTPUT, pyfusd.Notify)
        return pyfusd.Notify.INPUT | pyfusd.NOTIFY_OUTPUT

    def unblock(self, file: pyfusd.File, request: pyfusd.Request) -> None:
        if request.interrupted and not request.done:
            request.fail(errno.EINTR)

    def seek(self, file: pyfusd.File, offset: int, whence: int) -> int | pyfusd.Request:
        return file.hold() if whence == os.SEEK_END else file.offset + offset

    def flush(self, file: pyfusd.File) -> None:
        raise OSError(errno.ENOSPC, "it is full")

    def fsync(self, file: pyfusd.File, datasync: bool) -> int | None:
        return -errno.EIO if datasync else None

    @pyfusd.ioctl(SET_CONFIG)
    def set_config(self, file: pyfusd.File, config: Config) -> None:
        self.speed = config.speed

    @pyfusd.ioctl(GET_LEVEL)
    def get_level(self, file: pyfusd.File, _: tuple[()]) -> int:
        return 5

    @pyfusd.ioctl(RESET)
    def reset(self, file: pyfusd.File, argument: int) -> int:
        return -errno.EBUSY if argument else 0

    def ioctl(
        self, file: pyfusd.File, request: int, data: memoryview | int
    ) -> int | None:
        number = pyfusd.IoctlNumber(request)
        assert_type(number.size, int)
        assert_type(number.readable, bool)
        return -errno.ENOTTY


class Async(pyfusd.Device):
    """The same, on asyncio, and with other names for what they take."""

    async def open(self, opened: pyfusd.File) -> None:
        pass

    async def read(self, opened: pyfusd.File, view: memoryview, position: int) -> bytes:
        return b""

    async def write(self, file: object, buf: memoryview, offset: int) -> int:
        return len(buf)

    async def ioctl(
        self, file: pyfusd.File, request: int, data: memoryview | int
    ) -> int | None:
        return None

    async def seek(self, file: pyfusd.File, offset: int, whence: int) -> int:
        return offset

    async def flush(self, file: pyfusd.File) -> None:
        pass

    async def fsync(self, file: pyfusd.File, datasync: bool) -> None:
        pass

    def poll(self, file: pyfusd.File) -> pyfusd.Notify | Literal[0]:
        return 0

    def mmap(
        self, file: pyfusd.File, offset: int, length: int, prot: int, flags: int
    ) -> mmap.mmap:
        return mmap.mmap(-1, length)


def call(device: pyfusd.Device, file: pyfusd.File, buf: memoryview) -> None:
    result: ReadResult = device.read(file, buf, 0)
    del result


def serve() -> None:
    pyfusd.run()
    pyfusd.run(Async("one"), Typed("other"))
    with Typed("typed") as device:
        assert_type(device, Typed)
        assert_type(device.path, str)
        assert_type(device.fileno(), int)
        assert_type(device.dispatch(), bool)
        pyfusd.run(device)
    assert_type(Typed("other").register(), Typed)
    assert_type(pyfusd.transport_problem("fuse"), "str | None")
    assert_type(pyfusd.__version__, str)


def show(call: tracing.Call) -> None:
    assert_type(call.error, "str | None")
    assert_type(call.microseconds, float)


def trace() -> None:
    with tracing.trace(show):
        serve()
