# SPDX-License-Identifier: BSD-3-Clause
"""Streams: no position anywhere, whatever the driver answers."""

import errno
import fcntl
import os

import pytest

from support.background import Background
from support.raw_driver import IOCTL, OPTION_STREAM, READ, WRITE, Driver


@pytest.fixture
def stream(name):
    with Driver(name, options=OPTION_STREAM) as driver:
        descriptor = driver.open()
        yield driver, descriptor
        driver.unregister()
        os.close(descriptor)


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_transfers_have_the_offset_0(stream):
    driver, descriptor = stream
    for offset in (7, 1 << 63, 0):
        with Background(os.read, descriptor, 4) as reading:
            message = driver.expect(READ)
            assert message.fops.offset == 0
            driver.reply(message, 4, b"data", offset=offset)
            assert reading.result() == b"data"
        with Background(os.write, descriptor, b"x") as writing:
            message = driver.expect(WRITE)
            assert message.fops.offset == 0
            driver.reply(message, 1, offset=offset)
            assert writing.result() == 1


def test_there_is_no_seek_and_no_pread(stream):
    _, descriptor = stream
    for call in (
        lambda: os.lseek(descriptor, 0, os.SEEK_CUR),
        lambda: os.pread(descriptor, 1, 0),
        lambda: os.pwrite(descriptor, b"x", 0),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.ESPIPE


def test_what_a_splice_leaves_is_the_next_read_s(stream, pipe):
    """While the driver thinks, the pipe gets another writer's page."""
    driver, descriptor = stream
    entry, exit_ = pipe[1], pipe[0]
    fcntl.fcntl(entry, 1031, 8192)  # F_SETPIPE_SZ: room for two pages
    other = b"." * 4096
    data = bytes(range(256)) * 32
    nonblock = 2  # SPLICE_F_NONBLOCK, for the pipe
    splice = descriptor, entry, len(data), None, None, nonblock
    with Background(os.splice, *splice) as splicing:
        message = driver.expect(READ)
        os.write(entry, other)
        driver.reply(message, len(data), data, offset=len(data))
        spliced = splicing.result()
    assert 0 < spliced < len(data)
    assert os.read(exit_, 8192) == other + data[:spliced]
    # Nobody asks the driver again before these bytes are gone.
    assert os.read(descriptor, len(data)) == data[spliced:]
    with Background(fcntl.ioctl, descriptor, 0x1234) as call:
        message = driver.expect(IOCTL)
        assert message.fops.offset == 0
        driver.reply(message)
        assert call.result() == 0
