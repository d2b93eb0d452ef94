# SPDX-License-Identifier: BSD-3-Clause
"""Held requests: answered later, from anywhere, or not at all."""

import asyncio
import errno
import fcntl
import gc
import os
import subprocess
import sys
import threading

import pytest

import pyfusd
from support.waiting import DEADLINE, wait_until

ECHO_IOCTL = pyfusd.IOWR("T", 1, 8)


class Holding(pyfusd.Device):
    """Holds every request of the operations it is told to hold."""

    def __init__(self, *operations):
        super().__init__("holding", 0o666)
        self.operations = operations
        self.requests = []
        self.unblocked = []
        self.closed = 0

    def _hold(self, file, operation):
        if operation not in self.operations:
            return 0
        self.requests.append(file.hold())
        return self.requests[-1]

    def open(self, file):
        return self._hold(file, "open")

    def close(self, file):
        self.closed += 1

    def read(self, file, buf, offset):
        return self._hold(file, "read")

    def write(self, file, buf, offset):
        return self._hold(file, "write")

    def ioctl(self, file, request, data):
        return self._hold(file, "ioctl")

    def unblock(self, file, request):
        self.unblocked.append(request)

    def held(self, count=1):
        wait_until(lambda: len(self.requests) >= count, "a held request")
        return self.requests[count - 1]


def test_a_held_read_is_answered_with_its_buffer(serve, opened, in_thread):
    device = serve(Holding("read"))
    reading = in_thread(os.read, opened(device), 10)
    request = device.held()
    assert (request.operation, request.done) == ("read", False)
    assert (request.pid, request.uid) == (reading.thread.native_id, os.getuid())
    request.buffer[:5] = b"later"
    request.reply(5)
    assert reading.result() == b"later"
    assert request.done


