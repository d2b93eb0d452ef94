# SPDX-License-Identifier: BSD-3-Clause
"""Programs as they were written for FUSD 1.10 and its fork: see original/."""

import os
import select

import pytest

PLAIN = ord("n") << 8 | 1  # _IO('n', 1)
FETCH = 2 << 30 | 8 << 16 | ord("n") << 8 | 2  # _IOR('n', 2, char[8])
O_LARGEFILE = 0o100000


@pytest.fixture
def notes(original):
    return original("notes", "notes")


def seen(driver, word):
    """The flags and the position in an event's line."""
    _, flags, position, *_ = driver.expect(word).split()
    return int(flags, 16) & ~O_LARGEFILE, int(position)


def test_an_int_that_is_negative_is_an_errno(notes, client):
    caller = client()
    descriptor = caller("open", notes.path, os.O_RDWR)
    caller("write", descriptor, "refuse")
    assert caller.fails("read", descriptor, 100) == "EACCES"
    assert caller.fails("write", descriptor, "no") == "EPERM"
    caller("write", descriptor, "fill")
    assert caller("read", descriptor, 5) == "xxxxx"


def test_an_int_that_is_noreply_holds_the_request(notes, client):
    reader, other = client(), client()
    descriptor = other("open", notes.path, os.O_RDWR)
    other("write", descriptor, "hold")
    reader.start("read", reader("open", notes.path, os.O_RDWR), 100)
    notes.expect("read")
    other("write", descriptor, "answer")
    assert reader.result() == "late"
    # Its memory was given back once, and is used again.
    other("write", descriptor, "fill")
    for _ in range(20):
        assert other("read", descriptor, 3) == "xxx"


def test_the_message_of_a_read_tells_the_buffer_s_size(notes, client):
    caller = client()
    caller("read", caller("open", notes.path, os.O_RDWR), 123)
    assert notes.expect("read") == "read 123 123"


def test_a_callback_may_put_a_buffer_of_its_own_into_the_message(notes, client):
    caller = client()
    descriptor = caller("open", notes.path, os.O_RDWR)
    caller("write", descriptor, "own")
    assert caller("read", descriptor, 12) == "the driver's"
    assert caller("ioctl", descriptor, FETCH, "?" * 8) == [0, "the drivguard", 0]
    caller("write", descriptor, "fill")
    assert caller("read", descriptor, 12) == "x" * 12


PIECES = [10] * 64


def reads_since(notes, caller, descriptor):
    """The lengths of the reads that the driver has seen since the last call."""
    caller("ioctl", descriptor, PLAIN, 0)
    notes.expect("ioctl")
    lengths = [int(line.split()[2]) for line in notes.seen if line.startswith("read ")]
    notes.seen.clear()
    return lengths


def test_a_read_of_many_pieces_is_one_request(notes, client, holds):
    caller = client()
    descriptor = caller("open", notes.path, os.O_RDWR)
    assert caller("readv", descriptor, PIECES) == 640
    lengths = reads_since(notes, caller, descriptor)
    assert sum(lengths) == 640
    assert (len(lengths) == 1) == holds("pieces")


def test_who_has_got_something_does_not_wait_for_more_pieces(notes, client, holds):
    caller = client()
    descriptor = caller("open", notes.path, os.O_RDWR)
    for _ in range(3):
        caller("write", descriptor, "last")
        count = caller("readv", descriptor, PIECES)
        lengths = reads_since(notes, caller, descriptor)
        assert (lengths[0], sum(lengths)) == (count, 640)
        assert (count == 640) == holds("pieces")


@pytest.mark.parametrize("call", ["read", "pread"])
def test_a_call_that_begins_where_one_ended_waits(notes, client, call):
    caller, other = client(), client()
    descriptor = caller("open", notes.path, os.O_RDWR)
    writer = other("open", notes.path, os.O_RDWR)
    positions = [[100], [110]] if call == "pread" else [[], []]
    caller("write", descriptor, "last")
    assert caller(call, descriptor, 10, *positions[0]) == "x" * 10
    assert reads_since(notes, caller, descriptor) == [10]
    caller.start(call, descriptor, 10, *positions[1])
    notes.expect("read")
    other("write", writer, "answer")
    assert caller.result() == "late"


@pytest.mark.parametrize("at_open", [0, os.O_NONBLOCK])
def test_ioctl_poll_and_close_see_the_flags_as_they_are_now(notes, client, at_open):
    caller = client()
    descriptor = caller("open", notes.path, os.O_RDWR | at_open)
    for flags in (at_open, at_open ^ os.O_NONBLOCK, at_open):
        caller("setfl", descriptor, flags)
        caller("ioctl", descriptor, PLAIN, 0)
        assert seen(notes, "ioctl")[0] == os.O_RDWR | flags
    caller("setfl", descriptor, at_open ^ os.O_NONBLOCK)
    caller("poll", descriptor, select.POLLIN, 0)
    assert seen(notes, "poll")[0] == os.O_RDWR | at_open ^ os.O_NONBLOCK
    caller("setfl", descriptor, at_open)
    caller("close", descriptor)
    assert seen(notes, "close")[0] == os.O_RDWR | at_open


def test_each_open_file_of_a_client_has_its_own_flags(notes, client):
    caller = client()
    plain, changed = (caller("open", notes.path, os.O_RDWR) for _ in range(2))
    caller("setfl", changed, os.O_NONBLOCK)
    for descriptor, flags in ((plain, 0), (changed, os.O_NONBLOCK)) * 2:
        caller("ioctl", descriptor, PLAIN, 0)
        assert seen(notes, "ioctl")[0] == os.O_RDWR | flags
        caller("poll", descriptor, select.POLLIN, 0)
        assert seen(notes, "poll")[0] == os.O_RDWR | flags
        # The next poll asks again.
        caller("write", descriptor, "input")
        caller("poll", descriptor, select.POLLIN, 10000)
        notes.expect("poll")
        caller("write", descriptor, "fill")
        caller("read", descriptor, 1)
        caller("write", descriptor, "-")


def test_ioctl_and_poll_see_the_position(notes, client, holds):
    caller = client()
    descriptor = caller("open", notes.path, os.O_RDWR)
    caller("read", descriptor, 10)
    caller("ioctl", descriptor, PLAIN, 0)
    assert seen(notes, "ioctl")[1] == 10
    if holds("position"):
        caller("lseek", descriptor, 1000, os.SEEK_SET)
    caller("poll", descriptor, select.POLLIN, 0)
    assert seen(notes, "poll")[1] == (1000 if holds("position") else 10)


@pytest.mark.parametrize("kind", ["misc", "sound", "tty"])
def test_the_fork_s_form_registers_in_a_class_that_exists(original, client, kind):
    served, caller = original("sound", "notes", kind), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    caller("ioctl", descriptor, PLAIN, 5_000_000_000)
    assert served.expect("argument") == "argument 5000000000"
