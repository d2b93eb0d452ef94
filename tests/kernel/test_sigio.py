# SPDX-License-Identifier: BSD-3-Clause
"""SIGIO: fcntl(2) with O_ASYNC, as clients without a poll use it."""

import contextlib
import fcntl
import os
import select
import signal
import threading

import pytest

from support.background import Background
from support.raw_driver import OPTION_ALWAYS_READY, POLL_DIFF, READ, WRITE, Driver
from support.waiting import DEADLINE

IN, OUT, EXCEPT, ERROR, HANGUP = 1, 2, 4, 8, 16
# With F_SETSIG, siginfo tells the descriptor and the event.
SIGNAL = signal.SIGRTMIN


@pytest.fixture(autouse=True)
def blocked():
    """The signal waits for signalled()."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL, signal.SIGIO})
    yield
    while signal.sigtimedwait({SIGNAL, signal.SIGIO}, 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ask_for_signals(descriptor):
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, 10, SIGNAL)  # F_SETSIG
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)


def signalled():
    """The event that the next signal tells."""
    info = signal.sigtimedwait({SIGNAL}, DEADLINE)
    assert info, "no signal came"
    return info.si_band


def is_quiet():
    return signal.sigtimedwait({SIGNAL}, 0) is None


def expect_question(driver, state):
    message = driver.expect(POLL_DIFF)
    assert message.fops.cmd == state
    return message


def test_a_signal_tells_what_is_new(opened):
    driver, descriptor = opened
    ask_for_signals(descriptor)
    driver.reply(expect_question(driver, 0), IN)
    assert signalled() & select.POLLIN
    # It is asked again without anybody's poll.
    driver.reply(expect_question(driver, IN), IN | OUT)
    assert signalled() & select.POLLOUT
    driver.reply(expect_question(driver, IN | OUT), 0)
    driver.reply(expect_question(driver, 0), ERROR)
    assert signalled() & select.POLLERR
    assert is_quiet()


def test_the_same_state_again_asks_no_more(opened):
    driver, descriptor = opened
    ask_for_signals(descriptor)
    driver.reply(expect_question(driver, 0), 0)
    assert driver.is_idle()
    assert is_quiet()


def test_a_read_asks_again(opened):
    driver, descriptor = opened
    ask_for_signals(descriptor)
    driver.reply(expect_question(driver, 0), IN)
    assert signalled() & select.POLLIN
    held = expect_question(driver, IN)
    with Background(os.read, descriptor, 4) as reading:
        driver.reply(driver.expect(READ), 4, b"data")
        assert reading.result() == b"data"
    # The old question, about another state, is no more.
    driver.reply(expect_question(driver, 0), IN)
    assert signalled() & select.POLLIN
    with pytest.raises(BrokenPipeError):
        driver.reply(held, OUT)
    expect_question(driver, IN)
    with Background(os.write, descriptor, b"x") as writing:
        driver.reply(driver.expect(WRITE), 1)
        assert writing.result() == 1
    assert is_quiet()


def test_each_question_tells_the_position(opened):
    driver, descriptor = opened
    os.lseek(descriptor, 100, os.SEEK_SET)
    ask_for_signals(descriptor)
    question = expect_question(driver, 0)
    assert question.fops.offset == 100
    driver.reply(question, IN)
    assert expect_question(driver, IN).fops.offset == 100


def test_a_device_that_goes_hangs_up(opened):
    driver, descriptor = opened
    ask_for_signals(descriptor)
    driver.expect(POLL_DIFF)
    driver.unregister()
    assert signalled() & select.POLLHUP
    # And a gone one still lets it be turned off, and on.
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_ASYNC)
    ask_for_signals(descriptor)


def test_nobody_is_signalled_who_has_had_enough(opened):
    driver, descriptor = opened
    ask_for_signals(descriptor)
    question = expect_question(driver, 0)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_ASYNC)
    driver.reply(question, IN)
    assert is_quiet()
    assert driver.is_idle()


def test_a_closed_file_is_not_asked_about(driver):
    descriptor = driver.open()
    ask_for_signals(descriptor)
    driver.expect(POLL_DIFF)
    with Background(os.close, descriptor) as closing:
        driver.reply(driver.receive())
        closing.result()
    assert driver.is_idle()
    assert is_quiet()


def test_a_driver_without_poll_is_not_asked(name):
    with Driver(name, options=OPTION_ALWAYS_READY) as driver:
        descriptor = driver.open()
        ask_for_signals(descriptor)
        assert driver.is_idle()
        driver.unregister()
        os.close(descriptor)


def test_threads_that_turn_it_on_and_off_beside_answers(opened):
    """For the debug kernel: what belongs to the signal is freed under way."""
    driver, descriptor = opened
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    is_over = threading.Event()

    def toggle():
        while not is_over.is_set():
            ask_for_signals(descriptor)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)

    with Background(toggle) as toggling:
        for number in range(200):
            with contextlib.suppress(OSError):
                driver.reply(driver.expect(POLL_DIFF), number % 3)
        is_over.set()
        toggling.result()
