# SPDX-License-Identifier: BSD-3-Clause
"""tracing.trace(): each call once, with what its client got, and no cost after."""

import asyncio
import errno
import gc
import os
import subprocess
import threading
import weakref

import pytest

import pyfusd
from pyfusd import tracing
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
