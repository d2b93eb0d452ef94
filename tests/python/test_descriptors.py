# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors that an ioctl of a Python driver gives its client."""

import ast
import asyncio
import errno
import fcntl
import inspect
import os
import struct
import weakref
from pathlib import Path

import pytest

import pyfusd
from support.waiting import wait_until

OPEN_LINE = pyfusd.IOWR("T", 1, 16)
NEXT = pyfusd.IO("T", 2)
PIPE = pyfusd.IO("T", 3)


class Chip(pyfusd.Device):
    """What opens gives a line, a new open file, as chips of GPIO lines do."""

    def __init__(self):
        super().__init__("chip")
        self.lines = []
        self.closed = []

    @pyfusd.ioctl(OPEN_LINE)
    def open_line(self, file, request):
        number, _, _, failing = struct.unpack("=4I", request)
        line = file.open_child(at=8)
        line.number = number
        self.lines.append(line)
        if failing:
            raise OSError(failing, os.strerror(failing))

    @pyfusd.ioctl(NEXT)
    def next(self, file, argument):
        line = file.open_child(flags=os.O_RDONLY)
        line.number = getattr(file, "number", 0) + 1

    @pyfusd.ioctl(PIPE)
    def pipe(self, file, argument):
        reader, writer = os.pipe()
        with open(writer, "wb", buffering=0) as end:
            end.write(b"from the driver")
            file.give_descriptor(reader)
        os.close(reader)

    def read(self, file, buf, offset):
        return b"line %d" % file.number

    def close(self, file):
        self.closed.append(getattr(file, "number", "chip"))


@pytest.fixture
def chip(serve, transport):
    if transport != "kfusd":
        pytest.skip("only kfusd gives clients descriptors")
    device = Chip()
    serve(device)
    return device


def open_line(descriptor, number, failing=0):
    request = bytearray(struct.pack("=4I", number, 0, 0, failing))
    fcntl.ioctl(descriptor, OPEN_LINE, request)
    return struct.unpack("=4I", request)[2]


def test_a_child_has_a_file_of_its_own(chip, opened):
    descriptor = opened(chip)
    lines = [open_line(descriptor, number) for number in (3, 5)]
    assert [os.read(line, 10) for line in lines] == [b"line 3", b"line 5"]
    assert not any(os.get_inheritable(line) for line in lines)
    child = chip.lines[0]
    assert (child.pid, child.uid) == (os.getpid(), os.getuid())
    assert child.device is chip
    assert child.flags & os.O_ACCMODE == os.O_RDWR
    for line in lines:
        os.close(line)
    wait_until(lambda: chip.closed == [3, 5], "two closes")


def test_a_child_has_children(chip, opened):
    first = fcntl.ioctl(opened(chip), NEXT)
    second = fcntl.ioctl(first, NEXT)
    assert os.read(second, 10) == b"line 2"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(second, b"x")
    os.close(first)
    assert os.read(second, 10) == b"line 2"
    os.close(second)
    wait_until(lambda: chip.closed == [1, 2], "two closes")


def test_a_descriptor_of_the_driver_s_is_given(chip, opened):
    with open(fcntl.ioctl(opened(chip), PIPE), "rb") as pipe:
        assert pipe.read() == b"from the driver"


@pytest.mark.parametrize("how", ["in place", "as bytes", "held"])
def test_a_read_gives_a_child_in_its_data(serve, opened, transport, how):
    if transport != "kfusd":
        pytest.skip("only kfusd gives clients descriptors")

    class Events(pyfusd.Device):
        closed = 0

        def read(self, file, buf, offset):
            if hasattr(file, "number"):
                raise OSError(errno.ENODATA, "a child has no children")
            if how == "held":
                request = file.hold()
                request.open_child(at=4).number = 1
                request.reply(b"child...")
                return request
            file.open_child(at=4).number = 1
            if how == "as bytes":
                return b"child..."
            buf[:8] = b"child..."
            return 8

        def close(self, file):
            self.closed += hasattr(file, "number")

    device = Events("events")
    serve(device)
    data = os.read(opened(device), 8)
    child = struct.unpack("=4xi", data)[0]
    assert data.startswith(b"chil")
    with pytest.raises(OSError, match="No data"):
        os.read(child, 8)
    os.close(child)
    assert device.closed == 1


def test_a_read_that_fails_has_no_child(serve, opened, transport):
    if transport != "kfusd":
        pytest.skip("only kfusd gives clients descriptors")

    class Mine:
        pass

    class Refusing(pyfusd.Device):
        def read(self, file, buf, offset):
            file.open_child(at=0).mine = mine = Mine()
            self.mine = weakref.ref(mine)
            raise OSError(errno.EBUSY, "busy")

    device = Refusing("refusing")
    serve(device)
    with pytest.raises(OSError, match="busy"):
        os.read(opened(device), 8)
    wait_until(lambda: device.mine() is None, "the child's end")


