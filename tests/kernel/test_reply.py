# SPDX-License-Identifier: BSD-3-Clause
"""Replies: which are taken, and what a driver's answer may do to a client."""

import ctypes
import errno
import fcntl
import os

import pytest

from support.background import Background, start
from support.raw_driver import (
    CLOSE,
    IOCTL,
    MAGIC,
    MAX_RW_SIZE,
    OPEN,
    READ,
    REPLY,
    UNBLOCK,
    WRITE,
    Driver,
    Message,
    fails,
    libc,
)


@pytest.fixture
def held(opened):
    """A read of 10 bytes that the driver has received."""
    driver, descriptor = opened
    reading = start(os.read, descriptor, 10)
    yield driver, driver.expect(READ), reading


def test_a_reply_returns_the_bytes_written(held):
    driver, message, reading = held
    assert driver.reply(message, 4, b"data") == 176 + 4
    assert reading.result() == b"data"


@pytest.mark.parametrize(
    ("cookie", "value"),
    [
        *(("hint", value) for value in (-1, 1000, 2**31 - 1, -(2**31))),
        *(("transid", value) for value in (0, 1, -1, 2**62)),
        *(("fusd_file", value) for value in (0, 77, 2**64 - 1)),
    ],
)
def test_a_reply_with_a_wrong_cookie_is_epipe_and_harms_nobody(held, cookie, value):
    driver, message, reading = held
    fails(errno.EPIPE, lambda: driver.reply(message, 0, **{cookie: value}))
    driver.reply(message, 2, b"ok")
    assert reading.result() == b"ok"


def test_cookies_of_another_open_file_are_epipe(opened):
    driver, first = opened
    second = driver.open()
    readings = [start(os.read, fd, 10) for fd in (first, second)]
    messages = [driver.expect(READ), driver.expect(READ)]
    for one, other in (messages, messages[::-1]):
        fails(
            errno.EPIPE,
            lambda one=one, other=other: driver.reply(
                one, 0, fusd_file=other.fops.fusd_file
            ),
        )
        fails(
            errno.EPIPE,
            lambda one=one, other=other: driver.reply(one, 0, hint=other.fops.hint),
        )
    for message in messages:
        driver.reply(message, 1, b"x")
    assert [reading.result() for reading in readings] == [b"x", b"x"]
    driver.unregister()
    os.close(second)


def test_another_driver_s_cookies_are_epipe(held, name):
    _, message, reading = held
    with Driver(f"{name}-other") as other:
        fails(errno.EPIPE, lambda: other.reply(message, 5, b"wrong"))
        descriptor = other.open()
        fails(errno.EPIPE, lambda: other.reply(message, 5, b"wrong"))
    os.close(descriptor)
    held[0].reply(message, 5, b"right")
    assert reading.result() == b"right"


def test_an_unregistered_descriptor_may_not_reply(held):
    driver, message, reading = held
    with Driver() as other:
        fails(errno.EPIPE, lambda: other.reply(message, 0))
    driver.reply(message)
    assert reading.result() == b""


def test_a_second_reply_is_epipe(held):
    driver, message, reading = held
    driver.reply(message, 1, b"1")
    fails(errno.EPIPE, lambda: driver.reply(message, 1, b"2"))
    assert reading.result() == b"1"
    fails(errno.EPIPE, lambda: driver.reply(message, 1, b"3"))


def test_a_late_reply_of_a_closed_file_is_epipe(driver):
    """The client is killed while its read is held; its close comes."""
    child = os.fork()
    if child == 0:
        os.read(os.open(driver.path, os.O_RDONLY), 10)
        os._exit(1)
    driver.reply(driver.expect(OPEN))
    message = driver.expect(READ)
    os.kill(child, 9)
    os.waitpid(child, 0)
    close = driver.expect(CLOSE)
    fails(errno.EPIPE, lambda: driver.reply(message, 1, b"x"))
    assert driver.reply(close) == 176
    fails(errno.EPIPE, lambda: driver.reply(close))


def test_a_reply_before_the_data_was_received_is_taken(opened):
    driver, descriptor = opened
    with Background(os.write, descriptor, b"hello") as writing:
        message = driver.header()
        driver.reply(message, 3)
        assert writing.result() == 3
    assert os.read(driver.fd, 5) == b"hello"
    assert driver.is_idle()


def test_a_reply_to_what_was_not_received_is_epipe(opened):
    driver, descriptor = opened
    with Background(os.read, descriptor, 10) as reading:
        driver.wait()
        guess = Message(magic=MAGIC, cmd=REPLY - 1, subcmd=READ)
        for transid in range(1, 5):
            for hint in range(3):
                guess.fops.transid, guess.fops.hint = transid, hint
                guess.fops.fusd_file = 1
                fails(errno.EPIPE, lambda: driver.reply(guess, 0))
        driver.reply(driver.expect(READ), 1, b"x")
        assert reading.result() == b"x"


