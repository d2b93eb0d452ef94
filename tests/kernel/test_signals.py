# SPDX-License-Identifier: BSD-3-Clause
"""Signals to clients that wait, and what becomes of their requests."""

import errno
import os
import signal
import subprocess
import time

from support.forked_clients import reads, stops, writes
from support.raw_driver import (
    CLOSE,
    NONBLOCK,
    OPEN,
    READ,
    UNBLOCK,
    WRITE,
    Driver,
    fails,
)
from support.waiting import wait_until


def test_a_restarted_call_has_the_same_request(driver, reader):
    one = reader(reads(10), reads(10))
    message = driver.expect(READ)
    for _ in range(5):
        one.interrupt()
        assert driver.is_idle()
    driver.reply(message, 4, b"same")
    assert one.result() == b"same"
    second = driver.expect(READ)
    assert second.fops.transid != message.fops.transid


def test_another_call_gives_up_the_interrupted_one(driver, reader):
    one = reader(reads(10), reads(11), restart=False)
    message = driver.expect(READ)
    one.interrupt()
    other = driver.expect(READ)
    assert other.fops.length == 11
    fails(errno.EPIPE, lambda: driver.reply(message, 1, b"x"))
    driver.reply(other, 1, b"y")
    assert one.result() == "EINTR"
    assert one.result() == b"y"


def test_a_write_of_other_bytes_is_another_call(driver, reader):
    one = reader(writes(b"abc"), writes(b"xyz"), restart=False)
    message = driver.expect(WRITE)
    one.interrupt()
    other = driver.expect(WRITE)
    assert other.bytes == b"xyz"
    fails(errno.EPIPE, lambda: driver.reply(message, 3))
    driver.reply(other, 3)
    assert one.result() == "EINTR"
    assert one.result() == 3


def test_a_write_of_the_same_bytes_is_taken_once(driver, reader):
    one = reader(writes(b"abc"), writes(b"abc"), restart=False)
    message = driver.expect(WRITE)
    one.interrupt()
    assert one.result() == "EINTR"
    one.wait_for("S")
    assert driver.is_idle()
    driver.reply(message, 3)
    assert one.result() == 3


def test_the_driver_s_own_eintr_starts_the_call_anew(driver, reader):
    one = reader(reads(10), stops, reads(10), restart=False)
    message = driver.expect(READ)
    one.interrupt()
    assert one.result() == "EINTR"
    one.wait_for("T")
    driver.reply(message, -errno.EINTR)
    one.go_on()
    again = driver.expect(READ)
    assert again.fops.transid != message.fops.transid
    driver.reply(again, 2, b"ok")
    assert [one.result(), one.result()] == [None, b"ok"]


def test_unblock_is_sent_to_a_driver_that_asked_for_it(willing, reader):
    one = reader(reads(10), of=willing)
    message = willing.expect(READ)
    one.interrupt()
    unblock = willing.expect(UNBLOCK)
    assert unblock.cmd == NONBLOCK
    assert unblock.fops.transid == message.fops.transid
    willing.reply(message, 4, b"part")
    assert one.result() == b"part"


def test_unblock_is_not_sent_to_others(driver, reader):
    one = reader(reads(10))
    message = driver.expect(READ)
    one.interrupt()
    assert driver.is_idle()
    driver.reply(message)
    assert one.result() == b""


def test_a_call_that_was_not_received_leaves_no_trace(driver, reader):
    one = reader(reads(10), reads(20), restart=False)
    wait_until(lambda: not driver.is_idle(), "the first read")
    one.interrupt()
    assert one.result() == "EINTR"
    assert driver.expect(READ).fops.length == 20
    assert driver.is_idle()


def test_a_killed_client_s_request_is_over(driver, reader):
    one = reader(reads(10))
    message = driver.expect(READ)
    one.kill()
    close = driver.expect(CLOSE)
    fails(errno.EPIPE, lambda: driver.reply(message, 1, b"x"))
    driver.reply(close)


def test_an_open_whose_client_was_killed_is_closed_if_it_succeeds(driver):
    for result in (0, -errno.EBUSY):
        process = subprocess.Popen(["cat", driver.path])
        message = driver.expect(OPEN)
        process.kill()
        process.wait()
        driver.reply(message, result, private_info=0x1234)
        if result == 0:
            close = driver.expect(CLOSE)
            assert close.fops.private_info == 0x1234
            driver.reply(close)
        assert driver.is_idle()


def test_a_stopped_driver_s_client_can_be_killed(name):
    """Everything but SIGKILL would wait for a driver that does nothing."""
    ready, started = os.pipe()
    stopped = os.fork()
    if stopped == 0:
        driver = Driver(name)
        os.write(started, b"1")
        driver.reply(driver.expect(OPEN))
        driver.expect(READ)
        os.write(started, b"2")
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1000)
    assert os.read(ready, 1) == b"1"
    process = subprocess.Popen(["cat", f"/dev/{name}"], stdout=subprocess.DEVNULL)
    assert os.read(ready, 1) == b"2"
    os.waitpid(stopped, os.WUNTRACED)
    process.kill()
    # It must not wait for its close to be answered.
    assert process.wait(20) == -signal.SIGKILL
    os.kill(stopped, signal.SIGKILL)
    os.waitpid(stopped, 0)
    assert not os.path.exists(f"/dev/{name}")


def test_fork_shares_an_open_file(opened):
    driver, descriptor = opened
    child = os.fork()
    if child == 0:
        os._exit(0 if os.read(descriptor, 1) == b"c" else 1)
    driver.reply(driver.expect(READ), 1, b"c")
    assert os.waitpid(child, 0)[1] == 0
    # The child's end is no close.
    assert driver.is_idle()
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 1


def test_a_driver_s_fork_keeps_the_device_until_both_are_gone(name):
    driver = Driver(name)
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(sender)
        os.read(receiver, 1)
        os._exit(0)
    driver.close()
    assert os.path.exists(f"/dev/{name}")
    os.write(sender, b"x")
    os.waitpid(child, 0)
    assert not os.path.exists(f"/dev/{name}")
    os.close(receiver)
    os.close(sender)
