# SPDX-License-Identifier: BSD-3-Clause
"""ioctls of 32-bit clients: made here through the 32-bit system call gate."""

import ctypes
import errno
import mmap
import platform

import pytest

from support.background import Background
from support.raw_driver import IOCTL

IOCTL_32 = 54
MAP_32BIT = 0x40
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

# int gate(number, first, second, third), of the System V x86-64 convention:
# push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; pop rbx; ret
CODE = bytes.fromhex("53 89f8 89f3 87d1 cd80 5b c3")
EXECUTABLE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC


@pytest.fixture
def ioctl_32():
    if platform.machine() != "x86_64":
        pytest.skip("the gate is written for x86-64")
    code = mmap.mmap(-1, mmap.PAGESIZE, flags=PRIVATE, prot=EXECUTABLE)
    code[: len(CODE)] = CODE
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    gate = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 4)(address)
    if gate(IOCTL_32, 0xFFFFFFFF, 0, 0) == -errno.ENOSYS:
        pytest.skip("this kernel runs no 32-bit programs")
    yield lambda *arguments: gate(IOCTL_32, *arguments)
    # The gate's memory, which gate does not keep alive.
    assert code[: len(CODE)] == CODE


def request(direction, size):
    return direction << 30 | size << 16 | ord("T") << 8 | 1


def test_a_32_bit_client_s_data_goes_both_ways(opened, ioctl_32):
    driver, descriptor = opened
    memory = mmap.mmap(-1, mmap.PAGESIZE, flags=PRIVATE | MAP_32BIT)
    memory[:10] = b"argument??"
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert address < 1 << 32
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
