# SPDX-License-Identifier: BSD-3-Clause
"""FUSD_CONTROL_IOCTLS: what the module copies of ioctls whose numbers code less."""

import contextlib
import ctypes
import errno
import fcntl
import os

import pytest

from support.background import Background
from support.raw_driver import IOCTL, Driver, registration

libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]

CONTROL_IOCTLS = 1 << 30 | 16 << 16 | ord("F") << 8 | 102
VALUE, IN, OUT, INOUT = range(4)
ANY_SIZE = 0xC000FFFF
MAX = 256
MAX_SIZE = 128 << 10


class Ioctl(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_uint32),
        ("mask", ctypes.c_uint32),
        ("direction", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
    )


class Table(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
    )


def tell(driver, *ioctls, **changes):
    entries = (Ioctl * len(ioctls))(*(Ioctl(*one) for one in ioctls))
    table = Table(ctypes.addressof(entries), len(ioctls), ctypes.sizeof(Ioctl))
    for name, value in changes.items():
        setattr(table, name, value)
    fcntl.ioctl(driver.fd, CONTROL_IOCTLS, table)


def number(direction, size, code=1):
    return direction << 30 | size << 16 | ord("T") << 8 | code


NONE, IOW, IOR, IOWR = range(4)


@pytest.fixture
def telling(name):
    """telling(IOCTL...) is a driver that told these, and a client's descriptor."""
    with contextlib.ExitStack() as stack:

        def start(*ioctls):
            driver = stack.enter_context(Driver())
            tell(driver, *ioctls)
            driver.write(registration(name))
            driver.path = f"/dev/{name}"
            descriptor = driver.open()
            stack.callback(os.close, descriptor)
            stack.callback(driver.unregister)
            return driver, descriptor

        yield start


def call(descriptor, request, argument):
    result = libc.ioctl(descriptor, request, argument)
    return result if result >= 0 else -ctypes.get_errno()


def test_a_value_is_not_followed(telling):
    driver, descriptor = telling((number(IOW, 4), 0, VALUE, 99))
    with Background(call, descriptor, number(IOW, 4), 1) as calling:
        message = driver.expect(IOCTL)
        assert (message.fops.arg, message.fops.length, message.bytes) == (1, 0, b"")
        driver.reply(message, 3)
        assert calling.result() == 3


@pytest.mark.parametrize("request_number", [number(NONE, 0), number(IOR, 8), 0x5401])
def test_data_comes_where_the_number_has_none(telling, request_number):
    driver, descriptor = telling((request_number, 0, IN, 8))
    data = ctypes.create_string_buffer(b"argument")
    with Background(call, descriptor, request_number, data) as calling:
        message = driver.expect(IOCTL)
        assert (message.fops.length, message.bytes) == (8, b"argument")
        with pytest.raises(OSError, match="Invalid"):
            driver.reply(message, 0, b"too much")
        driver.reply(message, 3)
        assert calling.result() == 3
    assert data.value == b"argument"


@pytest.mark.parametrize("size", [1, 64, 65, 16384, MAX_SIZE])
def test_data_of_any_size_goes_both_ways(telling, size):
    driver, descriptor = telling((number(IOW, 4), 0, INOUT, size))
    data = ctypes.create_string_buffer(b"x" * size, size + 1)
    with Background(call, descriptor, number(IOW, 4), data) as calling:
        message = driver.expect(IOCTL)
        assert message.bytes == b"x" * size
        driver.reply(message, 0, b"y" * size)
        assert calling.result() == 0
    assert data.raw == b"y" * size + b"\0"


def test_what_is_told_of_a_family_holds_for_all_sizes(telling):
    family = (number(IOR, 0), ANY_SIZE, INOUT, 0)
    exactly = (number(IOR, 5), 0, VALUE, 0)
    driver, descriptor = telling(exactly, family, (number(IOR, 7), 0, VALUE, 0))
    data = ctypes.create_string_buffer(b"argument")
    for size, length in ((0, 0), (4, 4), (5, 0), (7, 7)):
        with Background(call, descriptor, number(IOR, size), data) as calling:
            message = driver.expect(IOCTL)
            assert message.fops.length == length
            assert message.bytes == b"argument"[:length]
            driver.reply(message, size, message.bytes or None)
            assert calling.result() == size
    # Another number of the group, and what it codes.
    with Background(call, descriptor, number(IOR, 4, code=2), data) as calling:
        message = driver.expect(IOCTL)
        assert (message.fops.length, message.bytes) == (4, b"")
        driver.reply(message, 0, b"ARGU")
        assert calling.result() == 0
    assert data.value == b"ARGUment"


@pytest.mark.parametrize("direction", [IN, OUT, INOUT])
def test_a_wrong_pointer_is_efault(telling, direction):
    driver, descriptor = telling((0x5401, 0, direction, 8))
    with Background(call, descriptor, 0x5401, 8) as calling:
        if direction == OUT:
            driver.reply(driver.expect(IOCTL), 0, b"answered")
        assert calling.result() == -errno.EFAULT
    assert driver.is_idle()


@pytest.mark.parametrize(
    ("ioctls", "changes", "error"),
    [
        ([(1, 0, 4, 0)], {}, errno.EINVAL),
        ([(1, 0, 0xFFFFFFFF, 0)], {}, errno.EINVAL),
        ([(1, 0, IN, MAX_SIZE + 1)], {}, errno.EINVAL),
        ([(1, 0, IN, 0xFFFFFFFF)], {}, errno.EINVAL),
        ([(1, 0, IN, 8)], {"size": 12}, errno.EINVAL),
        ([(1, 0, IN, 8)], {"size": 0}, errno.EINVAL),
        ([(1, 0, IN, 8)] * (MAX + 1), {}, errno.EINVAL),
        ([(1, 0, IN, 8)], {"count": 0xFFFFFFFF}, errno.EINVAL),
        ([(1, 0, IN, 8)], {"address": 8}, errno.EFAULT),
    ],
)
def test_what_cannot_be_changes_nothing(name, ioctls, changes, error):
    with Driver() as driver:
        tell(driver, (0x5401, 0, IN, 4))
        with pytest.raises(OSError) as caught:
            tell(driver, *ioctls, **changes)
        assert caught.value.errno == error
        assert libc.ioctl(driver.fd, CONTROL_IOCTLS, 8) == -1
        assert ctypes.get_errno() == errno.EFAULT
        driver.write(registration(name))
        driver.path = f"/dev/{name}"
        descriptor = driver.open()
        data = ctypes.create_string_buffer(b"argument")
        with Background(call, descriptor, 0x5401, data) as calling:
            message = driver.expect(IOCTL)
            assert message.bytes == b"argu"
            driver.reply(message)
            assert calling.result() == 0
        driver.unregister()
        os.close(descriptor)


def test_a_second_table_replaces_the_first(telling, name):
    with Driver() as driver:
        for _ in range(100):
            tell(driver, *[(0x5401, 0, IN, 4)] * MAX)
        tell(driver)
        driver.write(registration(name))
        driver.path = f"/dev/{name}"
        descriptor = driver.open()
        with Background(call, descriptor, 0x5401, 7) as calling:
            message = driver.expect(IOCTL)
            assert (message.fops.arg, message.bytes) == (7, b"")
            driver.reply(message)
            assert calling.result() == 0
        driver.unregister()
        os.close(descriptor)


def test_a_registered_device_is_told_no_more(driver):
    with pytest.raises(OSError) as caught:
        tell(driver, (0x5401, 0, IN, 4))
    assert caught.value.errno == errno.EBUSY
