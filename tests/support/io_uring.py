# SPDX-License-Identifier: BSD-3-Clause
"""Reads by io_uring(7), one at a time."""

import ctypes
import mmap
import os
import struct

SETUP, ENTER = 425, 426
GETEVENTS = 1
OP_READ = 22
AT_CQ_RING, AT_ENTRIES = 0x8000000, 0x10000000

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Ring:
    """OSError, ENOSYS or EPERM, where the kernel has none for this process."""

    def __init__(self):
        parameters = (ctypes.c_uint32 * 30)()
        self.descriptor = call(SETUP, 1, parameters)
        submission, completion = parameters[10:20], parameters[20:30]
        self.tail, self.array = submission[1], submission[6]
        self.head, self.answers = completion[0], completion[5]
        page = mmap.PAGESIZE
        self.submissions = mmap.mmap(self.descriptor, page, offset=0)
        self.completions = mmap.mmap(self.descriptor, page, offset=AT_CQ_RING)
        self.entries = mmap.mmap(self.descriptor, page, offset=AT_ENTRIES)

    def submit_read(self, descriptor, size):
        self.data = ctypes.create_string_buffer(size)
        address = ctypes.addressof(self.data)
        self.entries[:64] = struct.pack(
            "=BBHiQQII32x", OP_READ, 0, 0, descriptor, 2**64 - 1, address, size, 0
        )
        (tail,) = struct.unpack_from("=I", self.submissions, self.tail)
        struct.pack_into("=I", self.submissions, self.array, 0)
        struct.pack_into("=I", self.submissions, self.tail, tail + 1)
        assert call(ENTER, self.descriptor, 1, 0, 0, None, 0) == 1

    def wait(self):
        """What was read, or a negative errno."""
        call(ENTER, self.descriptor, 0, 1, GETEVENTS, None, 0)
        (head,) = struct.unpack_from("=I", self.completions, self.head)
        # Two answers fit into a ring of one entry.
        at = self.answers + 16 * (head % 2)
        (result,) = struct.unpack_from("=8xi4x", self.completions, at)
        struct.pack_into("=I", self.completions, self.head, head + 1)
        return result if result < 0 else self.data.raw[:result]

    def close(self):
        for memory in (self.submissions, self.completions, self.entries):
            memory.close()
        os.close(self.descriptor)
