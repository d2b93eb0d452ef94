# SPDX-License-Identifier: BSD-3-Clause
"""uid_filter: who asks."""

import os
import subprocess

import pytest

from support.shell import failure, output


def test_uid_filter_lets_in_whoever_runs_it(device):
    path = device("uid_filter")
    assert output(f"cat {path}") == f"Hello, user {os.getuid()}!\n"


def test_uid_filter_refuses_another_user(device):
    path = device("uid_filter", "uid_filter", "65534")
    assert failure(f"cat {path}") == f"cat: {path}: Permission denied\n"


def test_uid_filter_lets_in_the_user_it_was_given(device):
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    path = device("uid_filter", "uid_filter", "65534")
    assert output(f"cat {path}", user=65534) == "Hello, user 65534!\n"


def test_uid_filter_greets_in_pieces_of_any_size(device):
    path = device("uid_filter")
    greeting = f"Hello, user {os.getuid()}!\n"
    for size in (1, 3, len(greeting) - 1, len(greeting), len(greeting) + 1):
        assert output(f"dd if={path} bs={size} status=none") == greeting


@pytest.mark.parametrize("uid", ["", "-1", "1x", "4294967296"])
def test_uid_filter_refuses_what_is_no_user(program, uid):
    result = subprocess.run(
        [*program("uid_filter"), "uid_filter", uid], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.startswith("usage: ")
