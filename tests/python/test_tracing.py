# SPDX-License-Identifier: BSD-3-Clause
"""tracing.trace(): each call once, with what its client got, and no cost after."""

import asyncio
import errno
import fcntl
import gc
import json
import os
import subprocess
import threading
import weakref

import pytest

import pyfusd
from pyfusd import tracing
from pyfusd.tracing import Call, Data, Excerpt
from support.serving import serving
from support.waiting import DEADLINE, wait_until


class Traced(pyfusd.Device):
    """Answers as it is told."""

    answer = b""

    def read(self, file, buf, offset):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def calls():
    seen = []
    with tracing.trace(seen.append):
        yield seen


def read(path, size=8):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, size)
    except OSError as error:
        return -error.errno
    finally:
        os.close(descriptor)


def only(calls, operation):
    def found():
        return [call for call in list(calls) if call.operation == operation]

    wait_until(found, operation)
    (call,) = found()
    return call


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"abc", 3),
        (b"longer than asked", 8),
        (bytearray(b"ab"), 2),
        (5, 5),
        (1000, 8),
        (-errno.EAGAIN, -errno.EAGAIN),
        (OSError(errno.ENOSPC, "full"), -errno.ENOSPC),
        (ValueError("a mistake"), -errno.EIO),
        ("text", -errno.EIO),
        (None, -errno.EIO),
    ],
)
def test_the_result_is_what_the_client_got(serve, calls, answer, result):
    device = serve(Traced("traced"))
    device.answer = answer
    got = read(device.path)
    assert (got if isinstance(got, int) else len(got)) == result
    call = only(calls, "read")
    assert (call.result, call.size, call.offset, call.held) == (result, 8, 0, False)
    assert call.error == (errno.errorcode[-result] if result < 0 else None)
    assert call.as_dict()["errno"] == call.error


def test_a_device_registered_later_is_traced_too(serve, calls):
    assert read(serve(Traced("later")).path) == b""
    assert only(calls, "open").device.endswith("/later")


def test_a_request_answered_inside_its_callback_is_one_call(serve, calls):
    class Inside(pyfusd.Device):
        def read(self, file, buf, offset):
            request = file.hold()
            request.reply(b"inside")
            return request

    assert read(serve(Inside("inside")).path) == b"inside"
    call = only(calls, "read")
    assert (call.result, call.held) == (6, True)


@pytest.mark.parametrize("waits", [False, True])
def test_a_coroutine_is_one_call_when_it_ends(serve, calls, waits):
    class Async(pyfusd.Device):
        async def read(self, file, buf, offset):
            if waits:
                await asyncio.sleep(0.01)
            return b"async"

    assert read(serve(Async("async")).path) == b"async"
    call = only(calls, "read")
    assert (call.result, call.held) == (5, False)
    assert not waits or call.microseconds > 9000


def test_a_cancelled_coroutine_is_eintr(serve, calls):
    class Waiting(pyfusd.Device):
        async def read(self, file, buf, offset):
            begun.set()
            await asyncio.sleep(1000)

    begun = threading.Event()
    device = serve(Waiting("waiting"))
    with subprocess.Popen(["cat", device.path]) as reader:
        assert begun.wait(DEADLINE)
        reader.kill()
    assert only(calls, "read").error == "EINTR"


def test_a_device_is_itself_again_after_the_trace(serve):
    device = serve(Traced("itself"))
    before = device._callbacks()
    with tracing.trace(lambda call: None):
        assert device._callbacks() != before
    assert device._callbacks() == before
    assert device._observer is None


def test_a_sink_that_raises_ends_the_trace_and_not_the_call(serve, caplog):
    device = serve(Traced("sink"))
    device.answer = b"fine"
    before = device._callbacks()

    def sink(call):
        raise ValueError("no room")

    with tracing.trace(sink):
        assert read(device.path) == b"fine"
        assert device._callbacks() == before
    assert "the trace ended: ValueError('no room')" in caplog.text


def test_what_began_under_an_old_trace_leaves_a_new_one_alone(serve, in_thread):
    class Waiting(pyfusd.Device):
        async def read(self, file, buf, offset):
            begun.set()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, ends.wait, DEADLINE)
            return b"late"

    begun, ends = threading.Event(), threading.Event()
    old, new = [], []

    def sink(call):
        old.append(call.operation)
        if call.operation == "read":
            raise ValueError("the tracer is gone")

    device = serve(Waiting("waiting"))
    with tracing.trace(sink):
        reading = in_thread(read, device.path)
        assert begun.wait(DEADLINE)
        with tracing.trace(new.append):
            ends.set()
            assert reading.result() == b"late"
            assert read(device.path) == b"late"
            assert only(new, "read").result == 4
    assert old == ["open"]