@pytest.mark.parametrize("data", [b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
def test_a_held_read_is_answered_with_bytes(serve, opened, in_thread, data):
    device = serve(Holding("read"))
    reading = in_thread(os.read, opened(device), 10)
    device.held().reply(data)
    assert reading.result() == b"bytes"


def test_a_held_write_shows_the_client_s_bytes(serve, opened, in_thread):
    device = serve(Holding("write"))
    writing = in_thread(os.write, opened(device), b"hello")
    request = device.held()
    assert bytes(request.buffer) == b"hello"
    assert request.buffer.readonly
    request.reply(3)
    assert writing.result() == 3


def test_a_held_ioctl_sends_its_buffer_back(serve, opened, in_thread):
    device = serve(Holding("ioctl"))
    data = bytearray(b"abcdefgh")
    calling = in_thread(fcntl.ioctl, opened(device), ECHO_IOCTL, data)
    request = device.held()
    request.buffer[:] = bytes(request.buffer).upper()
    request.reply(7)
    assert calling.result() == 7
    assert data == b"ABCDEFGH"


def test_a_held_open_succeeds_or_fails_later(serve, in_thread):
    device = serve(Holding("open"))
    opening = in_thread(os.open, device.path, os.O_RDWR)
    device.held().reply()
    os.close(opening.result())
    wait_until(lambda: device.closed == 1, "the close")
    opening = in_thread(os.open, device.path, os.O_RDWR)
    device.held(2).fail(errno.EBUSY)
    with pytest.raises(OSError) as caught:
        opening.result()
    assert caught.value.errno == errno.EBUSY
    device.unregister()
    assert device.closed == 1


def test_fail_gives_the_client_its_errno(serve, opened, in_thread):
    device = serve(Holding("read"))
    reading = in_thread(os.read, opened(device), 10)
    request = device.held()
    for wrong in (0, -5, 4096):
        with pytest.raises(ValueError, match="no errno"):
            request.fail(wrong)
    request.fail(errno.ENODATA)
    with pytest.raises(OSError) as caught:
        reading.result()
    assert caught.value.errno == errno.ENODATA


def test_a_wrong_reply_raises_and_leaves_the_request_held(serve, opened, in_thread):
    device = serve(Holding("read"))
    reading = in_thread(os.read, opened(device), 10)
    request = device.held()
    for wrong in ("text", None, 1.5, [1]):
        with pytest.raises(TypeError):
            request.reply(wrong)
    with pytest.raises(OverflowError):
        request.reply(1 << 70)
    assert not request.done
    request.reply(b"right")
    assert reading.result() == b"right"


def test_a_second_reply_is_an_error(serve, opened, in_thread):
    device = serve(Holding("write"))
    writing = in_thread(os.write, opened(device), b"x")
    request = device.held()
    request.reply(1)
    assert writing.result() == 1
    with pytest.raises(RuntimeError, match="answered already"):
        request.reply(1)
    with pytest.raises(RuntimeError, match="answered already"):
        request.fail(errno.EIO)


def test_a_dropped_request_gives_eio_and_is_logged(serve, opened, in_thread, caplog):
    device = serve(Holding("read"))
    reading = in_thread(os.read, opened(device), 10)
    device.held()
    device.requests.clear()
    gc.collect()
    with pytest.raises(OSError) as caught:
        reading.result()
    assert caught.value.errno == errno.EIO
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith(f"{device.path}: a held read of process")


def test_unregister_ends_held_requests_with_epipe(serve, opened, in_thread):
    device = serve(Holding("read"))
    reading = in_thread(os.read, opened(device), 10)
    request = device.held()
    device.unregister()
    with pytest.raises(BrokenPipeError):
        reading.result()
    request.buffer[:] = b"0123456789"  # Still the request's own memory.
    with pytest.raises(BrokenPipeError, match="not waited for"):
        request.reply(1)
    assert bytes(request.buffer) == b"0123456789"


def test_a_killed_client_s_request_is_interrupted_and_then_closed(serve):
    device = serve(Holding("read"))
    client = subprocess.Popen(["cat", device.path])
    request = device.held()
    assert not request.interrupted
    client.kill()
    client.wait()
    wait_until(lambda: device.closed == 1, "the close")
    assert device.unblocked == [request]
    assert request.interrupted
    with pytest.raises(BrokenPipeError):
        request.reply(b"too late")


def test_a_held_open_whose_client_is_killed_is_interrupted(serve):
    device = serve(Holding("open"))
    with subprocess.Popen(["cat", device.path]) as client:
        request = device.held()
        client.kill()
    wait_until(lambda: device.unblocked == [request], "the unblock")
    assert request.interrupted


def test_a_killed_client_cancels_its_open(serve):
    class Opening(pyfusd.Device):
        async def open(self, file):
            began.set()
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.append(file.hold().interrupted)
                raise

    began, cancelled = threading.Event(), []
    device = serve(Opening("opening"))
    with subprocess.Popen(["cat", device.path]) as client:
        assert began.wait(DEADLINE)
        client.kill()
    wait_until(lambda: cancelled == [True], "the cancellation")


def test_unblock_may_answer_the_interrupted_request(serve):
    class Partial(Holding):
        data = None

        def unblock(self, file, request):
            try:
                request.reply(b"what there is")
            except BrokenPipeError:  # kfusd: the client sees EINTR, and asks again.
                self.data = b"what there is"

        def read(self, file, buf, offset):
            return self.data or super().read(file, buf, offset)

    device = serve(Partial("read"))
    client = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, signal, sys\n"
            "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
            "print(os.read(os.open(sys.argv[1], os.O_RDONLY), 100))",
            device.path,
        ],
        stdout=subprocess.PIPE,
    )
    device.held()
    client.send_signal(10)
    assert client.communicate()[0] == b"b'what there is'\n"


def test_a_reply_inside_the_callback_is_legal(serve, opened):
    class Early(pyfusd.Device):
        def read(self, file, buf, offset):
            request = file.hold()
            request.reply(b"early")
            return pyfusd.NOREPLY

    assert os.read(opened(serve(Early("early"))), 10) == b"early"


