# SPDX-License-Identifier: BSD-3-Clause
"""What two examples of a kind do alike, seen by ordinary programs."""

import errno
import os
import select
import signal
import sys
from contextlib import contextmanager

import pytest

from support.proc import state_of
from support.shell import Reader, output
from support.waiting import DEADLINE, wait_until


@contextmanager
def opened(path, flags=os.O_RDONLY | os.O_NONBLOCK):
    """A descriptor whose reads do not wait."""
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def polled(descriptor, timeout=0):
    """The events that poll(2) shows, at most one; the timeout is in milliseconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return [events for _, events in poll.poll(timeout)]


def assert_would_block(descriptor):
    with pytest.raises(BlockingIOError) as failure:
        os.read(descriptor, 100)
    assert failure.value.errno == errno.EAGAIN


def assert_poll_tells_what_is_new(path):
    """Of a device whose clients wait for what others write to it."""
    with opened(path) as client:
        assert polled(client) == []
        output(f"echo news > {path}")
        assert polled(client, DEADLINE * 1000) == [select.POLLIN]
        assert os.read(client, 100) == b"news\n"
        assert polled(client) == []


INTERRUPTED_READER = """
import os, signal, sys

def handler(*_):
    raise InterruptedError

signal.signal(signal.SIGUSR1, handler)
device = os.open(sys.argv[1], os.O_RDONLY)
try:
    os.write(1, b"reading\\n")
    os.read(device, 100)
except InterruptedError:
    os.write(1, b"interrupted\\n")
while True:
    os.write(1, os.read(device, 100))
"""


def assert_a_signal_loses_nothing(path):
    """What is written after a signal ended a read goes to the next read."""
    reader = Reader(path, f"exec {sys.executable} -c '{INTERRUPTED_READER}'")
    assert reader.line() == "reading\n"
    wait_until(lambda: state_of(reader.process.pid) == "S", "a read that waits")
    reader.process.send_signal(signal.SIGUSR1)
    assert reader.line() == "interrupted\n"
    output(f"echo news > {path}")
    assert reader.line() == "news\n"
    reader.kill()


def assert_ends_with_its_device(driver, take_away):
    """A driver of one device that somebody takes away says so, and ends."""
    path = driver.device()
    take_away(path)
    assert driver.process.wait(DEADLINE) == 1
    errors = driver.process.stderr.read()
    assert errors.endswith(f"{path} was taken away from outside\n")
    assert errors.count("\n") == 1


def assert_three_drums(drums, directory):
    """The paths are those of a bass, a snare and a cymbal."""
    paths = [drums.device() for _ in range(3)]
    assert [path.split("/")[-2:] for path in paths] == [
        [directory, "bass"],
        [directory, "snare"],
        [directory, "cymbal"],
    ]


def assert_name_is_not_cut(start, name, length):
    """It has at most 47 bytes: "snare" is one too many where "bass" just fits."""
    directory = "d" * length
    drums = start(name, f"/dev/{directory}")
    assert drums.line() is None
    assert drums.process.wait(DEADLINE) == 1
    errors = drums.process.stderr.read()
    assert "is too long" in errors
    assert (f"/{directory}/bass\n" in errors) == (length == 42)
