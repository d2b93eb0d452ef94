# SPDX-License-Identifier: BSD-3-Clause
"""What clients can make wait is bounded, and one user's share is not all."""

import contextlib
import errno
import select
import threading

import pytest

from support.forked_clients import (
    controls,
    in_a_thread,
    opens,
    outcome,
    reads,
    stops,
    writes,
)
from support.raw_driver import IOCTL, OPEN, READ, WRITE, fails
from support.waiting import DEADLINE, wait_until

ONE, OTHER = 1001, 1002
SEND = 1 << 30 | 8 << 16 | ord("T") << 8 | 1


def at_once(step, count):
    """The step in so many threads; says the result of each that ends."""

    def run(client):
        def body():
            client.say(outcome(step, client))

        for _ in range(count):
            threading.Thread(target=body, daemon=True).start()
        return "started"

    return run


def messages_of(driver, one, count):
    """What the driver receives of so many calls; the others got ENOBUFS."""
    received, refused = [], 0
    while len(received) + refused < count:
        ready = select.select([driver.fd, one.output], [], [], DEADLINE)[0]
        assert ready, "neither a message nor a result came"
        if driver.fd in ready:
            received.append(driver.receive())
        else:
            refused += one.result() == "ENOBUFS"
    return received


def answers(driver, subcmd, *answer):
    """Answers the next call, which is all that it asks."""
    driver.reply(driver.expect(subcmd), *answer)


def test_reads_that_wait_hold_no_bytes(driver, reader, parameter):
    parameter("max_queued_bytes", 1 << 20)
    one = reader(at_once(reads(128 << 10), 16), uid=ONE)
    waiting = [driver.expect(READ) for _ in range(16)]
    assert all(message.fops.length == 128 << 10 for message in waiting)
    assert one.result() == "started"
    for user in (OTHER, None):
        other = reader(writes(b"hello"), controls(SEND), uid=user)
        answers(driver, WRITE, 5)
        assert other.result() == 5
        answers(driver, IOCTL)
        assert other.result() == b"argument"
    assert one.is_silent()


def test_a_user_s_bytes_leave_others_theirs(driver, reader, parameter):
    parameter("max_queued_bytes", 1 << 20)
    data = b"x" * (100 << 10)
    one = reader(at_once(writes(data), 12), uid=ONE)
    held = messages_of(driver, one, 12)
    assert 2 <= len(held) <= 10
    for user in (OTHER, None):
        other = reader(writes(data), uid=user)
        answers(driver, WRITE, len(data))
        assert other.result() == len(data)
    # What is over counts no more.
    for message in held:
        driver.reply(message, 1)
    again = reader(writes(data), uid=ONE)
    answers(driver, WRITE, len(data))
    assert again.result() == len(data)


@pytest.mark.parametrize("is_left", [False, True], ids=["held", "left"])
def test_a_user_s_opens_that_wait_leave_others_theirs(
    driver, client, parameter, is_left
):
    """Those that a signal ended count until the driver has answered."""
    parameter("max_open_files", 10)
    count = 12
    if is_left:
        one = client(*[in_a_thread(opens())] * count, restart=False, uid=ONE)
    else:
        one = client(at_once(opens(), count), uid=ONE)
    held, failures = [], 0
    while len(held) + failures < count:
        ready = select.select([driver.fd, one.output], [], [], DEADLINE)[0]
        assert ready, f"{len(held)} opens, {failures} failures"
        if driver.fd in ready:
            held.append(driver.expect(OPEN))
            if is_left:
                one.interrupt(held[-1].fops.pid)
        else:
            failures += one.result() == "ENFILE"
    assert failures >= 2
    assert len(held) >= 2
    for user in (OTHER, None):
        other = client(opens(), uid=user)
        answers(driver, OPEN)
        assert other.result() == 0
    for message in held:
        with contextlib.suppress(BrokenPipeError):
            driver.reply(message, -errno.ENXIO)
    again = client(opens(), uid=ONE)
    answers(driver, OPEN)
    assert again.result() == 0


def test_calls_of_threads_that_are_gone_come_to_an_end(driver, reader, parameter):
    """They count until that is noticed, and keep nobody else from calling."""
    parameter("max_queued_bytes", 64 << 10)
    count = 80
    step = in_a_thread(controls(SEND))
    one = reader(*[step] * count, restart=False, uid=ONE)
    held = []
    for _ in range(count):
        thread = one.result()
        while True:
            ready = select.select([driver.fd, one.output], [], [], DEADLINE)[0]
            if one.output in ready:
                break
            held.append(driver.expect(IOCTL))
            assert held[-1].fops.pid == thread
            one.interrupt(thread)
        assert one.result() in ("EINTR", "ENOBUFS")
    assert len(held) >= 20
    other = reader(controls(SEND), uid=OTHER)
    answers(driver, IOCTL)
    assert other.result() == b"argument"
    for message in held:
        fails(errno.EPIPE, lambda message=message: driver.reply(message))


def test_a_user_whose_threads_are_gone_may_call_again(
    driver, client, reader, parameter
):
    parameter("max_queued_bytes", 16 << 10)
    step = in_a_thread(controls(SEND))
    one = reader(*[step] * 30, stops, restart=False, uid=ONE)
    for _ in range(30):
        thread = one.result()
        if driver.fd in select.select([driver.fd, one.output], [], [], DEADLINE)[0]:
            driver.expect(IOCTL)
            one.interrupt(thread)
        assert one.result() in ("EINTR", "ENOBUFS")
    one.wait_for("T")

    def may_call():
        """The call of a thread that has ended counts until the next sweep."""
        other = client(opens(), controls(SEND), uid=ONE)
        result = None
        for subcmd in (OPEN, IOCTL):
            if (
                driver.fd
                in select.select([driver.fd, other.output], [], [], DEADLINE)[0]
            ):
                answers(driver, subcmd)
            result = other.result()
        other.kill()
        while not driver.is_idle():
            driver.reply(driver.receive())
        return result == b"argument"

    wait_until(may_call, "a call of the same user")
