# SPDX-License-Identifier: BSD-3-Clause
"""Programs that were compiled with an older header run with today's library."""

import errno
import os
import select
import subprocess

import pytest

UPCASE = 3 << 30 | 8 << 16 | ord("a") << 8 | 1


@pytest.fixture
def serve(c_program):
    """serve(PROGRAM, KIND:NAME, devices=1): a driver compiled with 0.1.0's header."""
    return lambda program, kind, **told: c_program(f"0.1.0-{program}", kind, **told)


def test_it_is_linked_with_the_shared_library_of_today(c_programs):
    """And with the versions of its symbols that were there."""
    symbols = subprocess.run(
        ["nm", "-D", c_programs / "0.1.0-abi"], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    assert "fusd_register_sized@LIBFUSD_0.1" in symbols
    assert "LIBFUSD_0.2" not in symbols


def test_both_of_its_devices_serve(serve, client):
    served, caller = serve("abi", "abi:old", devices=2), client()
    first, second = (caller("open", path, os.O_RDWR) for path in served.paths)
    assert caller("write", first, "kept") == 4
    assert caller("read", second, 10) == "kept"
    assert caller("ioctl", first, UPCASE, "abcdefgh") == [3, "ABCDEFGHguard", 0]
    assert caller("ioctl", first, UPCASE + 1, "abcdefgh")[2] == errno.ENOTTY
    assert caller.fails("write", second, "x") == "EINVAL"
    for descriptor in (first, second):
        caller("close", descriptor)
        served.expect("closed")


def test_its_poll_wakes_a_client(serve, client):
    served, waiting, writing = serve("abi", "abi:old", devices=2), client(), client()
    reader = waiting("open", served.paths[0], os.O_RDONLY)
    writer = writing("open", served.paths[0], os.O_WRONLY)
    assert waiting("poll", reader, select.POLLIN, 0) == 0
    waiting.start("poll", reader, select.POLLIN, -1)
    assert writing("write", writer, "woken") == 5
    assert waiting.result() == select.POLLIN
    assert waiting("read", reader, 10) == "woken"


def test_the_suite_s_driver_holds_and_answers(serve, client):
    served, caller = serve("driver", "hold:old"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    caller.start("read", descriptor, 10)
    served.expect("hold")
    assert served.answer(4, "late") == 0
    assert caller.result() == "late"
