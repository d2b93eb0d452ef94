# SPDX-License-Identifier: BSD-3-Clause
"""logring: clients wait for what is new in a log."""

import os

from support.example_checks import (
    assert_a_signal_loses_nothing,
    assert_poll_tells_what_is_new,
    opened,
    polled,
)
from support.shell import Reader, output
from support.waiting import wait_until

RING_SIZE = 64 * 1024


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


def test_poll_tells_when_there_is_more_of_the_log(device):
    assert_poll_tells_what_is_new(device("logring"))


def test_a_read_that_a_signal_ended_loses_no_line(device):
    assert_a_signal_loses_nothing(device("logring"))
