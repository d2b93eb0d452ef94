# SPDX-License-Identifier: BSD-3-Clause
"""seek(), flush() and fsync(): what Python adds to what the contract suite tests."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress

import pytest

import pyfusd
from pyfusd import tracing
from support.waiting import DEADLINE, wait_until


@pytest.fixture
def asked(holds):
    if not holds("seek-data"):
        pytest.skip("the transport does not ask the driver")


def seek_data(descriptor, offset=0):
    return os.lseek(descriptor, offset, os.SEEK_DATA)


def seek_errno(descriptor):
    with pytest.raises(OSError) as caught:
        seek_data(descriptor)
    return caught.value.errno


class Seeking(pyfusd.Device):
    answer = 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = []

    def seek(self, file, offset, whence):
        self.seen.append((offset, whence, file.offset))
        return self.answer(file) if callable(self.answer) else self.answer


@pytest.fixture
def seeking(asked, serve):
    return serve(Seeking("seeking"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [(None, "TypeError"), (b"", "TypeError"), (1 << 63, "Overflow")],
)
def test_what_is_no_position_is_logged(seeking, opened, caplog, answer, error):
    descriptor = opened(seeking)
    seeking.answer = answer
    assert seek_errno(descriptor) == errno.EIO
    assert error in caplog.text


def test_a_position_has_64_bits(seeking, opened):
    seeking.answer = (1 << 63) - 1
    descriptor = opened(seeking)
    assert seek_data(descriptor, 5) == (1 << 63) - 1
    seek_data(descriptor)
    assert seeking.seen == [(5, os.SEEK_DATA, 0), (0, os.SEEK_DATA, (1 << 63) - 1)]


def test_a_seek_cannot_set_the_offset(seeking, opened, caplog):
    def move(file):
        file.offset = 5

    seeking.answer = move
    assert seek_errno(opened(seeking)) == errno.EIO
    assert "offset belongs to a read or write" in caplog.text


def test_a_held_seek_knows_its_position(seeking, opened, in_thread):
    held = []

    def hold(file):
        held.append(file.hold())
        assert file.offset == held[0].offset == 7
        return held[0]

    descriptor = opened(seeking)
    seeking.answer = 7
    seek_data(descriptor)
    seeking.answer = hold
    call = in_thread(seek_data, descriptor)
    wait_until(lambda: held, "a held seek")
    assert held[0].operation == "seek"
    with pytest.raises(RuntimeError, match="offset belongs"):
        held[0].offset = 8
    held[0].reply(1 << 40)
    assert call.result() == 1 << 40


def test_a_seek_that_was_taken_away_is_einval(seeking, opened):
    descriptor = opened(seeking)
    seeking.seek = None
    assert seek_errno(descriptor) == errno.EINVAL


def test_a_coroutine_seeks(asked, serve_async, opened):
    class Slow(pyfusd.Device):
        async def seek(self, file, offset, whence):
            await asyncio.sleep(0)
            return file.offset + 5

    descriptor = opened(serve_async(Slow("slow")))
    assert seek_data(descriptor) == 5
    assert seek_data(descriptor) == 10


def test_a_trace_shows_them(serve, opened, holds):
    class Traced(Seeking):
        answer = 40

        def fsync(self, file, datasync):
            return -errno.ENOSPC

    seen = []
    device = serve(Traced("traced"))
    with tracing.trace(seen.append):
        descriptor = opened(device)
        if holds("seek-data"):
            seek_data(descriptor, 9)
        with pytest.raises(OSError):
            os.fsync(descriptor)
        shown = [str(call) for call in seen if call.operation in {"seek", "fsync"}]
    wanted = ["seek(9, SEEK_DATA) = 40", "fsync() = -1 ENOSPC"]
    wanted = [
        text for text in wanted if holds(text.split("(")[0].replace("k", "k-data"))
    ]
    assert all(text in line for text, line in zip(wanted, shown))
    assert len(shown) == len(wanted)


class Flushed(pyfusd.Device):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.flushes = 0
        self.closing = None

    def flush(self, file):
        self.flushes += 1

    def write(self, file, buf, offset):
        os.close(self.closing)
        return len(buf)


def test_the_driver_s_own_process_is_told_of_or_not(serve, holds):
    device = serve(Flushed("flushed"))
    os.close(os.open(device.path, os.O_RDWR))
    assert device.flushes == holds("flush-own")


def test_a_callback_may_close_a_descriptor_of_its_device(serve, opened, in_thread):
    device = serve(Flushed("flushed"))
    descriptor = opened(device)
    device.closing = os.dup(descriptor)
    assert in_thread(os.write, descriptor, b"close").result() == 5


OPEN_AND_END = """
import os, sys
os.open(sys.argv[1], os.O_RDWR)
sys.stdout.write(".")
sys.stdout.flush()
sys.stdin.read(1)
os._exit(0)
"""


@pytest.fixture
def ending():
    """ending(device) is a process that has it open, and ends when it is told."""
    with ExitStack() as stack:

        def start(device):
            client = subprocess.Popen(
                [sys.executable, "-c", OPEN_AND_END, device.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.callback(client.communicate)
            stack.callback(client.kill)
            assert client.stdout.read(1) == b"."
            return client

        yield start


def test_a_process_that_ends_waits_for_no_callback_that_runs(
    serve, opened, in_thread, ending, holds
):
    if not holds("flush"):
        pytest.skip("there is no flush")
    begun, may_end = threading.Event(), threading.Event()
    told = []

    class Busy(pyfusd.Device):
        def read(self, file, buf, offset):
            begun.set()
            may_end.wait(DEADLINE)
            return 0

        def flush(self, file):
            told.append("flush")

        def close(self, file):
            told.append("close")

    device = serve(Busy("busy"))
    client = ending(device)
    reading = in_thread(os.read, opened(device), 1)
    assert begun.wait(DEADLINE)
    client.communicate(b"x", timeout=DEADLINE)
    assert client.returncode == 0
    assert told == []
    may_end.set()
    assert reading.result() == b""
    wait_until(lambda: "close" in told, "the close")
    assert told == ["flush", "close"]


def test_a_coroutine_goes_on_though_its_client_has_ended(serve_async, holds, ending):
    if not holds("flush"):
        pytest.skip("there is no flush")
    begun, may_end, ended = (threading.Event() for _ in range(3))

    class Saving(pyfusd.Device):
        async def flush(self, file):
            begun.set()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, may_end.wait, DEADLINE)
            ended.set()

    client = ending(serve_async(Saving("saving")))
    client.communicate(b"x", timeout=DEADLINE)
    assert client.returncode == 0
    assert begun.wait(DEADLINE)
    may_end.set()
    assert ended.wait(DEADLINE)


CLOSES_WHAT_IT_GETS = """
import os, socket, sys, pyfusd

