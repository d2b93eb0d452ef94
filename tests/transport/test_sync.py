# SPDX-License-Identifier: BSD-3-Clause
"""seek, flush and fsync: what clients see of them, and clients that go meanwhile."""

import errno
import os
import signal

import pytest

BY_POSITION = (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END)
BY_DATA = (os.SEEK_DATA, os.SEEK_HOLE)
NOBODY_WAITS = errno.EPIPE


def opened_by(served, caller):
    return caller("open", served.path, os.O_RDWR)


@pytest.fixture
def opened(driver, client):
    served, caller = driver("sync:device"), client()
    return served, caller, opened_by(served, caller)


@pytest.fixture
def held(driver, client):
    served, caller = driver("held-sync:device"), client()
    return served, caller, opened_by(served, caller)


def answers(served, result):
    served.command(f"result {result}", "result")


def heard(served, *words):
    return [event for event in served.drain() if event.split(" ")[0] in words]


@pytest.mark.parametrize("whence", [*BY_POSITION, *BY_DATA])
def test_lseek_goes_where_the_driver_says(opened, holds, whence):
    served, caller, descriptor = opened
    if not holds("seek" if whence in BY_POSITION else "seek-data"):
        pytest.skip("the transport does not ask the driver")
    caller("write", descriptor, "12345")
    answers(served, 40)
    assert caller("lseek", descriptor, 7, whence) == 40
    assert served.expect("seek") == f"seek 7 {whence} 5"
    caller("read", descriptor, 1)
    assert served.expect("read").startswith("read 1 40 ")


def test_what_is_not_asked_the_kernel_answers(opened, holds):
    served, caller, descriptor = opened
    if holds("seek"):
        pytest.skip("the driver is asked")
    answers(served, 40)
    is_moved = holds("seek-data")
    assert caller("lseek", descriptor, 7, os.SEEK_SET) == (7 if is_moved else 0)
    assert caller("lseek", descriptor, 2, os.SEEK_CUR) == (9 if is_moved else 0)
    assert caller("lseek", descriptor, 3, os.SEEK_END) == (3 if is_moved else 0)
    if not is_moved:
        assert caller("lseek", descriptor, 3, os.SEEK_DATA) == 0
    assert heard(served, "seek") == []


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (-errno.ENXIO, "ENXIO"),
        (-errno.ENOSYS, "ENOSYS"),
        (-200, "EIO"),
    ],
)
def test_an_error_leaves_the_position(opened, holds, language, result, name):
    served, caller, descriptor = opened
    if not holds("seek-data"):
        pytest.skip("the transport does not ask the driver")
    caller("write", descriptor, "12345")
    answers(served, result)
    got = caller.fails("lseek", descriptor, 0, os.SEEK_DATA)
    assert got in {name, "ENOTSUP"} if name == "ENOSYS" else got == name
    # And the driver is asked again.
    answers(served, 9)
    assert caller("lseek", descriptor, 0, os.SEEK_DATA) == 9
    assert served.expect("seek") == "seek 0 3 5"


def test_a_position_beyond_an_int_is_one(opened, holds):
    served, caller, descriptor = opened
    if not holds("seek-data"):
        pytest.skip("the transport does not ask the driver")
    answers(served, (1 << 40) + 3)
    assert caller("lseek", descriptor, 1 << 41, os.SEEK_HOLE) == (1 << 40) + 3
    assert served.expect("seek") == f"seek {1 << 41} 4 0"
    answers(served, 0)


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_fsync_gives_what_the_driver_answers(opened, holds, call):
    served, caller, descriptor = opened
    if not holds("fsync"):
        assert caller.fails(call, descriptor) == "EINVAL"
        return
    assert caller(call, descriptor) is None
    assert served.expect("fsync") == f"fsync {int(call == 'fdatasync')}"
    for error in (errno.EIO, errno.ENOSPC):
        answers(served, -error)
        assert caller.fails(call, descriptor) == errno.errorcode[error]
    answers(served, -errno.ENOSYS)
    assert caller.fails(call, descriptor) in {"ENOSYS", "ENOTSUP"}
    answers(served, 0)
    assert caller(call, descriptor) is None
    assert len(served.collect("fsync", 5)) == 5


def test_a_driver_without_them_is_as_ever(driver, client, holds):
    served, caller = driver("memory:device"), client()
    descriptor = opened_by(served, caller)
    if holds("fsync-none"):
        assert caller.fails("fsync", descriptor) == "EINVAL"
    else:
        assert caller("fsync", descriptor) is None
    if holds("seek-data"):
        assert caller.fails("lseek", descriptor, 5, os.SEEK_DATA) == "ENXIO"
        assert caller("lseek", descriptor, 5, os.SEEK_SET) == 5
    assert caller("close", descriptor) is None
    served.expect("close")


def test_each_close_of_a_descriptor_is_told(opened, holds):
    served, caller, descriptor = opened
    others = [caller("dup", descriptor) for _ in range(2)]
    for error in (0, errno.EIO):
        answers(served, -error)
        if error and holds("flush"):
            assert caller.fails("close", others.pop()) == errno.errorcode[error]
        else:
            assert caller("close", others.pop()) is None
    if holds("flush"):
        served.collect("flush", 2)
    answers(served, -errno.ENOSPC)
    if holds("flush"):
        assert caller.fails("close", descriptor) == "ENOSPC"
    else:
        caller("close", descriptor)
    served.expect("close")
    assert heard(served, "flush", "close") == [*["flush"] * 3 * holds("flush"), "close"]