@pytest.mark.parametrize("subcmd", [OPEN, CLOSE, WRITE, IOCTL, 99, 108, -1])
def test_a_reply_of_another_operation_is_einval(held, subcmd):
    driver, message, reading = held
    fails(errno.EINVAL, lambda: driver.reply(message, 0, subcmd=subcmd))
    driver.reply(message)
    assert reading.result() == b""


def test_a_reply_of_the_other_kind_is_einval(held):
    driver, message, reading = held
    fails(errno.EINVAL, lambda: driver.reply(message, 0, cmd=5))
    driver.reply(message)
    assert reading.result() == b""


def test_an_unblock_needs_no_reply_and_may_have_one(held):
    driver, message, reading = held
    assert driver.reply(message, 0, subcmd=UNBLOCK) == 176
    driver.reply(message)
    assert reading.result() == b""


def test_more_data_than_was_asked_for_is_einval(held):
    driver, message, reading = held
    fails(errno.EINVAL, lambda: driver.reply(message, 11, b"x" * 11))
    driver.reply(message, 10, b"y" * 10)
    assert reading.result() == b"y" * 10


@pytest.mark.parametrize(
    ("retval", "data", "expected"),
    [
        (0, b"", b""),
        (3, b"abcdef", b"abc"),
        (6, b"abc", b"abc"),
        (1 << 40, b"abc", b"abc"),
        (5, None, b""),
    ],
)
def test_a_read_s_count_is_held_to_its_data(held, retval, data, expected):
    driver, message, reading = held
    driver.reply(message, retval, data)
    assert reading.result() == expected


def test_bytes_that_the_driver_did_not_send_stay(opened):
    driver, descriptor = opened
    memory = ctypes.create_string_buffer(b"?" * 20)
    with Background(libc.read, descriptor, memory, 10) as reading:
        driver.reply(driver.expect(READ), 10, b"abc")
        assert reading.result() == 3
    assert memory.raw == b"abc" + b"?" * 17 + b"\0"