def test_a_callback_that_holds_may_still_answer(serve, opened, caplog):
    class Undecided(pyfusd.Device):
        def read(self, file, buf, offset):
            file.hold()
            return b"after all"

        def write(self, file, buf, offset):
            file.hold()
            raise OSError(errno.ENOSPC, "after all")

    descriptor = opened(serve(Undecided("undecided")))
    assert os.read(descriptor, 100) == b"after all"
    with pytest.raises(OSError) as caught:
        os.write(descriptor, b"x")
    assert caught.value.errno == errno.ENOSPC
    assert not caplog.records


def test_hold_twice_is_the_same_request(serve, opened):
    class Twice(pyfusd.Device):
        def read(self, file, buf, offset):
            assert file.hold() is file.hold()
            return b"same"

    assert os.read(opened(serve(Twice("twice"))), 10) == b"same"


def test_hold_belongs_into_a_callback(serve, opened):
    class Escaping(pyfusd.Device):
        def open(self, file):
            self.file = file

        def close(self, file):
            self.file.hold()

    device = serve(Escaping("escaping"))
    opened(device)
    with pytest.raises(RuntimeError, match="inside"):
        device.file.hold()


def test_requests_and_files_are_not_made_by_hand():
    for kind in (pyfusd.Request, pyfusd.File):
        with pytest.raises(TypeError, match="made by"):
            kind()


def test_many_threads_answer_many_requests(serve, opened, in_thread):
    class Worker(pyfusd.Device):
        def read(self, file, buf, offset):
            request = file.hold()
            threading.Thread(
                target=request.reply, args=(b"%d" % request.pid,), daemon=True
            ).start()
            return request

    device = serve(Worker("worker"))

    def read_often():
        descriptor = os.open(device.path, os.O_RDONLY)
        answers = {os.read(descriptor, 20) for _ in range(50)}
        os.close(descriptor)
        return answers == {b"%d" % threading.get_native_id()}

    calls = [in_thread(read_often) for _ in range(8)]
    assert all(call.result() for call in calls)


def test_one_answer_wins_when_threads_race(serve, opened, in_thread):
    device = serve(Holding("read"))
    descriptor = opened(device)
    for round in range(1, 51):
        reading = in_thread(os.read, descriptor, 10)
        request = device.held(round)

        def answer(number, request=request):
            try:
                request.reply(b"%d" % number)
            except RuntimeError:
                return None
            return b"%d" % number

        answers = [in_thread(answer, number) for number in range(4)]
        winners = [a.result() for a in answers if a.result()]
        assert winners == [reading.result()]


def test_the_position_moves_when_the_answer_comes(serve, opened, in_thread):
    offsets = []

    class Positions(Holding):
        def read(self, file, buf, offset):
            offsets.append(offset)
            return super().read(file, buf, offset)

    device = serve(Positions("read"))
    descriptor = opened(device)
    for number, (answer, position) in enumerate(
        [(b"abc", None), (b"de", None), (b"f", 1000), (b"", None)]
    ):
        reading = in_thread(os.read, descriptor, 10)
        request = device.held(number + 1)
        assert request.offset == offsets[-1]
        if position is not None:
            request.offset = position
        request.reply(answer)
        assert reading.result() == answer
    assert offsets == [0, 3, 5, 1000]


def test_a_timeout_answers_for_the_driver(serve, opened):
    class Timing(pyfusd.Device):
        def read(self, file, buf, offset):
            return file.hold(0.001)

        def write(self, file, buf, offset):
            self.held = file.hold(0.001, error=errno.EAGAIN)
            return pyfusd.NOREPLY

    device = serve(Timing("timing"))
    descriptor = opened(device)
    with pytest.raises(TimeoutError):
        os.read(descriptor, 10)
    with pytest.raises(BlockingIOError):
        os.write(descriptor, b"x")
    # The client may have its answer before the driver has the Request.
    wait_until(lambda: hasattr(device, "held"), "the driver has the Request")
    assert device.held.done


