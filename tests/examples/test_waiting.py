# SPDX-License-Identifier: BSD-3-Clause
"""The examples in which clients wait: pager and logring."""

import errno
import os
import select
import signal
import sys
from contextlib import contextmanager

import pytest

from support.shell import Reader, is_asleep, output
from support.waiting import DEADLINE, wait_until

RING_SIZE = 64 * 1024


@contextmanager
def opened(path, flags=os.O_RDONLY | os.O_NONBLOCK):
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def polled(descriptor, timeout=0):
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return [events for _, events in poll.poll(timeout)]


def assert_would_block(descriptor):
    with pytest.raises(BlockingIOError) as failure:
        os.read(descriptor, 100)
    assert failure.value.errno == errno.EAGAIN


def test_pager_pages_all_who_wait(device):
    path = device("pager")
    readers = [Reader(path) for _ in range(5)]
    output(f"echo lunch > {path}")
    assert [reader.line() for reader in readers] == ["lunch\n"] * 5
    output(f"echo dinner > {path}")
    assert [reader.line() for reader in readers] == ["dinner\n"] * 5
    for reader in readers:
        assert reader.kill() == ""


def test_pager_keeps_old_pages_from_who_comes_later(device):
    path = device("pager")
    output(f"echo early > {path}")
    with opened(path) as late:
        assert_would_block(late)
        output(f"echo now > {path}")
        assert os.read(late, 100) == b"now\n"
        assert_would_block(late)


def test_pager_goes_on_when_a_waiting_client_is_killed(device):
    path = device("pager")
    gone, staying = Reader(path), Reader(path)
    gone.kill()
    output(f"echo still > {path}")
    assert staying.line() == "still\n"
    staying.kill()


@pytest.mark.parametrize("name", ["pager", "logring"])
def test_poll_tells_when_there_is_something_new(device, name):
    path = device(name)
    with opened(path) as client:
        assert polled(client) == []
        output(f"echo news > {path}")
        assert polled(client, DEADLINE * 1000) == [select.POLLIN]
        assert os.read(client, 100) == b"news\n"
        assert polled(client) == []


def test_logring_gives_every_reader_the_whole_log(device):
    path = device("logring")
    output(f"echo one > {path}; echo two > {path}")
    readers = [Reader(path), Reader(path)]
    for reader in readers:
        assert reader.line() + reader.line() == "one\ntwo\n"
    output(f"echo three > {path}")
    for reader in readers:
        assert reader.line() == "three\n"
        reader.kill()


def test_logring_keeps_the_newest(device, tmp_path):
    path = device("logring")
    log = "".join(f"line {number}\n" for number in range(10000))
    (tmp_path / "log").write_text(log)
    output(f"dd if={tmp_path}/log of={path} bs=1000 status=none")
    with opened(path) as client:
        kept = b""
        while len(kept) < RING_SIZE:
            # A poll may show what the driver said before.
            wait_until(lambda: polled(client), "more of the log")
            kept += os.read(client, 5000)
        assert not polled(client)
    assert kept.decode() == log[-RING_SIZE:]


def test_logring_skips_what_a_slow_reader_missed(device, tmp_path):
    path = device("logring")
    (tmp_path / "log").write_bytes(b"x" * RING_SIZE)
    with opened(path) as slow:
        output(f"echo start > {path}")
        assert os.read(slow, 3) == b"sta"
        output(f"dd if={tmp_path}/log of={path} bs={RING_SIZE} status=none")
        assert os.read(slow, 3) == b"xxx"


def test_logring_takes_more_than_it_can_keep(device, tmp_path):
    path = device("logring")
    (tmp_path / "log").write_bytes(b"a" * 1000 + b"b" * RING_SIZE)
    output(f"dd if={tmp_path}/log of={path} bs=128K status=none")
    with opened(path) as client:
        assert os.read(client, RING_SIZE) == b"b" * (RING_SIZE - 1000)
        assert os.read(client, RING_SIZE) == b"b" * 1000


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


@pytest.mark.parametrize("name", ["pager", "logring"])
def test_a_read_that_a_signal_ended_loses_nothing(device, name):
    path = device(name)
    reader = Reader(path, f"exec {sys.executable} -c '{INTERRUPTED_READER}'")
    assert reader.line() == "reading\n"
    wait_until(lambda: is_asleep(reader.process), "a read that waits")
    reader.process.send_signal(signal.SIGUSR1)
    assert reader.line() == "interrupted\n"
    output(f"echo news > {path}")
    assert reader.line() == "news\n"
    reader.kill()
