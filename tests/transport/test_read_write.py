# SPDX-License-Identifier: BSD-3-Clause
"""Reads, writes and positions."""

import os
import subprocess

import pytest

from support.waiting import DEADLINE

MAX_RW_SIZE = 128 << 10
PAGE_SIZE = 4096
ARGUMENTS = {"read": (10,), "write": ("x",), "ioctl": (0x1234, 0)}
SIZES = [1, 2, 100, 4095, 4096, 4097, 65536, MAX_RW_SIZE - 1, MAX_RW_SIZE]


@pytest.fixture
def opened(driver, client):
    served, caller = driver("memory:device"), client()
    return served, caller, caller("open", served.path, os.O_RDWR)


def pattern(size, start=0):
    return "".join(chr((start + n * 7 + n // 256) % 256) for n in range(size))


def transfers(served, operation, size):
    """The sizes of a call's requests, which follow one another from 0 on."""
    sizes = []
    while sum(sizes) < size:
        length, offset = served.expect(operation).split()[1:3]
        assert int(offset) == sum(sizes)
        sizes.append(int(length))
    assert all(0 < length <= MAX_RW_SIZE for length in sizes)
    return sizes


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(opened, holds, size):
    served, caller, descriptor = opened
    data = pattern(size)
    assert caller("write", descriptor, data) == size
    sizes = transfers(served, "write", size)
    again = caller("open", served.path, os.O_RDONLY)
    assert caller("read", again, size) == data
    sizes += transfers(served, "read", size)
    if holds("transfer") or size <= MAX_RW_SIZE - PAGE_SIZE:
        assert sizes == [size, size]


@pytest.mark.parametrize("size", [MAX_RW_SIZE + 1, 200_000, 1 << 20])
def test_a_longer_transfer_does_what_the_transport_says(opened, holds, size):
    served, caller, descriptor = opened
    done = MAX_RW_SIZE if holds("transfer") else size
    assert caller("write_size", descriptor, size) == done
    sizes = transfers(served, "write", done)
    again = caller("open", served.path, os.O_RDONLY)
    assert caller("read", again, size) == "w" * done
    sizes += transfers(served, "read", done)
    if holds("transfer"):
        assert sizes == [done, done]
    else:
        assert len(sizes) > 2
    expected = done if holds("position") else 0
    assert caller("lseek", again, 0, os.SEEK_CUR) == expected


def test_the_byte_after_a_write_s_data_is_0(opened):
    served, caller, descriptor = opened
    caller("write", descriptor, "x" * 5000)
    for size in (4096, 1, 100, 4095, MAX_RW_SIZE):
        caller("write_size", descriptor, size)
    assert all(event.endswith(" 0") for event in served.collect("write", 6))


def test_a_write_of_many_pieces_arrives_whole_and_in_order(opened, holds):
    served, caller, descriptor = opened
    pieces = [f"piece {number:03} " for number in range(64)]
    assert caller("writev", descriptor, pieces) == 640
    assert (transfers(served, "write", 640) == [640]) == holds("pieces")
    again = caller("open", served.path, os.O_RDONLY)
    assert caller("read", again, 640) == "".join(pieces)


def only_reads_and_writes_move(caller, path):
    again = caller("open", path, os.O_RDWR)
    assert caller("read", again, 2) == "01"
    for where, whence in ((0, os.SEEK_SET), (7, os.SEEK_SET), (0, os.SEEK_END)):
        assert caller("lseek", again, where, whence) == 0
    assert caller("pread", again, 2, 0) == "23"
    assert caller("read", again, 2) == "45"
    assert caller("pwrite", again, "ab", 0) == 2
    assert caller("read", again, 2) == "89"
    other = caller("open", path, os.O_RDONLY)
    assert caller("read", other, 10) == "012345ab89"


def test_the_position_moves_as_the_driver_says(opened, holds):
    served, caller, descriptor = opened
    caller("write", descriptor, "0123456789")
    if not holds("position"):
        only_reads_and_writes_move(caller, served.path)
        return
    assert caller("lseek", descriptor, 0, os.SEEK_CUR) == 10
    assert caller("lseek", descriptor, 3, os.SEEK_SET) == 3
    assert caller("read", descriptor, 2) == "34"
    assert caller("readv", descriptor, [1, 1]) == 2
    assert caller("writev", descriptor, ["x", "yz"]) >= 1
    assert caller("pread", descriptor, 1, 7) == "x"


def test_pread_and_pwrite_leave_the_position(opened, holds):
    _, caller, descriptor = opened
    if not holds("position"):
        pytest.skip("this transport moves it: see the test before")
    caller("write", descriptor, "0123456789")
    assert caller("pread", descriptor, 4, 2) == "2345"
    assert caller("lseek", descriptor, 0, os.SEEK_CUR) == 10
    assert caller("lseek", descriptor, 5, os.SEEK_SET) == 5
    assert caller("pwrite", descriptor, "ab", 0) == 2
    assert caller("read", descriptor, 2) == "56"
    assert caller("pread", descriptor, 3, 0) == "ab2"


def test_duplicates_and_children_share_a_position(opened):
    served, caller, first = opened
    caller("write", first, "0123456789")
    descriptor = caller("open", served.path, os.O_RDONLY)
    copy = caller("dup", descriptor)
    assert caller("read", descriptor, 2) == "01"
    assert caller("read", copy, 2) == "23"
    assert caller("fork_read", descriptor, 2) == "45"
    assert caller("read", descriptor, 2) == "67"


def test_open_files_have_positions_of_their_own(opened, client):
    served, caller, descriptor = opened
    caller("write", descriptor, "0123456789")
    other = client()
    second = other("open", served.path, os.O_RDONLY)
    assert other("read", second, 3) == "012"
    assert other("read", second, 3) == "345"
    assert caller("write", descriptor, "ab") == 2
    assert other("read", second, 6) == "6789ab"


def test_a_driver_may_leave_the_position_anywhere(driver, client):
    served, caller = driver("result:result", "memory:memory"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    served.command("result 3", "result")
    served.command("position 1000", "position")
    assert caller("read", descriptor, 10) == "rrr"
    assert caller("read", descriptor, 10) == "rrr"
    served.command("position 0", "position")
    assert caller("write", descriptor, "abc") == 3


def test_append_writes_at_the_driver_s_position(driver, client):
    served, caller = driver("memory:device"), client()
    descriptor = caller("open", served.path, os.O_WRONLY | os.O_APPEND)
    for _ in range(3):
        assert caller("write", descriptor, "abc") == 3
    offsets = [event.split()[2] for event in served.collect("write", 3)]
    assert offsets == ["0", "3", "6"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [(0, 0), (1, 1), (10, 10), (11, 10), (1000, 10), (1 << 40, 10)],
)
def test_an_answer_beyond_what_was_asked_is_cut(driver, client, result, expected):
    served, caller = driver("result:device"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    served.command(f"result {result}", "result")
    count, memory = caller("read_into_pattern", descriptor, 10)
    assert count == expected
    assert memory == "r" * expected + "?" * (18 - expected)
    assert caller("write", descriptor, "0123456789") == expected


@pytest.mark.parametrize("operation", ["read", "write", "ioctl"])
@pytest.mark.parametrize("number", [1, 5, 28, 61, 122, 133])
def test_errnos_reach_the_client(driver, client, operation, number):
    served, caller = driver("result:device"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    served.command(f"result {-number}", "result")
    with pytest.raises(OSError) as caught:
        caller(operation, descriptor, *ARGUMENTS[operation])
    assert caught.value.errno == number


@pytest.mark.parametrize("operation", ["read", "write", "ioctl"])
@pytest.mark.parametrize("number", [41, 58, 134, 511, 512, 513, 4095])
def test_a_number_that_is_no_errno_is_eio(driver, client, operation, number):
    served, caller = driver("result:device"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    served.command(f"result {-number}", "result")
    assert caller.fails(operation, descriptor, *ARGUMENTS[operation]) == "EIO"


def test_a_transfer_of_nothing_does_what_the_transport_says(opened, holds):
    served, caller, descriptor = opened
    assert caller("read_into_pattern", descriptor, 0) == [0, "?" * 8]
    assert caller("write", descriptor, "") == 0
    caller("write", descriptor, "x")
    served.expect("write" if not holds("transfer-empty") else "read")
    assert (served.seen[-1].split()[1] == "0") == holds("transfer-empty")


def test_a_splice_gives_what_the_transport_says(opened, holds, transport):
    served, caller, descriptor = opened
    caller("write", descriptor, "spliced")
    again = caller("open", served.path, os.O_RDONLY)
    # After a write FUSE believes in its size until somebody asks.
    caller("mode", served.path)
    if transport == "cuse":
        assert caller.fails("splice", again, 7) == "EINVAL"
    else:
        assert caller("splice", again, 7) == ("spliced" if holds("splice") else "")


def test_o_nonblock_shows_in_the_flags(opened):
    served, caller, descriptor = opened
    caller("read", descriptor, 1)
    caller("setfl", descriptor, os.O_NONBLOCK)
    caller("read", descriptor, 1)
    flags = [int(event.split()[3], 16) for event in served.collect("read", 2)]
    assert [bool(f & os.O_NONBLOCK) for f in flags] == [False, True]


def shell(script, path):
    return subprocess.run(
        ["sh", "-ec", script, "sh", path],
        stdout=subprocess.PIPE,
        check=True,
        timeout=3 * DEADLINE,
    ).stdout


def test_unmodified_programs_work(driver):
    path = driver("memory:device").path
    assert shell('echo hello > "$1"; head -c 6 "$1"', path) == b"hello\n"
    script = (
        'head -c 300000 /dev/urandom | tee "$2" | dd of="$1" bs=4096 status=none;'
        'dd if="$1" bs=5000 count=60 status=none | cmp - "$2" && echo same'
    )
    result = subprocess.run(
        ["sh", "-ec", script, "sh", path, path + ".copy"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=3 * DEADLINE,
        cwd="/",
    )
    os.unlink(path + ".copy")
    assert result.stdout == b"same\n"
    assert len(shell('dd if="$1" bs=1M count=8 status=none', path)) >= 8 * MAX_RW_SIZE
    assert shell('tail -c +7 "$1" | head -c 4 | wc -c', path).strip() == b"4"


def test_no_reply_shows_another_open_file_s_bytes(driver, client):
    """A read answers more than it wrote; the rest must be nobody's."""
    served, caller, other = driver("hold:device"), client(), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    caller.start("write", descriptor, "secret" * 1000)
    served.expect("hold")
    served.answer(6000)
    assert caller.result() == 6000
    spy = other("open", served.path, os.O_RDONLY)
    for _ in range(5):
        other.start("read", spy, 6000)
        served.expect("hold")
        served.answer(6000)
        assert other.result() == "\0" * 6000


def test_an_ioctl_uncovers_no_other_open_file_s_bytes(driver, client):
    """Its data lies elsewhere in a request's memory than a read's does."""
    served, caller, other = driver("hold:device"), client(), client()
    writer = caller("open", served.path, os.O_RDWR)
    spy = other("open", served.path, os.O_RDWR)
    for size in (4, 8, 16, 64, 1000):
        caller.start("write", writer, "S" * 6000)
        served.expect("hold")
        served.answer(6000)
        assert caller.result() == 6000
        other.start("ioctl", spy, 1 << 30 | size << 16 | 0x5401, "i" * size)
        served.expect("hold")
        served.answer(0)
        assert other.result()[0] == 0
        other.start("read", spy, 6000)
        served.expect("hold")
        served.answer(6000)
        assert set(other.result()) <= {"i", "\0"}