def test_an_answer_before_the_timeout_is_the_answer(serve, opened, in_thread):
    class Timing(Holding):
        def read(self, file, buf, offset):
            self.requests.append(file.hold(3600))
            return self.requests[-1]

    device = serve(Timing("read"))
    descriptor = opened(device)
    for number in range(20):
        reading = in_thread(os.read, descriptor, 10)
        device.held(number + 1).reply(b"%d" % number)
        assert reading.result() == b"%d" % number


def test_no_signal_comes_between_a_timeout_and_its_answer(serve, opened, in_thread):
    class Timing(Holding):
        def read(self, file, buf, offset):
            self.requests.append(file.hold(3600))
            return self.requests[-1]

    def handler(frame, event, argument):
        raise AssertionError(f"a signal's handler could run in {frame.f_code}")

    device = serve(Timing("read"))
    reading = in_thread(os.read, opened(device), 10)
    request = device.held()
    before = sys.gettrace()
    sys.settrace(handler)
    try:
        request.reply(b"answer")
    finally:
        sys.settrace(before)
    assert reading.result() == b"answer"


def test_timeouts_end_in_their_order(serve, in_thread):
    ended = []

    class Timing(pyfusd.Device):
        def write(self, file, buf, offset):
            return file.hold(int(buf[:1]) / 50)

    device = serve(Timing("timing"))

    def write(data):
        descriptor = os.open(device.path, os.O_WRONLY)
        try:
            os.write(descriptor, data)
        except TimeoutError:
            ended.append(data)
        finally:
            os.close(descriptor)

    # Opened in another order than they are to end.
    calls = [in_thread(write, b"%d" % n) for n in (9, 1, 5, 0)]
    for call in calls:
        call.result()
    assert sorted(ended) == [b"0", b"1", b"5", b"9"]


def test_many_answered_requests_are_forgotten(serve, opened, monkeypatch):
    from pyfusd import _timeouts

    class Quick(pyfusd.Device):
        def read(self, file, buf, offset):
            file.hold(3600).reply(b"quick")
            return pyfusd.NOREPLY

    monkeypatch.setattr(_timeouts, "_FEW", 10)
    monkeypatch.setattr(_timeouts, "_limit", 10)
    descriptor = opened(serve(Quick("quick")))
    for _ in range(100):
        assert os.read(descriptor, 10) == b"quick"
    assert len(_timeouts._entries) < 20


@pytest.mark.parametrize("wrong", [0, -1, 4096])
def test_a_timeout_s_error_is_an_errno(serve, opened, caplog, wrong):
    class Wrong(pyfusd.Device):
        def read(self, file, buf, offset):
            return file.hold(1, error=wrong)

    with pytest.raises(OSError):
        os.read(opened(serve(Wrong("wrong"))), 1)
    assert "is no errno" in caplog.text


def test_a_timeout_is_a_number(serve, opened, caplog):
    class Timing(pyfusd.Device):
        def read(self, file, buf, offset):
            return file.hold(float("nan"))

    with pytest.raises(OSError):
        os.read(opened(serve(Timing("timing"))), 1)
    assert "not nan" in caplog.text


@pytest.mark.parametrize("ages", [float("inf"), 1e300])
def test_a_long_timeout_does_not_keep_others_from_ending(
    serve, opened, in_thread, ages
):
    class Timing(Holding):
        def read(self, file, buf, offset):
            self.requests.append(file.hold(ages))
            return self.requests[-1]

        def write(self, file, buf, offset):
            return file.hold(0.001)

    device = serve(Timing("read"))
    reading = in_thread(os.read, opened(device), 10)
    held = device.held()
    with pytest.raises(TimeoutError):
        os.write(opened(device), b"x")
    held.reply(b"in time")
    assert reading.result() == b"in time"
