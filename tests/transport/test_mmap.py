# SPDX-License-Identifier: BSD-3-Clause
"""mmap: the driver's memory in its clients."""

import os

import pytest

PAGE = 4096
SIZE = 4 * PAGE


@pytest.fixture
def opened(driver, client, holds):
    """opened(kind) gives a driver, a client and its descriptor."""

    def start(kind):
        served, caller = driver(f"{kind}:device"), client()
        descriptor = caller("open", served.path, os.O_RDWR)
        if not holds("mmap"):
            assert caller.fails("map_shared", descriptor, PAGE) == "ENODEV"
            pytest.skip("this transport cannot map; it says ENODEV")
        return served, caller, descriptor

    return start


def test_clients_share_the_driver_s_memory(opened, client):
    served, caller, descriptor = opened("map")
    address = caller("map_shared", descriptor, SIZE)
    assert served.expect("mmap") == f"mmap 0 {SIZE} 3 1"
    assert caller("peek", address, PAGE) == "\0" * PAGE
    caller("poke", address + PAGE, "shared")
    other = client()
    theirs = other("map_shared", other("open", served.path, os.O_RDWR), PAGE, PAGE)
    assert served.expect("mmap") == f"mmap {PAGE} {PAGE} 3 1"
    assert other("peek", theirs, 6) == "shared"
    other("poke", theirs, "back")
    assert caller("peek", address + PAGE, 6) == "backed"


def test_more_than_the_driver_gave_is_einval(opened):
    _, caller, descriptor = opened("map")
    assert caller.fails("map_shared", descriptor, SIZE + PAGE) == "EINVAL"
    assert caller.fails("map_shared", descriptor, SIZE, PAGE) == "EINVAL"
    assert caller.fails("map_shared", descriptor, PAGE, SIZE) == "EINVAL"
    assert caller("peek", caller("map_shared", descriptor, PAGE, SIZE - PAGE), 1)


def test_private_memory_is_refused(opened, language):
    served, caller, descriptor = opened("private")
    assert caller.fails("map_shared", descriptor, PAGE) == "EINVAL"
    if language == "python":
        served.kill()
        assert "private memory" in served.errors()


def test_a_mapping_survives_its_driver(opened):
    served, caller, descriptor = opened("map")
    address = caller("map_shared", descriptor, SIZE)
    caller("poke", address, "before")
    served.kill()
    assert caller("peek", address, 6) == "before"
    caller("poke", address, "behind")
    assert caller("peek", address, 6) == "behind"