class Vector(ctypes.Structure):
    _fields_ = [
        ("base", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
    ]


def reply_in_bad_memory(driver, message, size):
    """A reply whose data is at an address that is none; returns the errno."""
    answer = Message.from_buffer_copy(message)
    answer.cmd += 1
    answer.fops.retval = answer.datalen = size
    vectors = (Vector * 2)(
        Vector(ctypes.addressof(answer), 176), Vector(ctypes.c_void_p(8).value, size)
    )
    assert libc.writev(driver.fd, vectors, 2) == -1
    return ctypes.get_errno()


def test_a_reply_s_data_in_bad_memory_leaves_the_request_held(held):
    driver, message, reading = held
    assert reply_in_bad_memory(driver, message, 10) == errno.EFAULT
    driver.reply(message, 5, b"after")
    assert reading.result() == b"after"


REAL = (1, 5, 11, 22, 28, 61, 133)
OTHER = (134, 511, 512, 513, 515, 516, 517, 530, 4095, 4096, 1 << 20, 1 << 40)


@pytest.mark.parametrize("number", [*REAL, *OTHER])
def test_only_errnos_reach_a_client(held, number):
    driver, message, reading = held
    driver.reply(message, -number)
    expected = number if number in REAL else errno.EIO
    with pytest.raises(OSError) as caught:
        reading.result()
    assert caught.value.errno == expected


@pytest.mark.parametrize(
    ("retval", "expected"), [(0, 0), (7, 7), (0x7FFFFFFF, 0x7FFFFFFF)]
)
def test_an_ioctl_s_positive_result_reaches_the_client(opened, retval, expected):
    driver, descriptor = opened
    with Background(fcntl.ioctl, descriptor, 0x1234, 99) as call:
        message = driver.expect(IOCTL)
        assert (message.fops.cmd, message.fops.arg) == (0x1234, 99)
        driver.reply(message, retval)
        assert call.result() == expected


@pytest.mark.parametrize("retval", [0x80000000, 1 << 40])
def test_an_ioctl_s_result_beyond_an_int_is_eio(opened, retval):
    driver, descriptor = opened
    with Background(fcntl.ioctl, descriptor, 0x1234, 0) as call:
        driver.reply(driver.expect(IOCTL), retval)
        fails(errno.EIO, call.result)


def request(direction, size):
    return direction << 30 | size << 16 | ord("T") << 8 | 1


def test_an_ioctl_s_data_is_all_or_nothing(opened):
    driver, descriptor = opened
    data = bytearray(b"????????")
    with Background(fcntl.ioctl, descriptor, request(3, 8), data) as call:
        message = driver.expect(IOCTL)
        assert message.bytes == b"????????"
        for size in (1, 7, 9, 16):
            fails(errno.EINVAL, lambda size=size: driver.reply(message, 0, b"x" * size))
        driver.reply(message, 0, b"answered")
        assert call.result() == 0
    assert data == b"answered"


def test_an_ioctl_s_data_that_did_not_arrive_shows_nothing(opened):
    """Not even what its memory held before, which may be another client's."""
    driver, descriptor = opened
    data = bytearray(b"?" * 100)
    with Background(fcntl.ioctl, descriptor, request(2, 100), data) as call:
        message = driver.expect(IOCTL)
        assert reply_in_bad_memory(driver, message, 100) == errno.EFAULT
        driver.reply(message)
        assert call.result() == 0
    assert data == b"?" * 100


def test_an_ioctl_without_data_in_its_answer_leaves_the_client_s(opened):
    driver, descriptor = opened
    data = bytearray(b"????????")
    with Background(fcntl.ioctl, descriptor, request(2, 8), data) as call:
        message = driver.expect(IOCTL)
        assert message.datalen == 0
        assert message.fops.length == 8
        driver.reply(message, 3)
        assert call.result() == 3
    assert data == b"????????"


def test_a_write_only_ioctl_takes_no_data_back(opened):
    driver, descriptor = opened
    with Background(fcntl.ioctl, descriptor, request(1, 8), b"12345678") as call:
        message = driver.expect(IOCTL)
        fails(errno.EINVAL, lambda: driver.reply(message, 0, b"87654321"))
        driver.reply(message)
        call.result()


def test_the_offset_becomes_the_position(opened):
    driver, descriptor = opened
    for position in (0, 5, 1 << 33, (1 << 63) - 1):
        with Background(os.read, descriptor, 1):
            driver.reply(driver.expect(READ), 0, offset=position)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == position


def test_an_offset_that_is_none_is_eio_and_the_position_stays(opened):
    driver, descriptor = opened
    os.lseek(descriptor, 42, os.SEEK_SET)
    with Background(os.read, descriptor, 1) as reading:
        driver.reply(driver.expect(READ), 1, b"x", offset=1 << 63)
        fails(errno.EIO, reading.result)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 42


def test_a_driver_changes_only_the_flags_it_may(opened):
    driver, descriptor = opened
    before = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    with Background(os.read, descriptor, 1):
        message = driver.expect(READ)
        assert message.fops.flags & 0xFFFF == before & 0xFFFF
        driver.reply(message, 0, flags=0xFFFFFFFFFFFFFFFF)
    changed = fcntl.fcntl(descriptor, fcntl.F_GETFL) ^ before
    assert changed == os.O_NONBLOCK | os.O_APPEND
    with Background(os.read, descriptor, 1):
        driver.reply(driver.expect(READ), 0, flags=0)
    after = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    assert not after & (os.O_NONBLOCK | os.O_APPEND)
    assert after & os.O_ACCMODE == os.O_RDWR


def test_private_info_sticks(opened):
    driver, descriptor = opened
    for value in (1, 2**64 - 1, 0):
        with Background(os.read, descriptor, 1):
            driver.reply(driver.expect(READ), private_info=value)
        with Background(os.read, descriptor, 1):
            message = driver.expect(READ)
            assert message.fops.private_info == value
            driver.reply(message)


def test_a_failed_open_has_no_close(driver):
    with Background(os.open, driver.path, os.O_RDONLY) as opening:
        driver.reply(driver.expect(OPEN), -errno.EBUSY)
        fails(errno.EBUSY, opening.result)
    assert driver.is_idle()


def test_readv_and_writev_are_one_request(opened):
    driver, descriptor = opened
    parts = [bytearray(3), bytearray(4)]
    with Background(os.readv, descriptor, parts) as reading:
        message = driver.expect(READ)
        assert message.fops.length == 7
        driver.reply(message, 7, b"abcdefg")
        assert reading.result() == 7
    assert parts == [b"abc", b"defg"]
    with Background(os.writev, descriptor, [b"12", b"345"]) as writing:
        message = driver.expect(WRITE)
        assert message.bytes == b"12345"
        driver.reply(message, 5)
        assert writing.result() == 5


def test_128_kib_go_both_ways_untouched(opened):
    driver, descriptor = opened
    data = os.urandom(MAX_RW_SIZE)
    for size in (MAX_RW_SIZE, 70_000, 5000, 65, 64, 1):
        with Background(os.write, descriptor, data[:size]):
            message = driver.expect(WRITE)
            assert message.bytes == data[:size]
            driver.reply(message, size)
        with Background(os.read, descriptor, size) as reading:
            driver.reply(driver.expect(READ), size, data[:size])
            assert reading.result() == data[:size]