def test_a_trace_lets_go_of_unregistered_devices():
    with tracing.trace(lambda call: None):
        device = Traced("gone")
        with serving(device):
            descriptor = os.open(device.path, os.O_RDONLY)
        os.close(descriptor)
        gone = weakref.ref(device)
        del device
        gc.collect()
        assert gone() is None


ALL = bytes(range(97, 107))


@pytest.fixture
def calls_with_data():
    """Calls with the first four bytes of each."""
    seen = []
    with tracing.trace(seen.append, data=4):
        yield seen


class Filling(pyfusd.Device):
    """Puts its bytes into the buffer."""

    def read(self, file, buf, offset):
        buf[:] = ALL[: len(buf)]
        return len(buf) - 1


class Returning(pyfusd.Device):
    def read(self, file, buf, offset):
        return ALL


class Viewing(pyfusd.Device):
    """Returns a part of memory of its own."""

    def read(self, file, buf, offset):
        return memoryview(bytearray(ALL))[1:]


class Releasing(pyfusd.Device):
    """Has no use for its view after it."""

    def read(self, file, buf, offset):
        with buf:
            buf[:6] = ALL[:6]
        return 6


class Waiting(pyfusd.Device):
    async def read(self, file, buf, offset):
        await asyncio.sleep(0)
        return ALL


class WaitingAndFilling(pyfusd.Device):
    async def read(self, file, buf, offset):
        await asyncio.sleep(0)
        buf[:] = ALL[: len(buf)]
        return len(buf)


class AnsweringInside(pyfusd.Device):
    """Changes the bytes once they are on their way."""

    def read(self, file, buf, offset):
        request, data = file.hold(), bytearray(ALL)
        request.reply(data)
        data[:] = bytes(len(data))
        return request


@pytest.mark.parametrize(
    ("device_class", "size", "sent"),
    [
        (Filling, 9, (b"abcd", 4)),
        (Filling, 4, (b"abc", 0)),
        (Filling, 1, (b"", 0)),
        (Returning, 8, (b"abcd", 4)),
        (Returning, 3, (b"abc", 0)),
        (Viewing, 20, (b"bcde", 5)),
        (Releasing, 20, (b"abcd", 2)),
        (Waiting, 20, (b"abcd", 6)),
        (WaitingAndFilling, 5, (b"abcd", 1)),
        (AnsweringInside, 20, (b"abcd", 6)),
    ],
)
def test_a_read_shows_what_its_client_got(
    serve, calls_with_data, device_class, size, sent
):
    got = read(serve(device_class("data")).path, size)
    data = only(calls_with_data, "read").data
    assert data == Data(None, Excerpt(*sent))
    assert (got[: len(sent[0])], len(got)) == (sent[0], len(sent[0]) + sent[1])


@pytest.mark.parametrize("answer", [-errno.EAGAIN, OSError(errno.ENOSPC, "full")])
def test_a_read_that_failed_shows_no_bytes(serve, calls_with_data, answer):
    device = serve(Traced("traced"))
    device.answer = answer
    assert read(device.path) < 0
    assert only(calls_with_data, "read").data == Data(None, None)


class Later(pyfusd.Device):
    """A write answers the read that waits, as it is told."""

    def __init__(self, answer):
        super().__init__("later")
        self.answer, self.request = answer, None
        self.is_held = threading.Event()

    def read(self, file, buf, offset):
        self.request = file.hold()
        self.is_held.set()
        return self.request

    def write(self, file, buf, offset):
        self.answer(self.request, buf)
        return -errno.ENOSPC


def fill(request, data):
    request.buffer[: len(data)] = data
    request.reply(len(data))


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (fill, Excerpt(b"abcd", 6)),
        (lambda request, data: request.reply(data), Excerpt(b"abcd", 6)),
        (lambda request, data: request.fail(errno.EAGAIN), None),
    ],
)
def test_a_held_read_shows_what_answered_it(
    serve, calls_with_data, in_thread, answer, sent
):
    device = serve(Later(answer))
    reading = in_thread(read, device.path, 20)
    assert device.is_held.wait(DEADLINE)
    writer = os.open(device.path, os.O_WRONLY)
    with pytest.raises(OSError, match="No space"):
        os.write(writer, ALL)
    os.close(writer)
    assert reading.result() == (ALL if sent else -errno.EAGAIN)
    assert only(calls_with_data, "read").data == Data(None, sent)
    # That it failed does not matter: these bytes came.
    assert only(calls_with_data, "write").data == Data(Excerpt(b"abcd", 6), None)


