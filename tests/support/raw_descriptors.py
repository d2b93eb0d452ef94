# SPDX-License-Identifier: BSD-3-Clause
"""FUSD_CONTROL_DESCRIPTOR, as a driver without a library would call it."""

import ctypes
import fcntl
import os

from support.raw_driver import CLOSE

CONTROL_DESCRIPTOR = 1 << 30 | 40 << 16 | ord("F") << 8 | 103
RESULT = 0xFFFFFFFF
NEW = -1
RDONLY, WRONLY, RDWR = os.O_RDONLY, os.O_WRONLY, os.O_RDWR


class Descriptor(ctypes.Structure):
    _fields_ = (
        ("fusd_file", ctypes.c_uint64),
        ("transid", ctypes.c_int64),
        ("hint", ctypes.c_int32),
        ("descriptor", ctypes.c_int32),
        ("private_info", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint32),
    )


def add(driver, message, descriptor=NEW, flags=RDWR, offset=RESULT, private=0x77):
    fops = message.fops
    cookies = fops.fusd_file, fops.transid, fops.hint
    told = Descriptor(*cookies, descriptor, private, flags, offset)
    fcntl.ioctl(driver.fd, CONTROL_DESCRIPTOR, bytes(told))


def expect_close(driver, private=0x77):
    message = driver.expect(CLOSE)
    assert message.fops.private_info == private
    driver.reply(message)
