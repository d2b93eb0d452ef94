# SPDX-License-Identifier: BSD-3-Clause
"""ioctls of 32-bit clients: made here through the 32-bit system call gate."""

import errno
import os
from fcntl import ioctl

import pytest

from support.background import Background
from support.gate32 import Gate, memory_32
from support.raw_driver import IOCTL, OPTION_CLIENT_BITS, Driver


@pytest.fixture
def ioctl_32():
    try:
        return Gate()
    except NotImplementedError as reason:
        pytest.skip(str(reason))


def request(direction, size):
    return direction << 30 | size << 16 | ord("T") << 8 | 1


def test_a_32_bit_client_s_data_goes_both_ways(opened, ioctl_32):
    driver, descriptor = opened
    memory, address = memory_32()
    memory[:10] = b"argument??"
    with Background(ioctl_32, descriptor, request(3, 8), address) as call:
        message = driver.expect(IOCTL)
        assert message.bytes == b"argument"
        driver.reply(message, 5, b"answered")
        assert call.result() == 5
    assert memory[:10] == b"answered??"


def test_a_32_bit_client_s_value_arrives(opened, ioctl_32):
    driver, descriptor = opened
    with Background(ioctl_32, descriptor, 0x1234, 0xFEDCBA98) as call:
        message = driver.expect(IOCTL)
        assert message.fops.arg == 0xFEDCBA98
        driver.reply(message, -errno.EBUSY)
        assert call.result() == -errno.EBUSY


CLIENT_32BIT = 1


@pytest.mark.parametrize("asks", [False, True])
def test_a_driver_that_asks_is_told_of_it(name, ioctl_32, asks):
    with Driver(name, options=OPTION_CLIENT_BITS if asks else 0) as driver:
        descriptor = driver.open()
        for call, bits in ((ioctl_32, CLIENT_32BIT if asks else 0), (ioctl, 0)):
            with Background(call, descriptor, 0x1234, 1) as calling:
                message = driver.expect(IOCTL)
                assert message.fops.mmflags == bits
                driver.reply(message, 5)
                assert calling.result() == 5
        driver.unregister()
        os.close(descriptor)
