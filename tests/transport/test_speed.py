# SPDX-License-Identifier: BSD-3-Clause
"""Options for speed: what may be one request, and looking before a wait."""

import errno
import os

import pytest

import pyfusd

CLASSIC = 128 << 10
MOST = 1 << 20
PAGE = 4096


@pytest.fixture
def start(driver, c_program, language):
    """start(max_transfer, spin_us) starts a driver of such a device."""

    def start_driver(max_transfer=0, spin_us=0):
        if language == "c":
            return c_program("speed", "device", str(max_transfer), str(spin_us))
        return driver(f"speed:{max_transfer}:{spin_us}:device")

    return start_driver


@pytest.fixture
def carries_more(holds):
    return holds("long-transfer") and os.environ.get("FUSD_RING") != "0"


def lengths(served, operation, total):
    """Of the requests that a call of so many bytes was."""
    found = []
    while sum(found) < total:
        found.append(int(served.expect(operation).split()[1]))
    assert sum(found) == total
    return found


@pytest.mark.parametrize("start_in_page", [0, 1, PAGE - 1])
@pytest.mark.parametrize("asked", [0, CLASSIC, 300_001, MOST - PAGE])
def test_a_transfer_is_as_long_as_the_driver_asks(
    start, client, carries_more, holds, asked, start_in_page
):
    served, caller = start(asked), client()
    longest = asked if asked and carries_more else CLASSIC
    descriptor = caller("open", served.path, os.O_RDWR)
    for operation in ("read", "write"):
        done = caller("transfer_at", operation, descriptor, 2 * MOST, start_in_page)
        found = lengths(served, operation, done)
        if holds("transfer"):
            assert found == [longest]
        else:
            assert done == 2 * MOST
            assert max(found) <= longest


def test_a_transfer_of_1_mib_is_one_request(start, client, transport, carries_more):
    served, caller = start(MOST), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    for operation in ("read", "write"):
        for start_in_page in (0, 1):
            done = caller("transfer_at", operation, descriptor, MOST, start_in_page)
            found = lengths(served, operation, done)
            if not carries_more:
                assert max(found) <= CLASSIC
            elif transport == "fuse" and start_in_page > 0:
                # The kernel carries 256 pages, and these bytes are in 257.
                assert found == [MOST - start_in_page, start_in_page]
            else:
                assert found == [MOST]


def test_what_a_long_write_brings_is_whole(start, client):
    served, caller = start(MOST), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    for size in (MOST, 5000, MOST // 2):
        done = caller("transfer_at", "write", descriptor, size, 0)
        total = 0
        while total < done:
            _, length, is_whole = served.expect("write").split()
            assert is_whole == "1"
            total += int(length)


def test_a_long_read_shows_no_other_file_s_bytes(start, client):
    served, clients = start(MOST), [client() for _ in range(3)]
    for caller in clients:
        descriptor = caller("open", served.path, os.O_RDWR | os.O_NONBLOCK)
        assert set(caller("pread", descriptor, MOST, 0)) == {"\0"}
        caller("transfer_at", "write", descriptor, MOST, 0)
        # Now it is the file's own bytes, if the memory is the same.
        assert set(caller("pread", descriptor, MOST, 0)) <= {"\0", "w"}


def test_many_long_transfers_at_once(start, client, carries_more, holds):
    """More than there are places for them in the memory that is shared."""
    served = start(MOST)
    longest = MOST if carries_more or not holds("transfer") else CLASSIC
    clients = [client() for _ in range(20)]
    for one in clients:
        one.descriptor = one("open", served.path, os.O_RDWR)
    for _ in range(2):
        for one in clients:
            one.start("transfer_at", "read", one.descriptor, MOST, 0)
        assert {one.result() for one in clients} == {longest}


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
