# SPDX-License-Identifier: BSD-3-Clause
"""Devices whose open files have no position."""

import errno
import os

import pytest

import pyfusd


class Line(pyfusd.Device):
    """What is written answers the read that waits; another read gives a dot."""

    def __init__(self, name="line", **options):
        super().__init__(name, 0o666, stream=True, **options)
        self.offsets = []
        self.waiting = None

    def read(self, file, buf, offset):
        self.offsets.append(offset)
        if len(buf) == 1:
            return b"."
        self.waiting = file.hold()
        return self.waiting

    def write(self, file, buf, offset):
        self.offsets.append(offset)
        waiting, self.waiting = self.waiting, None
        if waiting:
            waiting.reply(bytes(buf))
        return len(buf)


@pytest.fixture
def line(serve):
    return serve(Line())


def test_a_write_passes_a_read_that_waits(line, opened, in_thread):
    descriptor = opened(line)
    for text in (b"hello", b"again"):
        reading = in_thread(os.read, descriptor, 5)
        while line.waiting is None and reading.thread.is_alive():
            pass
        assert os.write(descriptor, text) == 5
        assert reading.result() == text


def test_there_is_no_position(line, opened, holds):
    descriptor = opened(line)
    for _ in range(3):
        assert os.read(descriptor, 1) == b"."
        assert os.write(descriptor, b"two") == 3
    assert line.offsets == [0] * 6
    if not holds("stream"):
        assert os.lseek(descriptor, 10, os.SEEK_SET) == 0
        assert os.pread(descriptor, 1, 10) == b"."
        return
    for call in (
        lambda: os.lseek(descriptor, 0, os.SEEK_CUR),
        lambda: os.lseek(descriptor, 10, os.SEEK_SET),
        lambda: os.pread(descriptor, 1, 10),
        lambda: os.pwrite(descriptor, b"x", 10),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.ESPIPE


def test_an_append_has_none_either(line, opened):
    descriptor = opened(line, os.O_RDWR | os.O_APPEND)
    for _ in range(3):
        assert os.write(descriptor, b"more") == 4
    assert line.offsets == [0] * 3


def test_another_device_has_positions(serve, opened):
    class File(pyfusd.Device):
        def read(self, file, buf, offset):
            return b"%d" % offset

    descriptor = opened(serve(File("file")))
    assert [os.read(descriptor, 1) for _ in range(3)] == [b"0", b"1", b"2"]
    assert os.lseek(descriptor, 0, os.SEEK_SET) == 0
