# SPDX-License-Identifier: BSD-3-Clause
"""pager: clients wait for the next page."""

import os

from support.example_checks import (
    assert_a_signal_loses_nothing,
    assert_poll_tells_what_is_new,
    assert_would_block,
    opened,
)
from support.shell import Reader, output


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


def test_poll_tells_when_there_is_a_new_page(device):
    assert_poll_tells_what_is_new(device("pager"))


def test_a_read_that_a_signal_ended_loses_no_page(device):
    assert_a_signal_loses_nothing(device("pager"))
