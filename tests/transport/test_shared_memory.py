# SPDX-License-Identifier: BSD-3-Clause
"""Memory that a device shares, in its clients: fusd_options.shared_memory."""

import os
import signal

import pytest

from support.scale import scaled
from support.waiting import DEADLINE

PAGE = 4096
SIZE = 4 * PAGE


@pytest.fixture
def start(driver, c_program, language):
    """start("shared") and start("sealed") start a driver of such a device."""

    def start_driver(kind="shared"):
        if language == "c":
            return c_program("shared_memory", f"{kind}:device")
        return driver(f"{kind}:device")

    return start_driver


@pytest.fixture
def sharing(start, client, shares_memory):
    """sharing(kind, flags) gives a driver, a client and its descriptor."""

    def open_device(kind="shared", flags=os.O_RDWR):
        served, caller = start(kind), client()
        descriptor = caller("open", served.path, flags)
        if not shares_memory:
            pytest.skip("no memory is shared here: see the next test")
        return served, caller, descriptor

    return open_device


def test_where_none_can_be_shared_it_says_enodev(start, client, shares_memory):
    if shares_memory:
        pytest.skip("it can be shared here")
    served, caller = start(), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    assert caller.fails("map_shared", descriptor, PAGE) == "ENODEV"
    assert caller("write", descriptor, "hello") == 5
    assert caller("pread", descriptor, 5, 0)


def test_all_see_what_others_write(sharing, client):
    served, caller, descriptor = sharing()
    address = caller("map_shared", descriptor, SIZE)
    assert caller("peek", address, PAGE) == "\0" * PAGE
    caller("poke", address + PAGE, "shared")
    other = client()
    theirs = other("map_shared", other("open", served.path, os.O_RDWR), PAGE, PAGE)
    assert other("peek", theirs, 6) == "shared"
    other("poke", theirs, "back")
    assert caller("peek", address + PAGE, 6) == "backed"


def test_reads_and_writes_are_still_the_driver_s(sharing):
    served, caller, descriptor = sharing()
    address = caller("map_shared", descriptor, SIZE)
    caller("poke", address, "by memory")
    assert caller("read", descriptor, 9) == "by memory"
    assert served.expect("read") == "read 9 0"
    assert caller("write", descriptor, "by a call") == 9
    assert caller("peek", address + 9, 9) == "by a call"


def test_a_part_that_it_has_not(sharing, holds):
    _, caller, descriptor = sharing()
    if holds("shared-memory-end"):
        assert caller.fails("map_shared", descriptor, SIZE + PAGE) == "EINVAL"
        assert caller.fails("map_shared", descriptor, PAGE, SIZE) == "EINVAL"
        return
    address = caller("map_shared", descriptor, SIZE + PAGE)
    assert caller("peek", address + SIZE - 1, 1) == "\0"
    caller.start("peek", address + SIZE, 1)
    assert caller.process.wait(DEADLINE) == -signal.SIGBUS


def test_who_opened_it_to_read_maps_it_to_read(sharing):
    _, caller, descriptor = sharing(flags=os.O_RDONLY)
    assert caller.fails("map_shared", descriptor, PAGE) == "EACCES"
    assert caller("peek", caller("map_shared", descriptor, PAGE, 0, False), 1) == "\0"


@pytest.mark.parametrize(
    "flags", [os.O_WRONLY, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK]
)
def test_each_way_to_open_it_works(sharing, flags):
    _, caller, descriptor = sharing(flags=flags)
    assert caller("write", descriptor, "hello") == 5
    if flags == os.O_WRONLY:
        assert caller.fails("map_shared", descriptor, PAGE, 0, False) == "EACCES"
    else:
        address = caller("map_shared", descriptor, PAGE)
        assert caller("peek", address, 5) == "hello"


def test_nobody_writes_to_what_is_sealed(sharing, holds):
    _, caller, descriptor = sharing("sealed")
    if not holds("shared-memory-sealed"):
        assert caller.fails("map_shared", descriptor, PAGE, 0, False) == "ENODEV"
        return
    assert caller.fails("map_shared", descriptor, PAGE) == "EPERM"
    address = caller("map_shared", descriptor, PAGE, 0, False)
    assert caller("write", descriptor, "the driver's") == 12
    assert caller("peek", address, 12) == "the driver's"


def test_a_mapping_survives_all_else(sharing, start, client):
    served, caller, descriptor = sharing()
    address = caller("map_shared", descriptor, SIZE)
    caller("close", descriptor)
    caller("poke", address, "before")
    served.kill()
    assert caller("peek", address, 6) == "before"
    caller("poke", address, "behind")
    assert caller("peek", address, 6) == "behind"
    again, other = start(), client()
    assert again.path == served.path
    theirs = other("map_shared", other("open", again.path, os.O_RDWR), SIZE)
    assert other("peek", theirs, 6) == "\0" * 6
    assert caller("peek", address, 6) == "behind"


def test_a_mapping_survives_unregister(sharing):
    served, caller, descriptor = sharing()
    address = caller("map_shared", descriptor, SIZE)
    caller("poke", address, "before")
    served.command("unregister 0", "unregistered")
    assert caller("peek", address, 6) == "before"
    caller("close", descriptor)
    caller("poke", address, "behind")
    assert caller("peek", address, 6) == "behind"


def test_opens_use_nothing_up(sharing):
    served, caller, descriptor = sharing()
    address = caller("map_shared", descriptor, SIZE)
    caller("open_again_and_again", served.path, scaled(10_000))
    caller("poke", address, "still")
    last = caller("open", served.path, os.O_RDWR)
    assert caller("peek", caller("map_shared", last, SIZE), 5) == "still"