class Ioctls(pyfusd.Device):
    @pyfusd.ioctl(pyfusd.IOWR("T", 1, "6s"))
    def turn(self, file, values):
        return values[0][::-1]

    @pyfusd.ioctl(pyfusd.IOW("T", 2, 6))
    def take(self, file, data):
        pass

    @pyfusd.ioctl(pyfusd.IOR("T", 3, 6))
    async def give(self, file, data):
        await asyncio.sleep(0)
        data[:] = ALL[:6]

    @pyfusd.ioctl(pyfusd.IOWR("T", 4, 6))
    def refuse(self, file, data):
        return -errno.EBUSY


CAME = Excerpt(b"123\0", 2)


@pytest.mark.parametrize(
    ("request_number", "data"),
    [
        (pyfusd.IOWR("T", 1, 6), Data(CAME, Excerpt(b"\0\0\x003", 2))),
        (pyfusd.IOW("T", 2, 6), Data(CAME, None)),
        (pyfusd.IOR("T", 3, 6), Data(None, Excerpt(b"abcd", 2))),
        (pyfusd.IOWR("T", 4, 6), Data(CAME, None)),
        (pyfusd.IO("T", 5), None),
    ],
)
def test_an_ioctl_shows_both_ways(serve, calls_with_data, request_number, data):
    device = serve(Ioctls("ioctls"))
    descriptor = os.open(device.path, os.O_RDWR)
    try:
        fcntl.ioctl(descriptor, request_number, bytearray(b"123\0\0\0"))
    except OSError:
        assert request_number in (pyfusd.IOWR("T", 4, 6), pyfusd.IO("T", 5))
    finally:
        os.close(descriptor)
    assert only(calls_with_data, "ioctl").data == data
    assert only(calls_with_data, "open").data is None


def test_a_trace_keeps_no_bytes_unless_it_is_told(serve, calls):
    read(serve(Returning("plain")).path)
    assert only(calls, "read").data is None
    assert "data" not in only(calls, "read").as_dict()
    with pytest.raises(ValueError, match="-1 bytes"), tracing.trace(print, data=-1):
        pass


def test_a_call_is_the_same_after_json(serve, calls_with_data):
    read(serve(Returning("json")).path)
    call = only(calls_with_data, "read")
    fields = json.loads(json.dumps(call.as_dict()))
    excerpt = {"hex": "61626364", "left_out": 4}
    assert fields["data"] == {"received": None, "sent": excerpt}
    assert Call.from_dict(fields) == call


def test_an_ioctl_that_the_kernel_knows_has_its_name(serve, calls):
    descriptor = os.open(serve(Ioctls("names")).path, os.O_RDWR)
    assert not os.isatty(descriptor)
    os.close(descriptor)
    call = only(calls, "ioctl")
    assert (call.request_name, call.as_dict()["request_name"]) == ("TCGETS", "TCGETS")
    assert " ioctl(TCGETS = 0x00005401, 0x" in str(call)
    assert only(calls, "close").request_name is None


def test_an_ioctl_of_the_driver_s_own_shows_as_a_number(serve, calls):
    descriptor = os.open(serve(Ioctls("numbers")).path, os.O_RDWR)
    fcntl.ioctl(descriptor, pyfusd.IOW("T", 2, 6), bytearray(6))
    os.close(descriptor)
    call = only(calls, "ioctl")
    assert call.request_name is None
    assert " ioctl(IOW('T', 2, 6) = 0x40065402) = 0 " in str(call)


def test_data_shows_as_a_hexdump():
    data = Data(Excerpt(b"0123456789abcdef\x00\xff~", 100), Excerpt(b"\n", 0))
    assert str(data).splitlines() == [
        "  > 0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef",
        "  > 0010  00 ff 7e" + " " * 41 + "..~",
        "  > and 100 bytes more",
        "  < 0000  0a" + " " * 47 + ".",
    ]
    assert str(Data(None, Excerpt(b"", 0))) == ""