def test_a_close_that_a_process_s_end_makes_is_told(opened, holds):
    served, caller, _ = opened
    caller.stop()
    served.expect("close")
    assert heard(served, "flush", "close") == [*["flush"] * holds("flush"), "close"]


@pytest.mark.parametrize(
    ("call", "arguments", "result"),
    [
        ("lseek", (5, os.SEEK_DATA), 12),
        ("lseek", (5, os.SEEK_DATA), -errno.ENXIO),
        ("fsync", (), 0),
        ("fsync", (), -errno.EIO),
        ("close", (), 0),
        ("close", (), -errno.EIO),
    ],
)
def test_any_of_them_is_answered_later(held, holds, call, arguments, result):
    served, caller, descriptor = held
    if not holds({"lseek": "seek-data", "close": "flush"}.get(call, call)):
        pytest.skip("the transport does not ask the driver")
    caller.start(call, descriptor, *arguments)
    operation = {"lseek": "seek", "close": "flush"}.get(call, call)
    assert served.expect("hold") == f"hold {operation}"
    assert served.answer(result) == 0
    if result < 0:
        assert caller.failure() == errno.errorcode[-result]
    else:
        assert caller.result() == (result if call == "lseek" else None)


@pytest.mark.parametrize("call", ["lseek", "fsync", "close"])
def test_a_client_can_be_killed_meanwhile(held, holds, call):
    served, caller, descriptor = held
    if not holds({"lseek": "seek-data", "close": "flush"}.get(call, call)):
        pytest.skip("the transport does not ask the driver")
    caller("dup", descriptor)
    caller.start(call, descriptor, *((0, os.SEEK_DATA) if call == "lseek" else ()))
    served.expect("hold")
    caller.stop()
    # That of the other descriptor, and, of an lseek or fsync, of this one.
    for _ in range(1 if call == "close" else 2):
        assert served.expect("hold") == "hold flush"
    served.expect("close")
    for _ in range(2 if call == "close" else 3):
        assert served.answer(0) == NOBODY_WAITS


def test_a_process_that_ends_does_not_wait_for_a_held_flush(held, holds):
    served, caller, _ = held
    if not holds("flush"):
        pytest.skip("there is no flush")
    # By itself, and not killed.
    caller.process.stdin.close()
    assert served.expect("hold") == "hold flush"
    caller.process.wait()
    served.expect("close")
    assert served.answer(-errno.EIO) == NOBODY_WAITS


def test_a_signal_and_a_close_that_waits(held, holds):
    served, caller, descriptor = held
    if not holds("flush"):
        pytest.skip("there is no flush")
    caller("handle_signal", True)
    caller.start("close", descriptor)
    served.expect("hold")
    caller.process.send_signal(signal.SIGUSR1)
    if holds("flush-signal"):
        assert served.answer(0) == 0
        assert caller.result() is None
    else:
        served.expect("unblock")
        assert caller.failure() == "EINTR"
        assert served.answer(0) == NOBODY_WAITS
    assert served.collect("close", 1) == ["close"]


@pytest.mark.parametrize("call", ["lseek", "fsync", "close"])
def test_a_killed_driver_s_clients_wake(held, holds, call):
    served, caller, descriptor = held
    if not holds({"lseek": "seek-data", "close": "flush"}.get(call, call)):
        pytest.skip("the transport does not ask the driver")
    caller.start(call, descriptor, *((0, os.SEEK_DATA) if call == "lseek" else ()))
    served.expect("hold")
    served.kill()
    if holds("death-epipe"):
        assert caller.failure() == "EPIPE"
    else:
        assert caller.failure() in {"ECONNABORTED", "ENOTCONN"}


@pytest.mark.parametrize("call", ["lseek", "fsync", "close"])
def test_unregister_gives_epipe(held, holds, call):
    served, caller, descriptor = held
    if not holds({"lseek": "seek-data", "close": "flush"}.get(call, call)):
        pytest.skip("the transport does not ask the driver")
    caller.start(call, descriptor, *((0, os.SEEK_DATA) if call == "lseek" else ()))
    served.expect("hold")
    served.command("unregister 0", "unregistered")
    assert caller.failure() == "EPIPE"
    assert served.answer(0) == NOBODY_WAITS


def test_clients_wait_for_each_other_or_not(held, client, holds):
    served, caller, descriptor = held
    if not holds("flush"):
        pytest.skip("there is no flush")
    other = client()
    mine = opened_by(served, other)
    caller.start("write", descriptor, "held")
    assert served.expect("hold") == "hold write"
    other.start("close", mine)
    if holds("sync-beside"):
        assert served.expect("hold") == "hold flush"
    assert served.answer(4) == 0
    assert caller.result() == 4
    assert served.collect("hold", 2) == ["hold write", "hold flush"]
    assert served.answer(0) == 0
    assert other.result() is None


def test_a_stream_cannot_seek_and_is_flushed(driver, client, holds, language):
    if language == "c":
        pytest.skip("in Python, which has the option at hand")
    served, caller = driver("sync-stream:device"), client()
    descriptor = opened_by(served, caller)
    if holds("stream"):
        for whence in (*BY_POSITION, *BY_DATA):
            assert caller.fails("lseek", descriptor, 0, whence) == "ESPIPE"
    answers(served, -errno.EIO)
    if holds("flush"):
        assert caller.fails("close", descriptor) == "EIO"
    assert heard(served, "seek") == []