def test_an_ioctl_that_fails_has_no_child(chip, opened):
    descriptor = opened(chip)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError) as caught:
        open_line(descriptor, 7, failing=errno.ENOSPC)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir("/proc/self/fd") == before
    # A line that is, and is closed, is all that the driver hears of.
    os.close(open_line(descriptor, 8))
    wait_until(lambda: chip.closed, "a close")
    assert chip.closed == [8]


class Slow(Chip):
    """Answers when told to."""

    @pyfusd.ioctl(NEXT)
    def next(self, file, argument):
        self.held = file.hold()
        return self.held


def test_a_held_ioctl_is_given_descriptors(serve, opened, in_thread, transport):
    if transport != "kfusd":
        pytest.skip("only kfusd gives clients descriptors")
    device = Slow()
    device.held = None
    serve(device)
    descriptor = opened(device)
    for fails in (True, False):
        device.held = None
        calling = in_thread(fcntl.ioctl, descriptor, NEXT)
        wait_until(lambda: device.held, "the ioctl")
        device.held.open_child(flags=os.O_RDONLY).number = 4
        if fails:
            device.held.fail(errno.EBUSY)
            with pytest.raises(OSError, match="busy"):
                calling.result()
        else:
            device.held.reply()
    line = calling.result()
    assert os.read(line, 10) == b"line 4"
    os.close(line)
    with pytest.raises(RuntimeError, match="answered"):
        device.held.open_child()
    wait_until(lambda: device.closed, "a close")
    assert device.closed == [4]


class Coroutines(Chip):
    @pyfusd.ioctl(NEXT)
    async def next(self, file, argument):
        await asyncio.sleep(0)
        child = file.open_child(flags=os.O_RDONLY)
        child.number = 6

    async def read(self, file, buf, offset):
        return b"line %d" % file.number


def test_a_coroutine_gives_descriptors(serve_async, opened, in_thread, transport):
    if transport != "kfusd":
        pytest.skip("only kfusd gives clients descriptors")
    device = Coroutines()
    serve_async(device)
    calling = in_thread(fcntl.ioctl, opened(device), NEXT)
    line = calling.result()
    assert os.read(line, 10) == b"line 6"
    os.close(line)


@pytest.mark.parametrize(
    ("at", "flags", "error"),
    [
        (13, os.O_RDWR, errno.EINVAL),
        (1 << 40, os.O_RDWR, errno.EINVAL),
        (8, os.O_APPEND, errno.EINVAL),
    ],
)
def test_what_cannot_be_raises_in_the_driver(chip, opened, at, flags, error):
    raised = []

    def open_line_there(file, request):
        try:
            file.open_child(at=at, flags=flags)
        except OSError as caught:
            raised.append(caught.errno)
            raise

    chip.open_line = open_line_there
    descriptor = opened(chip)
    with pytest.raises(OSError) as caught:
        open_line(descriptor, 1)
    assert caught.value.errno == error
    assert raised == [error]


def test_elsewhere_the_error_says_what_can(serve, opened, transport):
    if transport == "kfusd":
        pytest.skip("kfusd can")
    device = Chip()
    errors = []

    def next_line(file, argument):
        for call in (file.open_child, lambda: file.give_descriptor(0)):
            try:
                call()
            except OSError as error:
                errors.append(error)
        raise errors[-1]

    device.next = next_line
    serve(device)
    with pytest.raises(OSError, match="ioctl"):
        fcntl.ioctl(opened(device), NEXT)
    assert [error.errno for error in errors] == [errno.ENOTTY] * 2
    assert all("the transport kfusd can" in str(error) for error in errors)


def test_only_ioctls_and_reads_have_a_client_to_give_to(serve, opened):
    raised = []

    class Plain(pyfusd.Device):
        def write(self, file, buf, offset):
            for call in (file.open_child, lambda: file.give_descriptor(0)):
                try:
                    call()
                except RuntimeError as error:
                    raised.append(error)
            return 1

    device = Plain("plain")
    serve(device)
    assert os.write(opened(device), b"x") == 1
    assert len(raised) == 2


@pytest.mark.parametrize("kind", [pyfusd.File, pyfusd.Request])
@pytest.mark.parametrize("method", ["open_child", "give_descriptor"])
def test_help_says_what_the_stub_says(kind, method):
    stub = Path(pyfusd.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    [described] = [
        ast.get_docstring(item)
        for definition in ast.parse(stub).body
        if getattr(definition, "name", "") == kind.__name__
        for item in definition.body
        if getattr(item, "name", "") == method
    ]
    assert inspect.getdoc(getattr(kind, method)) == described
