# SPDX-License-Identifier: BSD-3-Clause
"""ioctls that are not what their numbers code: struct fusd_ioctl, in C."""

import errno
import os

import pytest

SIZE = 8
LARGE_SIZE = 100 * 1024


def number(direction, code, size):
    return direction << 30 | size << 16 | ord("d") << 8 | code


NONE, IOW, IOR, IOWR = 0, 1, 2, 3
VALUE_OF_IOW = number(IOW, 1, 4)
VALUE_OF_IOR = number(IOR, 2, 4)
IN_OF_IOR = number(IOR, 3, SIZE)
OUT_OF_IO = number(NONE, 4, 0)
INOUT_OF_IO = number(NONE, 5, 0)
INOUT_OF_IOW = number(IOW, 6, SIZE)
IN_OF_IOWR = number(IOWR, 7, SIZE)
LARGE = number(NONE, 9, 0)
DISCARDED = number(IOWR, 10, SIZE)
DISCARDED_OF_IO = number(NONE, 11, 0)
OWN_BUFFER = number(NONE, 12, 0)
HELD = number(NONE, 13, 0)
FAILING = number(NONE, 14, 0)
IS_32BIT = number(NONE, 15, 0)


@pytest.fixture
def opened(c_program, client):
    declared, caller = c_program("declared", "declared:declared"), client()
    return declared, caller, caller("open", declared.path, os.O_RDWR)


@pytest.mark.parametrize("value", [0, 1, 0x123456789ABC])
def test_a_value_arrives_though_the_number_codes_data(opened, holds, value):
    served, caller, descriptor = opened
    assert caller("ioctl", descriptor, VALUE_OF_IOR, value) == [value & 0x7F, None]
    assert served.expect("value") == f"value {value:x}"
    if holds("ioctl-declared-value"):
        assert caller("ioctl", descriptor, VALUE_OF_IOW, value) == [value & 0x7F, None]
        assert served.expect("value") == f"value {value:x}"
    else:
        assert caller.fails("ioctl", descriptor, VALUE_OF_IOW, value) == "EFAULT"


@pytest.mark.parametrize("request_number", [IN_OF_IOR, IN_OF_IOWR])
def test_data_comes_and_the_client_s_stays(opened, request_number):
    served, caller, descriptor = opened
    result = caller("ioctl", descriptor, request_number, "abcdefgh")
    assert result == [0, "abcdefghguard", 0]
    assert served.expect("data") == "data 8 abcdefgh 0"


def test_data_goes_to_the_client(opened):
    served, caller, descriptor = opened
    assert caller("ioctl", descriptor, OUT_OF_IO, "????????") == [
        0,
        "from it!guard",
        0,
    ]
    # What is not declared "in" is not shown: zeros.
    assert served.expect("data") == "data 8  0"


@pytest.mark.parametrize("request_number", [INOUT_OF_IO, INOUT_OF_IOW])
def test_data_goes_both_ways(opened, request_number):
    served, caller, descriptor = opened
    result = caller("ioctl", descriptor, request_number, "abcdefgh")
    assert result == [0, "ABCDEFGHguard", 0]
    assert served.expect("data") == "data 8 abcdefgh 0"


@pytest.mark.parametrize("size", [1, 8, 5000, 16383])
def test_a_family_has_all_sizes(opened, size):
    served, caller, descriptor = opened
    result = caller("ioctl", descriptor, number(IOR, 8, size), "x" * size)
    assert result == [0, "X" * size + "guard", 0]
    assert served.expect("data") == f"data {size} {'x' * min(size, 8)} 0"


def test_data_may_be_larger_than_a_number_can_code(opened):
    _, caller, descriptor = opened
    result = caller("ioctl", descriptor, LARGE, "x" * LARGE_SIZE)
    assert result == [0, "X" * LARGE_SIZE + "guard", 0]


@pytest.mark.parametrize("request_number", [DISCARDED, DISCARDED_OF_IO])
def test_discarded_data_stays_with_the_driver(opened, request_number):
    _, caller, descriptor = opened
    result = caller("ioctl", descriptor, request_number, "abcdefgh")
    assert result == [5, "abcdefghguard", 0]


def test_a_buffer_of_the_driver_s_own_is_what_the_client_gets(opened):
    _, caller, descriptor = opened
    result = caller("ioctl", descriptor, OWN_BUFFER, "abcdefgh")
    assert result == [0, "of mine!guard", 0]


def test_a_held_request_s_data_goes_with_its_answer(opened):
    _, caller, descriptor = opened
    for _ in range(20):
        result = caller("ioctl", descriptor, HELD, "abcdefgh")
        assert result == [9, "ABCDEFGHguard", 0]


def test_an_error_leaves_the_client_s_memory_alone(opened):
    _, caller, descriptor = opened
    result = caller("ioctl", descriptor, FAILING, "abcdefgh")
    assert result == [-1, "abcdefghguard", errno.ENODATA]


@pytest.mark.parametrize("request_number", [IN_OF_IOR, OUT_OF_IO, INOUT_OF_IO])
def test_a_null_pointer_is_efault(opened, request_number):
    _, caller, descriptor = opened
    assert caller.fails("ioctl", descriptor, request_number, 0) == "EFAULT"


def test_the_driver_can_tell_a_32_bit_client(opened):
    _, caller, descriptor = opened
    assert caller("ioctl", descriptor, IS_32BIT, 0) == [0, None]
    told = caller("ioctl_32", descriptor, IS_32BIT, 0)
    if told is None:
        pytest.skip("no 32-bit programs run here")
    assert told == 1
