# SPDX-License-Identifier: BSD-3-Clause
"""Limits, deadlocks, the module's use count, and a driver that dies often."""

import contextlib
import errno
import os
import select
import signal
import subprocess
import time

from support.background import Background, start
from support.forked_clients import process
from support.raw_driver import CLOSE, OPEN, READ, WRITE, Driver, fails
from support.scale import scaled
from support.waiting import DEADLINE, wait_until


def test_one_device_too_many_is_enospc(name, parameter):
    parameter("max_devices", 2)
    drivers = [Driver(f"{name}-{number}") for number in range(2)]
    fails(errno.ENOSPC, lambda: Driver(f"{name}-2"))
    drivers.pop().close()
    drivers.append(Driver(f"{name}-2"))
    for driver in drivers:
        driver.close()


def test_one_open_file_too_many_is_enfile(driver, parameter):
    parameter("max_open_files", 2)
    files = [driver.open(), driver.open()]
    fails(errno.ENFILE, lambda: start(os.open, driver.path, 0).result())
    with Background(os.close, files.pop()):
        driver.reply(driver.expect(CLOSE))
    files.append(driver.open())
    driver.unregister()
    for descriptor in files:
        os.close(descriptor)


def test_too_many_bytes_are_enobufs_until_some_are_gone(opened, parameter):
    driver, descriptor = opened
    parameter("max_queued_bytes", 10_000)
    with Background(os.write, descriptor, b"x" * 6000) as writing:
        message = driver.expect(WRITE)
        fails(errno.ENOBUFS, lambda: start(os.write, descriptor, b"y" * 6000).result())
        # What waits is counted at the size it takes: a read has no data yet.
        with Background(os.read, descriptor, 100_000):
            driver.reply(driver.expect(READ), data=b"answer")
        driver.reply(message, 6000)
        assert writing.result() == 6000
    with Background(os.write, descriptor, b"x" * 6000):
        driver.reply(driver.expect(WRITE), 6000)


def test_a_thread_that_opens_what_it_serves_gets_edeadlk(driver):
    with Background(os.open, driver.path, os.O_RDWR) as opening:
        driver.reply(driver.expect(OPEN))
        descriptor = opening.result()
    fails(errno.EDEADLK, os.open, driver.path, os.O_RDWR)
    other = driver.open()
    driver.unregister()
    os.close(other)
    os.close(descriptor)


def test_a_close_waits_for_the_driver(opened):
    driver, _ = opened
    second = driver.open()
    closing = start(os.close, second)
    message = driver.expect(CLOSE)
    assert closing.thread.is_alive()
    driver.reply(message)
    closing.result()


def test_an_exiting_process_does_not_wait_for_its_close(driver):
    process = subprocess.Popen(["sh", "-c", 'exec 3<"$1"', "sh", driver.path])
    driver.reply(driver.expect(OPEN))
    assert process.wait(20) == 0
    driver.reply(driver.expect(CLOSE))


def module_command(*command):
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def test_the_module_stays_while_it_is_in_use(name):
    driver = Driver(name)
    assert module_command("rmmod", "kfusd").returncode != 0
    descriptor = driver.open()
    driver.close()
    assert module_command("rmmod", "kfusd").returncode != 0
    assert os.path.exists("/dev/fusd/control")
    os.close(descriptor)


def open_read_close(path, rounds):
    """As often as the device can be opened, whatever becomes of it then."""
    while rounds:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            # There is no driver at this moment.
            time.sleep(0.02)
            continue
        with contextlib.suppress(OSError):
            os.read(descriptor, 10)
        os.close(descriptor)
        rounds -= 1


def serve(name):
    driver = Driver(name)
    while True:
        # A client may be gone before its answer comes.
        with contextlib.suppress(BrokenPipeError):
            message = driver.receive()
            is_read = message.subcmd == READ
            driver.reply(message, 4 * is_read, b"data" if is_read else None)


def has_ended(child):
    return os.waitpid(child, os.WNOHANG)[0] == child


def test_clients_survive_a_driver_that_is_killed_again_and_again(name):
    """8 clients open, read and close; the driver lives for 200 ms at a time."""
    path = f"/dev/{name}"
    clients = [
        process(open_read_close, path, scaled(10_000) // 8 + 1) for _ in range(8)
    ]
    end = time.monotonic() + 30 * DEADLINE
    kills = 0
    while clients:
        driver = process(serve, name)
        wait_until(lambda: os.path.exists(path), "the driver's device")
        select.select([], [], [], 0.2)
        os.kill(driver, signal.SIGKILL)
        os.waitpid(driver, 0)
        kills += 1
        assert not os.path.exists(path)
        clients = [child for child in clients if not has_ended(child)]
        assert time.monotonic() < end, f"{len(clients)} clients hang"
    assert kills >= 2