class Closing(pyfusd.Device):
    def flush(self, file):
        pass

    def write(self, file, buf, offset):
        descriptors = socket.recv_fds(received, 1, 1)[1]
        os.write(1, b"closing")
        os.close(descriptors[0])
        return len(buf)

received = socket.socket(fileno=int(sys.argv[2]))
with Closing(sys.argv[1]) as device:
    os.write(1, device.path.encode())
    pyfusd.run(device)
"""


@pytest.mark.skipif(sys.version_info < (3, 9), reason="no socket.send_fds()")
def test_a_driver_that_closes_a_client_s_descriptor_does_not_wait_or_can_be_killed(
    holds, in_thread
):
    sent, received = socket.socketpair()
    driver = subprocess.Popen(
        [sys.executable, "-c", CLOSES_WHAT_IT_GETS, "closing", str(received.fileno())],
        stdout=subprocess.PIPE,
        pass_fds=[received.fileno()],
    )
    descriptor = os.open(os.read(driver.stdout.fileno(), 4096), os.O_RDWR)
    socket.send_fds(sent, [b"x"], [descriptor])
    writing = in_thread(os.write, descriptor, b"close")
    assert os.read(driver.stdout.fileno(), 7) == b"closing"
    if holds("flush-own") or not holds("flush"):
        assert writing.result() == 5
    driver.kill()
    driver.communicate(timeout=DEADLINE)
    with suppress(OSError):
        writing.result()
    with suppress(OSError):
        os.close(descriptor)
    sent.close()
    received.close()
