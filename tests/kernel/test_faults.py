# SPDX-License-Identifier: BSD-3-Clause
"""Allocations and copies that fail in the kernel, each in its turn.

Where the kernel can be told to fail, as the one called "debug" can: see its
Documentation/fault-injection/fault-injection.rst.
"""

import contextlib
import ctypes
import errno
import fcntl
import itertools
import mmap
import os
import select
import signal
from pathlib import Path

import pytest

from support.background import start
from support.forked_clients import process
from support.raw_driver import (
    CLOSE,
    HEADER_SIZE,
    IOCTL,
    OPEN,
    POLL_DIFF,
    READ,
    WRITE,
    Driver,
    Message,
    fails,
)
from support.waiting import wait_until

FAULTS = [Path("/sys/kernel/debug") / name for name in ("failslab", "fail_usercopy")]
FAIL_NTH = "/proc/thread-self/fail-nth"
EXCHANGE = 3 << 30 | 64 << 16 | ord("k") << 8 | 1


@pytest.fixture(autouse=True)
def faults():
    if not all(one.exists() for one in FAULTS):
        pytest.skip("this kernel cannot be told to fail: tests/vm/run --kernel debug")
    for one in FAULTS:
        (one / "verbose").write_text("0")
    # Allocations that may sleep, as most of ours, fail too.
    (FAULTS[0] / "ignore-gfp-wait").write_text("N")


LIBC = ctypes.PyDLL(None, use_errno=True)


def call_of_libc(name, *arguments):
    """With the interpreter's lock kept: taking it may be what fails."""
    result = getattr(LIBC, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


class Fault:
    """The one that the kernel makes in this thread, if it comes so far."""

    def __init__(self):
        self.file = os.open(FAIL_NTH, os.O_RDWR)

    def set(self, number):
        value = b"%d" % number
        call_of_libc("pwrite", self.file, value, len(value), 0)

    def take(self):
        """Ends it; whether it has happened."""
        happened = False
        # To ask is a copy itself, which may be the one that fails.
        with contextlib.suppress(OSError):
            value = ctypes.create_string_buffer(20)
            call_of_libc("pread", self.file, value, len(value), 0)
            happened = int(value.value) == 0
        with contextlib.suppress(OSError):
            self.set(0)
        return happened


def each_fault(call, undo=lambda _: None):
    """Makes the call with the first, the second, ... of its steps failing.

    Until it comes to its end without; returns how many steps could fail.
    """
    fault = Fault()
    try:
        for number in itertools.count(1):
            fault.set(number)
            result = error = None
            try:
                result = call()
            except OSError as caught:
                error = caught.errno
            happened = fault.take()
            assert error in (None, errno.ENOMEM, errno.EFAULT), os.strerror(error)
            if error is None:
                undo(result)
            if not happened:
                return number - 1
    finally:
        fault.take()
        os.close(fault.file)


class Server:
    """A driver that no fault is made for.

    In a process of its own: in a thread it would contend for the interpreter's
    lock, and what waits for that ends with the process if the wait fails.
    """

    def __init__(self, name):
        self.path = f"/dev/{name}"
        self.shared = mmap.mmap(-1, mmap.PAGESIZE)
        self.counts = memoryview(self.shared).cast("L")[:2]
        self.pid = process(self._serve, name)
        wait_until(lambda: os.path.exists(self.path), "the driver's device")

    @property
    def opened(self):
        return self.counts[0]

    @property
    def closed(self):
        return self.counts[1]

    def _serve(self, name):
        with Driver(name) as driver:
            while True:
                message = driver.receive()
                with contextlib.suppress(BrokenPipeError):
                    self._answer(driver, message)

    def _answer(self, driver, message):
        # Counted first: whoever has the answer may look.
        self.counts[0] += message.subcmd == OPEN
        self.counts[1] += message.subcmd == CLOSE
        results = {READ: 4, WRITE: message.fops.length, POLL_DIFF: 1}
        data = {READ: b"data", IOCTL: message.bytes[::-1]}
        driver.reply(message, results.get(message.subcmd, 0), data.get(message.subcmd))

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.fixture
def server(name):
    one = Server(name)
    yield one
    one.end()


def test_each_failure_in_a_client_s_call_is_an_error_of_that_call(server):
    path = server.path
    assert each_fault(lambda: os.open(path, os.O_RDWR), os.close) > 0
    descriptor = os.open(path, os.O_RDWR)
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    calls = [
        lambda: os.read(descriptor, 100),
        lambda: os.write(descriptor, bytes(5000)),
        lambda: fcntl.ioctl(descriptor, EXCHANGE, bytearray(64)),
        lambda: poller.poll(0),
    ]
    assert [each_fault(call) > 0 for call in calls] == [True] * 4
    # The device is what it was.
    assert os.read(descriptor, 100) == b"data"
    os.close(descriptor)


def test_a_close_comes_whatever_fails(server):
    fault = Fault()
    for number in range(1, 20):
        descriptor = os.open(server.path, os.O_RDWR)
        fault.set(number)
        os.close(descriptor)
        fault.take()
    os.close(fault.file)
    # An open whose client failed after the driver's answer has its close too.
    wait_until(lambda: server.opened == server.closed, "a close for each open")


def test_each_failure_in_a_registration_leaves_nothing(name):
    failed = each_fault(lambda: Driver(name), lambda driver: driver.close())
    assert failed > 0
    with Driver(name):
        fails(errno.EEXIST, Driver, name)
    assert not os.path.exists(f"/dev/{name}")


def read_from(descriptor, size):
    buffer = ctypes.create_string_buffer(size)
    count = call_of_libc("read", descriptor, buffer, size)
    return buffer.raw[:count]


def test_a_driver_that_fails_to_receive_or_answer_may_do_it_again(opened):
    driver, descriptor = opened
    data = bytes(range(200)) * 25
    fault = Fault()
    driver.write = lambda message, _=None: call_of_libc(
        "write", driver.fd, bytes(message), HEADER_SIZE
    )

    def insist(number, call):
        """Once with a fault, and if that ended it once more."""
        fault.set(number)
        try:
            result = call()
        except OSError:
            result = None
        failures.append(fault.take() and result is None)
        return call() if result is None else result

    failures = []
    for number in range(1, 12):
        call = start(os.write, descriptor, data)
        driver.wait()
        header = insist(number, lambda: read_from(driver.fd, HEADER_SIZE))
        message = Message.from_buffer_copy(header)
        assert insist(number, lambda: read_from(driver.fd, 5000)) == data
        insist(number, lambda: driver.reply(message, 5000))  # noqa: B023
        assert call.result() == 5000
    os.close(fault.file)
    assert sum(failures) >= 3  # A header, its data, an answer.
