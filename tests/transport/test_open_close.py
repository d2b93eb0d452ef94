# SPDX-License-Identifier: BSD-3-Clause
"""Opening and closing, and who the driver sees."""

import os
import signal
import stat
import subprocess

import pytest

from support.scale import scaled
from support.waiting import wait_until


def closes(driver):
    return driver.drain().count("close")


def test_a_driver_sees_each_open_once_with_its_caller_and_one_close(driver, client):
    served, caller = driver("memory:device"), client()
    descriptor = caller("open", served.path, os.O_RDWR | os.O_NONBLOCK)
    event = served.expect("open").split()
    assert [int(word) for word in event[1:4]] == caller("ids")
    flags = int(event[4], 16)
    assert flags & os.O_ACCMODE == os.O_RDWR
    assert flags & os.O_NONBLOCK
    copy = caller("dup", descriptor)
    caller("close", descriptor)
    caller("read", copy, 1)
    caller("close", copy)
    served.expect("close")
    assert closes(served) == 1


def test_a_close_tells_what_the_transport_knows_of_its_caller(driver, client, holds):
    served, caller = driver("nonblocking:device"), client()
    caller("close", caller("open", served.path, os.O_RDONLY))
    ids = [int(word) for word in served.expect("close").split()[1:]]
    assert ids == (caller("ids") if holds("close-caller") else [0, 0, 0])


def test_a_driver_s_flags_go_where_the_transport_takes_them(driver, client, holds):
    served, caller = driver("nonblocking:device"), client()
    descriptor = caller("open", served.path, os.O_RDONLY)
    assert bool(caller("getfl", descriptor) & os.O_NONBLOCK) == holds("flags-back")


def test_a_client_that_dies_closes_its_files(driver, client):
    served, caller = driver("memory:device"), client()
    for _ in range(5):
        caller("open", served.path, os.O_RDONLY)
    caller.stop()
    wait_until(lambda: closes(served) == 5, "five closes")


def test_a_refused_open_has_no_close(driver, client):
    served, caller = driver("result:device"), client()
    served.command("result -13", "result")
    assert caller.fails("open", served.path, os.O_RDONLY) == "EACCES"
    served.command("result 0", "result")
    caller("close", caller("open", served.path, os.O_RDONLY))
    served.expect("close")
    assert closes(served) == 1


def test_an_open_may_be_answered_later(driver, client):
    served, caller = driver("late:device"), client()
    caller.start("open", served.path, os.O_RDONLY)
    served.expect("hold")
    assert served.answer(0) == 0
    caller("close", caller.result())
    served.expect("close")
    caller.start("open", served.path, os.O_RDONLY)
    served.expect("hold")
    assert served.answer(-16) == 0
    assert caller.failure() == "EBUSY"
    assert closes(served) == 1


def test_a_client_killed_during_its_open_is_closed_if_that_succeeded(driver):
    served = driver("late:device")
    cat = subprocess.Popen(["cat", served.path])
    served.expect("hold")
    cat.send_signal(signal.SIGKILL)
    cat.wait()
    if served.answer(0) == 0:
        # It may have come before the word that the driver answered.
        served.collect("close", 1)
    assert closes(served) <= 1


def test_500_clients_have_the_device_open_at_once(driver, client):
    served = driver("memory:device")
    clients = []
    count = scaled(500)
    script = "exec 3<$1; echo opened; read line"
    try:
        for _ in range(count):
            clients.append(
                subprocess.Popen(
                    ["sh", "-c", script, "sh", served.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
        for process in clients:
            assert process.stdout.readline() == b"opened\n"
        assert len(served.collect("open", count)) == count
        caller = client()
        descriptor = caller("open", served.path, os.O_RDONLY)
        assert caller("read", descriptor, 3) == "\0\0\0"
    finally:
        for process in clients:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
    wait_until(lambda: closes(served) >= count, "a close for each")


def test_the_node_has_the_mode_of_the_registration(driver, holds):
    mode = os.stat(driver("memory:device").path).st_mode
    assert stat.S_IMODE(mode) == 0o666
    assert stat.S_ISCHR(mode) == holds("character-device")
    assert stat.S_ISREG(mode) != holds("character-device")


def test_close_reaches_the_driver(driver, client):
    served, caller = driver("memory:device"), client()
    for _ in range(20):
        caller("close", caller("open", served.path, os.O_RDONLY))
        served.expect("close")


def test_close_waits_where_the_transport_says(driver, client, holds):
    served, caller = driver("closing:device"), client()
    caller.start("close", caller("open", served.path, os.O_RDONLY))
    served.expect("closing")
    if holds("close-synchronous"):
        assert not caller.has_answered()
        served.command("end", "ended")
        assert caller.result() is None
    else:
        assert caller.result() is None
        served.command("end", "ended")


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_TRUNC])
def test_a_device_without_callbacks_opens(driver, client, flags):
    served, caller = driver("bare:device"), client()
    descriptor = caller("open", served.path, flags)
    if flags != os.O_WRONLY:
        assert caller.fails("read", descriptor, 1) == "EINVAL"
    if flags != os.O_RDONLY:
        assert caller.fails("write", descriptor, "x") == "EINVAL"
    assert caller.fails("ioctl", descriptor, 0x1234, 0) == "ENOTTY"
    assert caller("poll", descriptor, 5, 0) == 5
    caller("close", descriptor)
