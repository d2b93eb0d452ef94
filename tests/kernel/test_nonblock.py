# SPDX-License-Identifier: BSD-3-Clause
"""FUSD_OPTION_NONBLOCK: who is not to wait gets EAGAIN where the driver is not ready.

It is not ready if it has said so, of a poll_diff that it holds, or if it is too busy
to say anything for a moment.
"""

import errno
import fcntl
import os
import select
import struct
import threading
from pathlib import Path

import pytest

from support.background import Background
from support.io_uring import Ring
from support.raw_driver import (
    OPTION_ALWAYS_READY,
    OPTION_NONBLOCK,
    POLL_DIFF,
    READ,
    WRITE,
    Driver,
    fails,
)
from support.waiting import DEADLINE

IN, OUT, ERROR, HANGUP = 1, 2, 8, 16
CONTROL_HELD = 1 << 30 | 24 << 16 | ord("F") << 8 | 108


def held(message, reserved=0):
    fops = message.fops
    return struct.pack("QqiI", fops.fusd_file, fops.transid, fops.hint, reserved)


def hold(driver, message):
    fcntl.ioctl(driver.fd, CONTROL_HELD, held(message))


def asked(driver, state):
    message = driver.expect(POLL_DIFF)
    assert message.fops.cmd == state
    return message


def read(descriptor):
    return os.read(descriptor, 1)


def write(descriptor):
    return os.write(descriptor, b"x")


def read_now(descriptor):
    """By a descriptor that may wait."""
    data = bytearray(1)
    return os.preadv(descriptor, [data], -1, os.RWF_NOWAIT)


def answer(driver, message):
    if message.subcmd == READ:
        driver.reply(message, 1, b"x")
    else:
        driver.reply(message, 1)


@pytest.fixture(autouse=True)
def moment(parameter):
    """A driver of these tests is heard, however slow the machine."""
    parameter("max_nonblock_ms", 10_000)


@pytest.fixture
def driver(name):
    with Driver(name, options=OPTION_NONBLOCK) as one:
        yield one


