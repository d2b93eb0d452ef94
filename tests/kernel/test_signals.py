# SPDX-License-Identifier: BSD-3-Clause
"""Signals to clients that wait, and what becomes of their requests."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from support.raw_driver import (
    CLOSE,
    IOCTL,
    NONBLOCK,
    OPEN,
    OPTION_UNBLOCK,
    READ,
    UNBLOCK,
    WRITE,
    Driver,
    fails,
)
from support.waiting import wait_until

CLIENT = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDWR)
def handled(*_):
    pass
signal.signal(signal.SIGUSR1, handled)
signal.siginterrupt(signal.SIGUSR1, sys.argv[2] == "interrupt")
for call in sys.argv[3:]:
    if call == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        continue
    data = ctypes.create_string_buffer(b"argument", 100)
    if call.startswith("read"):
        result = libc.read(fd, data, int(call[4:]))
    elif call.startswith("write"):
        result = libc.write(fd, call[5:].encode(), len(call) - 5)
    else:
        result = libc.ioctl(fd, ctypes.c_ulong(int(call[5:])), data)
    error = ctypes.get_errno() if result < 0 else 0
    print(result, error, data.value.decode(), flush=True)
"""


@pytest.fixture
def client(name):
    """client(driver, "restart" or "interrupt", CALL...) starts one."""
    processes = []

    def run(driver, restart, *calls):
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", CLIENT, driver.path, restart, *calls],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        driver.reply(driver.expect(OPEN))
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def state_of(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def is_sleeping(process):
    return state_of(process) == "S"


def interrupt(process):
    """A signal that the client has handled when this returns."""
    wait_until(lambda: is_sleeping(process), "the client's sleep")
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: not is_signalled(process), "the signal's delivery")


def is_signalled(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        masks = [line for line in file if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(line.split()[1], 16) for line in masks)


def line(process):
    return process.stdout.readline().split()


def test_a_restarted_call_has_the_same_request(driver, client):
    process = client(driver, "restart", "read10", "read10")
    message = driver.expect(READ)
    for _ in range(5):
        interrupt(process)
        assert driver.is_idle()
    driver.reply(message, 4, b"same")
    assert line(process) == ["4", "0", "samement"]
    second = driver.expect(READ)
    assert second.fops.transid != message.fops.transid


def test_an_interrupted_read_s_answer_waits_for_the_same_read(driver, client):
    process = client(driver, "interrupt", "read10", "read10")
    message = driver.expect(READ)
    interrupt(process)
    assert line(process)[:2] == ["-1", str(errno.EINTR)]
    wait_until(lambda: is_sleeping(process), "the second read")
    assert driver.is_idle()
    driver.reply(message, 4, b"kept")
    assert line(process)[0] == "4"


def stopped_after_an_interruption(driver, client):
    """A client whose read was interrupted, and which is stopped then."""
    process = client(driver, "interrupt", "read10", "stop", "read10")
    message = driver.expect(READ)
    interrupt(process)
    assert line(process)[:2] == ["-1", str(errno.EINTR)]
    wait_until(lambda: state_of(process) == "T", "the client's stop")
    return process, message


def test_another_call_gives_up_the_interrupted_one(driver, client):
    process = client(driver, "interrupt", "read10", "read11")
    message = driver.expect(READ)
    interrupt(process)
    other = driver.expect(READ)
    assert other.fops.length == 11
    fails(errno.EPIPE, lambda: driver.reply(message, 1, b"x"))
    driver.reply(other, 1, b"y")
    assert line(process)[:2] == ["-1", str(errno.EINTR)]
    assert line(process)[0] == "1"


def test_a_write_of_other_bytes_is_another_call(driver, client):
    process = client(driver, "interrupt", "writeabc", "writexyz")
    message = driver.expect(WRITE)
    interrupt(process)
    other = driver.expect(WRITE)
    assert other.bytes == b"xyz"
    fails(errno.EPIPE, lambda: driver.reply(message, 3))
    driver.reply(other, 3)
    assert line(process)[:2] == ["-1", str(errno.EINTR)]
    assert line(process)[0] == "3"


def test_a_write_of_the_same_bytes_is_taken_once(driver, client):
    process = client(driver, "interrupt", "writeabc", "writeabc")
    message = driver.expect(WRITE)
    interrupt(process)
    assert line(process)[:2] == ["-1", str(errno.EINTR)]
    wait_until(lambda: is_sleeping(process), "the second write")
    assert driver.is_idle()
    driver.reply(message, 3)
    assert line(process)[0] == "3"


EXCHANGE = 3 << 30 | 8 << 16 | ord("T") << 8 | 1


def test_a_restarted_ioctl_gets_its_data(driver, client):
    process = client(driver, "restart", f"ioctl{EXCHANGE}")
    message = driver.expect(IOCTL)
    assert message.bytes == b"argument"
    interrupt(process)
    driver.reply(message, 0, b"answered")
    assert line(process) == ["0", "0", "answered"]
    driver.reply(driver.expect(CLOSE))


def test_the_driver_s_own_eintr_starts_the_call_anew(driver, client):
    process, message = stopped_after_an_interruption(driver, client)
    driver.reply(message, -errno.EINTR)
    process.send_signal(signal.SIGCONT)
    again = driver.expect(READ)
    assert again.fops.transid != message.fops.transid
    driver.reply(again, 2, b"ok")
    assert line(process)[0] == "2"


def test_unblock_is_sent_to_a_driver_that_asked_for_it(name, client):
    with Driver(name, options=OPTION_UNBLOCK) as driver:
        process = client(driver, "restart", "read10")
        message = driver.expect(READ)
        interrupt(process)
        unblock = driver.expect(UNBLOCK)
        assert unblock.cmd == NONBLOCK
        assert unblock.fops.transid == message.fops.transid
        driver.reply(message, 4, b"part")
        assert line(process)[0] == "4"


def test_unblock_is_not_sent_to_others(driver, client):
    process = client(driver, "restart", "read10")
    message = driver.expect(READ)
    interrupt(process)
    assert driver.is_idle()
    driver.reply(message)
    assert line(process)[0] == "0"


def test_a_call_that_was_not_received_leaves_no_trace(driver, client):
    process = client(driver, "interrupt", "read10", "read20")
    wait_until(lambda: not driver.is_idle(), "the first read")
    interrupt(process)
    assert line(process)[:2] == ["-1", str(errno.EINTR)]
    assert driver.expect(READ).fops.length == 20
    assert driver.is_idle()


def test_a_killed_client_s_request_is_over(driver, client):
    process = client(driver, "restart", "read10")
    message = driver.expect(READ)
    process.kill()
    process.wait()
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
