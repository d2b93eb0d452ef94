# SPDX-License-Identifier: BSD-3-Clause
"""ioctls of a 32-bit client: made through the 32-bit system call gate."""

import ctypes
import errno
import mmap
import platform

IOCTL_32 = 54
MAP_32BIT = 0x40
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

# int gate(number, first, second, third), of the System V x86-64 convention:
# push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; pop rbx; ret
CODE = bytes.fromhex("53 89f8 89f3 87d1 cd80 5b c3")
EXECUTABLE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC


class Gate:
    """Calling it makes an ioctl: its result, or a negative errno.

    NotImplementedError where there is no such gate, with the reason.
    """

    def __init__(self):
        if platform.machine() != "x86_64":
            raise NotImplementedError("the gate is written for x86-64")
        self.code = mmap.mmap(-1, mmap.PAGESIZE, flags=PRIVATE, prot=EXECUTABLE)
        self.code[: len(CODE)] = CODE
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.code))
        self.gate = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 4)(address)
        if self(0xFFFFFFFF, 0, 0) == -errno.ENOSYS:
            raise NotImplementedError("this kernel runs no 32-bit programs")

    def __call__(self, descriptor, number, argument):
        return self.gate(IOCTL_32, descriptor, number, argument)


def memory_32():
    """A page that a 32-bit client can have, and its address."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, flags=PRIVATE | MAP_32BIT)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert address < 1 << 32
    return memory, address
