# SPDX-License-Identifier: BSD-3-Clause
"""ioctl: what goes in, what comes out, and what stays untouched."""

import errno
import os

import pytest


def number(direction, code, size, group="T"):
    return direction << 30 | size << 16 | ord(group) << 8 | code


EXCHANGE = number(3, 1, 8)
FILL = number(2, 2, 8)
TAKE = number(1, 3, 8)
BY_VALUE = number(0, 4, 0)
FAIL = number(2, 5, 8)
EXCHANGE_BIG = number(3, 6, 16000)
UNTOUCHED = number(2, 7, 8)
TCGETS = 0x5401
NESTED = 0x0707
FIONREAD = 0x541B
FS_IOC_GETFLAGS = number(2, 1, 8, "f")


@pytest.fixture
def opened(driver, client):
    served, caller = driver("memory:device"), client()
    return served, caller, caller("open", served.path, os.O_RDWR)


def inverted(text):
    return "".join(chr(ord(c) ^ 0xFF) for c in text)


def test_data_goes_both_ways(opened):
    _, caller, descriptor = opened
    result = caller("ioctl", descriptor, EXCHANGE, "abcdefgh")
    assert result == [0, inverted("abcdefgh") + "guard", 0]


def test_16000_bytes_go_both_ways(opened):
    _, caller, descriptor = opened
    data = "".join(chr(n % 251) for n in range(16000))
    result = caller("ioctl", descriptor, EXCHANGE_BIG, data)
    assert result == [0, inverted(data) + "guard", 0]


def test_data_goes_out_and_a_positive_result_too(opened):
    _, caller, descriptor = opened
    assert caller("ioctl", descriptor, FILL, "????????") == [7, "readdataguard", 0]


def test_data_goes_in_and_the_client_s_memory_stays(opened):
    served, caller, descriptor = opened
    assert caller("ioctl", descriptor, TAKE, "abcdefgh") == [0, "abcdefghguard", 0]
    assert served.expect("take") == "take abcdefgh"


@pytest.mark.parametrize("value", [0, 1, 42, 0x7FFFFFFF, 0x123456789ABC])
def test_an_argument_by_value_arrives_whole(opened, value):
    served, caller, descriptor = opened
    assert caller("ioctl", descriptor, BY_VALUE, value) == [value & 0xFF, None]
    assert served.expect("value") == f"value {value:x}"


def test_a_failed_request_leaves_the_client_s_memory_alone(opened):
    _, caller, descriptor = opened
    assert caller("ioctl", descriptor, FAIL, "????????") == [-1, "????????guard", 61]


def test_what_the_driver_does_not_fill_is_zero(opened, client):
    served, caller, descriptor = opened
    other = client()
    second = other("open", served.path, os.O_RDWR)
    for _ in range(3):
        other("ioctl", second, EXCHANGE, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8")
        other("write", second, "secret")
        assert caller("ioctl", descriptor, UNTOUCHED, "????????") == [
            0,
            "\0" * 8 + "guard",
            0,
        ]


@pytest.mark.parametrize(
    "request_number", [0x1234, number(0, 99, 0), number(3, 99, 8), 0xFFFFFFFF, 0]
)
def test_an_unknown_request_is_enotty(opened, request_number):
    _, caller, descriptor = opened
    data = "?" * 16384
    result = caller("ioctl", descriptor, request_number, data)
    assert result == [-1, data + "guard", 25]


def test_lsattr_s_request_is_enotty(opened):
    """Of a regular file the kernel asks itself, and is strict with the answer."""
    _, caller, descriptor = opened
    result = caller("ioctl", descriptor, FS_IOC_GETFLAGS, "????????")
    assert result == [-1, "????????guard", errno.ENOTTY]


def test_a_request_without_a_size_brings_the_raw_argument(opened):
    served, caller, descriptor = opened
    assert caller("ioctl", descriptor, TCGETS, 0x7000) == [0, None]
    assert served.expect("value") == "value 7000"


@pytest.mark.parametrize("size", [1, 8, 4096, 100_000, 128 << 10, 3 << 20])
def test_what_an_ioctl_points_at_is_the_driver_s_too(opened, holds, size):
    served, caller, descriptor = opened
    text = "".join(chr(n % 251) for n in range(size))
    result = caller("nested_ioctl", descriptor, NESTED, text, 0)
    assert result == [3, inverted(text) + "guard", 0]
    # A last call, so that all events of the one before are there.
    assert caller("ioctl", descriptor, BY_VALUE, 7) == [7, None]
    served.expect("value")
    calls = len([event for event in served.seen if event == "nested"])
    # CUSE's kernel fetches no more: that comes at once there, too.
    by_kernel = 2 if size < 128 << 10 else 1
    assert calls == (1 if holds("client-memory-at-once") else 1 + by_kernel)


def test_a_wrong_pointer_inside_is_efault(opened):
    _, caller, descriptor = opened
    result = caller("nested_ioctl", descriptor, NESTED, "abcdefgh", 1 << 46)
    assert result == [-1, "abcdefghguard", 14]
    assert caller.fails("ioctl", descriptor, NESTED, 1) == "EFAULT"


def test_more_than_a_device_gives_is_e2big(opened):
    _, caller, descriptor = opened
    text = "x" * (4 << 20)
    result = caller("nested_ioctl", descriptor, NESTED, text, 0)
    assert result == [-1, text + "guard", 7]


def test_fionread_goes_where_the_transport_says(opened, holds):
    _served, caller, descriptor = opened
    result, _, error = caller("ioctl", descriptor, FIONREAD, "????????")
    assert ((result, error) == (-1, 25)) == holds("ioctl-vfs")


def test_a_wrong_pointer_is_efault(opened):
    _, caller, descriptor = opened
    assert caller.fails("ioctl", descriptor, TAKE, 1) == "EFAULT"
    assert caller.fails("ioctl", descriptor, FILL, 1) == "EFAULT"
    assert caller("ioctl", descriptor, FILL, "????????")[0] == 7


def test_a_positive_result_reaches_the_client(driver, client):
    served, caller = driver("result:device"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    for value in (0, 1, 4096, 0x7FFFFFFF):
        served.command(f"result {value}", "result")
        assert caller("ioctl", descriptor, 0x1234, 0)[0] == value
