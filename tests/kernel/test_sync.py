# SPDX-License-Identifier: BSD-3-Clause
"""fsync(2), and each close(2), which a driver may ask for."""

import ctypes
import errno
import os
import signal

import pytest

from support.background import Background
from support.forked_clients import closes, ends, process, syncs
from support.proc import state_of
from support.raw_driver import (
    CALL,
    CLOSE,
    FLUSH,
    FSYNC,
    HEADER_SIZE,
    OPTION_FLUSH,
    OPTION_FSYNC,
    OPTION_UNBLOCK,
    UNBLOCK,
    Driver,
    fails,
    libc,
)
from support.waiting import wait_until

OPTIONS = OPTION_FLUSH | OPTION_FSYNC | OPTION_UNBLOCK


@pytest.fixture
def driver(name):
    with Driver(name, options=OPTIONS) as one:
        yield one


@pytest.fixture
def opened(driver):
    descriptor = driver.open()
    yield driver, descriptor
    driver.unregister()
    # EPIPE, if it is open still.
    os.closerange(descriptor, descriptor + 1)


@pytest.mark.parametrize(
    ("call", "is_data"), [(os.fsync, 0), (os.fdatasync, 1)], ids=["fsync", "fdatasync"]
)
@pytest.mark.parametrize("error", [0, errno.EIO, errno.ENOSPC])
def test_a_sync_asks_the_driver(opened, call, is_data, error):
    driver, descriptor = opened
    with Background(call, descriptor) as syncing:
        message = driver.expect(FSYNC)
        assert (message.cmd, message.fops.cmd) == (CALL, is_data)
        driver.reply(message, -error)
        if error:
            fails(error, syncing.result)
        else:
            syncing.result()


def test_a_restarted_sync_is_the_same_request(driver, reader):
    one = reader(syncs)
    message = driver.expect(FSYNC)
    one.interrupt_and_wait()
    assert driver.expect(UNBLOCK).fops.transid == message.fops.transid
    assert driver.is_idle()
    driver.reply(message, 0)
    assert one.result() is None


def test_a_driver_that_did_not_ask_is_told_nothing(name):
    with Driver(name) as driver:
        descriptor = driver.open()
        fails(errno.EINVAL, os.fsync, descriptor)
        fails(errno.EINVAL, os.fdatasync, descriptor)
        other = os.dup(descriptor)
        os.close(other)
        assert driver.is_idle()
        driver.unregister()
        os.close(descriptor)


@pytest.mark.parametrize("error", [0, errno.EIO, errno.EDQUOT])
def test_each_close_of_a_descriptor_asks_the_driver(opened, error):
    driver, descriptor = opened
    for number in (os.dup(descriptor), os.dup(descriptor)):
        with Background(os.close, number) as closing:
            message = driver.expect(FLUSH)
            assert message.cmd == CALL
            driver.reply(message, -error)
            if error:
                fails(error, closing.result)
            else:
                closing.result()
    assert driver.is_idle()


def test_the_last_close_is_a_flush_and_then_a_close(driver):
    descriptor = driver.open()
    with Background(os.close, descriptor) as closing:
        driver.reply(driver.expect(FLUSH), -errno.ENOSPC)
        driver.reply(driver.expect(CLOSE))
        fails(errno.ENOSPC, closing.result)


def test_descriptors_that_end_with_their_process_are_told_too(driver, reader):
    one = reader(ends)
    assert one.result() == "ends"
    message = driver.expect(FLUSH)
    # Nobody could kill it any more: it does not wait.
    wait_until(lambda: state_of(one.pid) == "Z", "the end of the process")
    fails(errno.EPIPE, driver.reply, message, 0)
    driver.reply(driver.expect(CLOSE))


def test_a_killed_process_does_not_wait(driver, reader):
    one = reader()
    one.kill()
    message = driver.expect(FLUSH)
    fails(errno.EPIPE, driver.reply, message, 0)
    driver.reply(driver.expect(CLOSE))


def test_a_client_that_waits_in_close_can_be_killed(driver, reader):
    one = reader(closes)
    message = driver.expect(FLUSH)
    one.wait_for("SD")
    one.kill()
    assert driver.expect(UNBLOCK).fops.transid == message.fops.transid
    fails(errno.EPIPE, driver.reply, message, 0)
    driver.reply(driver.expect(CLOSE))
    assert driver.is_idle()


def test_a_client_killed_before_its_flush_was_received_is_told_of(driver, reader):
    one = reader(closes)
    driver.wait()
    one.wait_for("SD")
    one.kill()
    message = driver.expect(FLUSH)
    fails(errno.EPIPE, driver.reply, message, 0)
    driver.reply(driver.expect(CLOSE))
    assert driver.is_idle()


def test_a_signal_that_does_not_kill_leaves_a_close_waiting(driver, reader):
    one = reader(closes, restart=False)
    message = driver.expect(FLUSH)
    one.wait_for("SD")
    one.send()
    os.kill(one.pid, signal.SIGSTOP)
    os.kill(one.pid, signal.SIGCONT)
    one.wait_for("SD")
    assert driver.is_idle()
    assert one.is_silent()
    driver.reply(message, 0)
    driver.reply(driver.expect(CLOSE))
    assert one.result() == 0


def test_the_thread_that_serves_does_not_wait_for_itself(driver):
    """Its own descriptor is one that a client has sent it, say."""
    descriptor = driver.open()
    os.close(descriptor)
    fails(errno.EPIPE, driver.reply, driver.expect(FLUSH), -errno.EIO)
    driver.reply(driver.expect(CLOSE))


def test_a_close_of_a_dead_driver_s_device_gives_epipe(driver):
    descriptor = driver.open()
    driver.unregister()
    fails(errno.EPIPE, os.close, descriptor)


def test_a_client_waiting_in_close_wakes_when_the_driver_ends(driver):
    descriptor = driver.open()
    with Background(os.close, descriptor) as closing:
        driver.expect(FLUSH)
        driver.unregister()
        fails(errno.EPIPE, closing.result)


def test_a_flush_received_into_bad_memory_comes_again(driver, reader):
    one = reader(ends)
    assert one.result() == "ends"
    driver.wait()
    wait_until(lambda: state_of(one.pid) == "Z", "the end of the process")
    assert libc.read(driver.fd, ctypes.c_void_p(8), HEADER_SIZE) == -1
    assert ctypes.get_errno() == errno.EFAULT
    fails(errno.EPIPE, driver.reply, driver.expect(FLUSH), 0)
    driver.reply(driver.expect(CLOSE))


def test_exits_leave_nothing_waiting_beyond_a_user_s_share(driver, parameter):
    """Descriptors that nobody waits for are not to fill the kernel's memory."""
    parameter("max_queued_bytes", 100_000)
    descriptor = driver.open()
    child = process(lambda: [os.dup(descriptor) for _ in range(900)])
    os.waitpid(child, 0)
    count = 0
    while not driver.is_idle():
        driver.expect(FLUSH)
        count += 1
    assert 50 < count < 900
    with Background(os.close, descriptor) as closing:
        driver.reply(driver.expect(FLUSH))
        driver.reply(driver.expect(CLOSE))
        closing.result()


def test_a_forked_child_has_descriptors_of_its_own_which_its_end_closes(driver):
    descriptor = driver.open()
    os.waitpid(process(lambda: None), 0)
    message = driver.expect(FLUSH)
    assert message.fops.pid != os.getpid()
    assert driver.is_idle()
    with Background(os.close, descriptor):
        driver.reply(driver.expect(FLUSH))
        driver.reply(driver.expect(CLOSE))