@pytest.fixture
def client(driver):
    descriptor = driver.open(os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def not_ready(driver, client):
    """A client's descriptor, and the poll_diff that the driver holds."""
    with Background(read, client) as reading:
        message = asked(driver, 0)
        hold(driver, message)
        fails(errno.EAGAIN, reading.result)
    return client, message


def test_without_the_option_the_driver_is_asked(name):
    with Driver(name) as driver:
        descriptor = driver.open(os.O_RDWR | os.O_NONBLOCK)
        with Background(read, descriptor) as reading:
            driver.reply(driver.expect(READ), -errno.EAGAIN)
            fails(errno.EAGAIN, reading.result)
        fails(errno.EOPNOTSUPP, read_now, descriptor)
        driver.unregister()
        os.close(descriptor)


def test_a_busy_driver_keeps_nobody_for_long(driver, client, parameter):
    parameter("max_nonblock_ms", 10)
    fails(errno.EAGAIN, read, client)
    fails(errno.EAGAIN, read, client)
    fails(errno.EAGAIN, write, client)
    message = asked(driver, 0)
    assert driver.is_idle()
    driver.reply(message, IN)
    with Background(read, client) as reading:
        answer(driver, driver.expect(READ))
        assert reading.result() == b"x"


def test_who_said_that_he_is_not_ready_is_not_asked_again(driver, not_ready):
    client, message = not_ready
    for call in (read, write, read_now):
        fails(errno.EAGAIN, call, client)
    assert driver.is_idle()
    driver.reply(message, OUT)
    with Background(write, client) as writing:
        answer(driver, driver.expect(WRITE))
        assert writing.result() == 1


@pytest.mark.parametrize(
    ("call", "subcmd", "state"),
    [
        (read, READ, IN),
        (write, WRITE, OUT),
        (read, READ, ERROR),
        (write, WRITE, HANGUP),
    ],
)
def test_the_first_call_goes_to_a_driver_that_is_ready(
    driver, client, call, subcmd, state
):
    with Background(call, client) as calling:
        driver.reply(asked(driver, 0), state)
        answer(driver, driver.expect(subcmd))
        assert calling.result() in (b"x", 1)


def test_a_driver_that_is_ready_for_something_else_is_asked_once_more(driver, client):
    with Background(read, client) as reading:
        driver.reply(asked(driver, 0), OUT)
        hold(driver, asked(driver, OUT))
        fails(errno.EAGAIN, reading.result)
    fails(errno.EAGAIN, read, client)
    assert driver.is_idle()


def test_after_a_read_the_driver_is_asked_anew(driver, client):
    for state in (0, 0):
        with Background(read, client) as reading:
            driver.reply(asked(driver, state), IN)
            answer(driver, driver.expect(READ))
            assert reading.result() == b"x"
    with Background(read, client) as reading:
        hold(driver, asked(driver, 0))
        fails(errno.EAGAIN, reading.result)


def test_who_got_eagain_is_woken_by_a_change(driver, not_ready):
    client, message = not_ready
    epoll = select.epoll()
    epoll.register(client, select.EPOLLIN | select.EPOLLET)
    assert epoll.poll(0) == []
    with Background(epoll.poll, DEADLINE) as polling:
        driver.reply(message, IN)
        assert polling.result() == [(client, select.EPOLLIN)]
    epoll.close()


def test_nowait_waits_for_no_word(opened):
    driver, client = opened
    fails(errno.EAGAIN, read_now, client)
    fails(errno.EAGAIN, read_now, client)
    driver.reply(asked(driver, 0), IN)
    assert driver.is_idle()
    with Background(read_now, client) as reading:
        answer(driver, driver.expect(READ))
        assert reading.result() == 1
    # Who may wait does.
    with Background(read, client) as reading:
        answer(driver, driver.expect(READ))
        assert reading.result() == b"x"


def test_io_uring_waits_without_a_thread(opened):
    driver, client = opened
    has_submitted = threading.Event()

    def by_ring():
        ring = Ring()
        ring.submit_read(client, 1)
        has_submitted.set()
        data = ring.wait()
        ring.close()
        return data

    def workers():
        names = (path.read_text() for path in Path("/proc/self/task").glob("*/comm"))
        return [name for name in names if name.startswith("iou-wrk")]

    with Background(by_ring) as reading:
        message = asked(driver, 0)
        assert has_submitted.wait(DEADLINE)
        hold(driver, message)
        assert workers() == []
        driver.reply(message, IN)
        # Who is woken looks once more, which asks.
        while (message := driver.receive()).subcmd == POLL_DIFF:
            pass
        assert message.subcmd == READ
        answer(driver, message)
        assert reading.result() == b"x"


def test_splice_waits_no_more_than_read(driver, not_ready):
    client, _ = not_ready
    receiver, sender = os.pipe()
    fails(errno.EAGAIN, os.splice, client, sender, 1)
    assert driver.is_idle()
    for end in (receiver, sender):
        os.close(end)


def test_a_driver_that_does_not_tell_is_asked(driver, client):
    with Background(read, client) as reading:
        driver.reply(asked(driver, 0), -errno.EINVAL)
        driver.reply(driver.expect(READ), -errno.EAGAIN)
        fails(errno.EAGAIN, reading.result)


def test_one_that_is_always_ready_is_asked(name):
    with Driver(name, options=OPTION_NONBLOCK | OPTION_ALWAYS_READY) as driver:
        client = driver.open(os.O_RDWR | os.O_NONBLOCK)
        with Background(read, client) as reading:
            answer(driver, driver.expect(READ))
            assert reading.result() == b"x"
        driver.unregister()
        os.close(client)


def test_no_bytes_are_ready_at_once(driver, client):
    with Background(os.read, client, 0) as reading:
        driver.reply(driver.expect(READ), 0)
        assert reading.result() == b""


def test_the_end_of_the_device_ends_the_wait(driver, client):
    with Background(read, client) as reading:
        asked(driver, 0)
        driver.unregister()
        fails(errno.EPIPE, reading.result)


def test_only_a_poll_diff_is_held(driver, not_ready):
    client, message = not_ready
    fails(errno.EINVAL, fcntl.ioctl, driver.fd, CONTROL_HELD, held(message, 1))
    fails(errno.EFAULT, fcntl.ioctl, driver.fd, CONTROL_HELD, 0)
    driver.reply(message, IN)
    fails(errno.EPIPE, hold, driver, message)
    with Background(read, client) as reading:
        message = driver.expect(READ)
        fails(errno.EPIPE, hold, driver, message)
        answer(driver, message)
        assert reading.result() == b"x"
    with Driver() as other:
        fails(errno.EPIPE, hold, other, message)
