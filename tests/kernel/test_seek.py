# SPDX-License-Identifier: BSD-3-Clause
"""lseek(2), which a driver may ask for."""

import errno
import os

import pytest

from support.background import Background
from support.forked_clients import reads, seeks
from support.raw_driver import (
    OPTION_SEEK,
    OPTION_STREAM,
    READ,
    SEEK,
    Driver,
    fails,
)

LAST = (1 << 63) - 1


@pytest.fixture
def seekable(name):
    with Driver(name, options=OPTION_SEEK) as driver:
        descriptor = driver.open()
        yield driver, descriptor
        driver.unregister()
        os.close(descriptor)


@pytest.fixture
def driver(name):
    with Driver(name, options=OPTION_SEEK) as one:
        yield one


def sought(driver, descriptor, by, whence, answer, **changes):
    """The message of an lseek, which is answered so, and what the client gets."""
    with Background(os.lseek, descriptor, by, whence) as call:
        message = driver.expect(SEEK)
        driver.reply(message, answer, **changes)
        return message.fops, call.result


@pytest.mark.parametrize("whence", range(5))
def test_the_driver_is_told_whence_how_far_and_from_where(seekable, whence):
    driver, descriptor = seekable
    first, result = sought(driver, descriptor, 10, os.SEEK_SET, 30)
    assert result() == 30
    assert (first.cmd, first.arg, first.offset) == (os.SEEK_SET, 10, 0)
    second, result = sought(driver, descriptor, -7, whence, 0)
    assert result() == 0
    assert (second.cmd, second.arg, second.offset) == (whence, (1 << 64) - 7, 30)


def test_an_unknown_whence_is_not_asked_about(seekable):
    driver, descriptor = seekable
    fails(errno.EINVAL, os.lseek, descriptor, 0, 5)
    assert driver.is_idle()


@pytest.mark.parametrize("position", [0, 1, 5000, LAST])
def test_transfers_go_on_at_the_answer(seekable, position):
    driver, descriptor = seekable
    _, result = sought(driver, descriptor, 0, os.SEEK_END, position, offset=77)
    assert result() == position
    with Background(os.read, descriptor, 0) as call:
        message = driver.expect(READ)
        assert message.fops.offset == position
        driver.reply(message, 0, b"")
        assert call.result() == b""


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (-errno.ENXIO, errno.ENXIO),
        (-errno.EOVERFLOW, errno.EOVERFLOW),
        (-5000, errno.EIO),
        (-(1 << 63), errno.EIO),
    ],
)
def test_an_error_leaves_the_position(seekable, answer, error):
    driver, descriptor = seekable
    _, result = sought(driver, descriptor, 0, os.SEEK_SET, 9)
    assert result() == 9
    _, result = sought(driver, descriptor, 3, os.SEEK_DATA, answer)
    fails(error, result)
    message, result = sought(driver, descriptor, 0, os.SEEK_CUR, 9)
    assert message.offset == 9


def test_a_reply_with_data_does_not_fit(seekable):
    driver, descriptor = seekable
    with Background(os.lseek, descriptor, 4, os.SEEK_SET) as call:
        message = driver.expect(SEEK)
        fails(errno.EINVAL, driver.reply, message, 4, b"data")
        driver.reply(message, 4)
        assert call.result() == 4


def test_a_stream_has_no_position_to_ask_about(name):
    with Driver(name, options=OPTION_SEEK | OPTION_STREAM) as driver:
        descriptor = driver.open()
        fails(errno.ESPIPE, os.lseek, descriptor, 0, os.SEEK_SET)
        assert driver.is_idle()
        driver.unregister()
        os.close(descriptor)


def test_a_driver_that_did_not_ask_is_not_asked(name):
    with Driver(name) as driver:
        descriptor = driver.open()
        assert os.lseek(descriptor, 5, os.SEEK_SET) == 5
        assert os.lseek(descriptor, 5, os.SEEK_CUR) == 10
        assert driver.is_idle()
        driver.unregister()
        os.close(descriptor)


def test_a_seek_waits_for_no_read_of_its_open_file(seekable):
    driver, descriptor = seekable
    with Background(os.read, descriptor, 10) as reading:
        read = driver.expect(READ)
        _, result = sought(driver, descriptor, 100, os.SEEK_SET, 100)
        assert result() == 100
        driver.reply(read, 4, b"data", offset=4)
        assert reading.result() == b"data"
    message, _ = sought(driver, descriptor, 0, os.SEEK_CUR, 0)
    # The last to end has moved it, as on any device.
    assert message.offset == 4


def test_a_restarted_seek_is_the_same_request(driver, reader):
    one = reader(seeks(-3, os.SEEK_END), reads(1))
    message = driver.expect(SEEK)
    one.interrupt_and_wait()
    assert driver.is_idle()
    driver.reply(message, 40)
    assert one.result() == 40
    message = driver.expect(READ)
    assert message.fops.offset == 40
    driver.reply(message, 1, b"x")


def test_another_seek_gives_up_the_interrupted_one(driver, reader):
    one = reader(seeks(3), seeks(4), restart=False)
    message = driver.expect(SEEK)
    one.interrupt()
    assert one.result() == "EINTR"
    other = driver.expect(SEEK)
    fails(errno.EPIPE, driver.reply, message, 3)
    driver.reply(other, 4)
    assert one.result() == 4
