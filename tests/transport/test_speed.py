# SPDX-License-Identifier: BSD-3-Clause
"""Options for speed: what may be one request, and looking before a wait."""

import errno
import os

import pytest

import pyfusd

CLASSIC = 128 << 10
MOST = 1 << 20


@pytest.fixture
def start(driver, c_program, language):
    """start(max_transfer, spin_us) starts a driver of such a device."""

    def start_driver(max_transfer=0, spin_us=0):
        if language == "c":
            return c_program("speed", "device", str(max_transfer), str(spin_us))
        return driver(f"speed:{max_transfer}:{spin_us}:device")

    return start_driver


@pytest.fixture
def carries_more(transport):
    return transport == "kfusd" and os.environ.get("FUSD_RING") != "0"


@pytest.mark.parametrize("asked", [0, CLASSIC, 300_000, MOST])
def test_a_transfer_is_as_long_as_the_driver_asks(start, client, carries_more, asked):
    served, caller = start(asked), client()
    longest = asked if asked and carries_more else CLASSIC
    descriptor = caller("open", served.path, os.O_RDWR)
    assert len(caller("pread", descriptor, 2 * MOST, 0)) == longest
    assert served.expect("read") == f"read {longest}"
    assert caller("write", descriptor, "w" * 2 * MOST) == longest
    assert served.expect("write") == f"write {longest} 1"


def test_many_long_transfers_at_once(start, client, carries_more):
    """More than there are places for them in the memory that is shared."""
    served = start(MOST)
    longest = MOST if carries_more else CLASSIC
    clients = [client() for _ in range(20)]
    for one in clients:
        one.descriptor = one("open", served.path, os.O_RDWR)
    for _ in range(2):
        for one in clients:
            one.start("pread", one.descriptor, MOST, 0)
        assert {len(one.result()) for one in clients} == {longest}


@pytest.mark.parametrize("spin_us", [1, 50, 1000])
def test_looking_before_a_wait_loses_nothing(start, client, spin_us):
    served, callers = start(0, spin_us), [client() for _ in range(3)]
    for caller in callers:
        caller.descriptor = caller("open", served.path, os.O_RDWR)
    for length in (1, 100, 5000, CLASSIC) * 5:
        for caller in callers:
            caller.start("pread", caller.descriptor, length, 0)
        assert {len(caller.result()) for caller in callers} == {length}


@pytest.mark.parametrize(
    "wrong",
    [{"max_transfer": CLASSIC - 1}, {"max_transfer": MOST + 1}, {"spin_us": 1001}],
)
def test_what_cannot_be_is_einval(transport, wrong):
    device = pyfusd.Device("wrong", transport=transport, **wrong)
    with pytest.raises(OSError, match="are no") as caught:
        device.register()
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(ValueError, match="are no"):
        pyfusd.Device("wrong", **dict.fromkeys(wrong, -1))
