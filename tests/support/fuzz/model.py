# SPDX-License-Identifier: BSD-3-Clause
"""What a device's clients get, and its driver sees, in plain Python.

The reference for the random tests: ioctl marshalling, file positions, and which
answers of a driver count for what. Where a transport cannot do what the contract
says, `differs()` asks capabilities.py by name.
"""

import errno
import os
from dataclasses import dataclass, field

from support import capabilities

MAX_TRANSFER = 128 << 10
PAGE_SIZE = 4096
MAX_ERRNO = 4095
INT_MAX = (1 << 31) - 1

NONE, WRITE, READ = 0, 1, 2

#: Requests that Linux answers itself, or opens the file itself to ask: of any
#: file, of a regular file, and of one whose file system has inode flags.
KERNEL_IOCTLS = {
    "FIBMAP": 0x00000001,
    "FIGETBSZ": 0x00000002,
    "FIONREAD": 0x0000541B,
    "FIONBIO": 0x00005421,
    "FIONCLEX": 0x00005450,
    "FIOCLEX": 0x00005451,
    "FIOASYNC": 0x00005452,
    "FIOQSIZE": 0x00005460,
    "FIFREEZE": 0xC0045877,
    "FITHAW": 0xC0045878,
    "FICLONE": 0x40049409,
    "FICLONERANGE": 0x4020940D,
    "FIDEDUPERANGE": 0xC0189436,
    "FS_IOC_FIEMAP": 0xC020660B,
    "FS_IOC_GETFLAGS": 0x80086601,
    "FS_IOC_SETFLAGS": 0x40086602,
    "FS_IOC_FSGETXATTR": 0x801C581F,
    "FS_IOC_FSSETXATTR": 0x401C5820,
    "FS_IOC_RESVSP": 0x40305828,
    "FS_IOC_UNRESVSP": 0x40305829,
    "FS_IOC_RESVSP64": 0x4030582A,
    "FS_IOC_UNRESVSP64": 0x4030582B,
    "FS_IOC_ZERO_RANGE": 0x40305839,
    "FS_IOC_GETFSUUID": 0x80111500,
    "FS_IOC_GETFSSYSFSPATH": 0x80811501,
}


@dataclass
class OpenFile:
    """One open file: what duplicates and children share."""

    number: int  # as the driver counts
    flags: int
    #: Where the driver is, and whether the kernel may think of another place:
    #: once a driver left a position of its own, or one appended.
    position: int = 0
    is_moved: bool = False
    references: int = 1
    #: The byte that all of its data consists of: others' bytes show.
    byte: int = 0

    @property
    def own_bytes(self):
        """That of its transfers and answers, and that of its ioctls' arguments."""
        return bytes([self.byte, self.byte + 100])

    @property
    def may_read(self):
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def may_write(self):
        return self.flags & os.O_ACCMODE != os.O_RDONLY


@dataclass
class Expected:
    """The result of a system call, and what the driver must have seen."""

    result: int
    error: int = 0
    seen: list = field(default_factory=list)
    #: Memory after the call, and the part that an answer covers but the driver
    #: did not fill: any of the open file's own bytes, or 0.
    memory: bytes = b""
    unfilled: range = range(0)
    #: Another errno that the call may give, where kernels differ.
    also: int = 0


def direction(number):
    return number >> 30


def size(number):
    return number >> 16 & 0x3FFF


class Model:
    def __init__(self, transport):
        self.transport = transport

    def differs(self, capability):
        """Whether the transport does otherwise than the contract says."""
        return not capabilities.holds(self.transport, capability)

    def errno(self, number):
        """What reaches the client of an errno that a driver answers."""
        return errno.EIO if os.strerror(number).startswith("Unknown") else number

    def answer(self, result, limit=None):
        """(result, errno) for what a callback returned or raised."""
        if isinstance(result, tuple):
            return -1, self.errno(result[1] or errno.EIO)
        if isinstance(result, bytes):
            result = len(result)
        # No ssize_t: the extension refuses it, as what is no errno either.
        if not -MAX_ERRNO <= result < 1 << 63:
            return -1, errno.EIO
        if result < 0:
            return -1, self.errno(-result)
        if limit is None:
            return (result, 0) if result <= INT_MAX else (-1, errno.EIO)
        return min(result, limit), 0

    # Transfers.

    def _move(self, file, plan, at, count):
        """The position that a successful transfer at the position leaves."""
        file.position = at + count
        if plan.get("offset", file.position) != file.position:
            file.position = plan["offset"]
            file.is_moved = True

    def read(self, file, content, plan, at=None):
        length = len(content)
        if self.differs("position"):
            at = None
        if not file.may_read:
            return Expected(-1, errno.EBADF, memory=content)
        if length == 0 and self.differs("transfer-empty"):
            return Expected(0, memory=content)
        asked = min(length, MAX_TRANSFER)
        offset = file.position if at is None else at
        seen = [("read", file.number, asked, offset)]
        result, error = self.answer(plan["result"], asked)
        if error:
            return Expected(-1, error, seen, content)
        if at is None:
            self._move(file, plan, offset, result)
        data = plan["result"] if isinstance(plan["result"], bytes) else plan["fill"]
        data = data[:result]
        memory = data + content[len(data) :]
        return Expected(result, 0, seen, memory, range(len(data), result))

    def write(self, file, content, plan, at=None):
        length = len(content)
        if self.differs("position"):
            at = None
        if not file.may_write:
            return Expected(-1, errno.EBADF, memory=content)
        if length == 0 and self.differs("transfer-empty"):
            return Expected(0, memory=content)
        taken = content[:MAX_TRANSFER]
        offset = file.position if at is None else at
        if file.flags & os.O_APPEND:
            # Where the driver appends is the driver's business: the position.
            offset, at = file.position, None
            file.is_moved = True
        seen = [("write", file.number, taken, offset)]
        result, error = self.answer(plan["result"], len(taken))
        if error:
            return Expected(-1, error, seen, content)
        if at is None:
            self._move(file, plan, offset, result)
        return Expected(result, 0, seen, content)

    def whole(self, length):
        """As much of a transfer as surely is one request."""
        if self.differs("transfer"):
            return min(length, MAX_TRANSFER - PAGE_SIZE)
        return length

    def lseek(self, file, offset, whence):
        if self.differs("position"):
            return Expected(0)
        if whence == os.SEEK_CUR:
            offset += file.position
        if not 0 <= offset < 1 << 63:
            return Expected(-1, errno.EINVAL)
        file.position = offset
        return Expected(offset)

    # ioctl.

    def ioctl(self, file, number, argument, plan):
        """argument: an int, or the client's memory, at least as long as coded."""
        expected = self._ioctl(file, number, argument, plan)
        if expected.error == errno.ENOSYS and self.differs("ioctl-enosys"):
            expected.also = errno.ENOTTY
        return expected

    def _ioctl(self, file, number, argument, plan):
        is_value = isinstance(argument, int)
        if direction(number) == NONE:
            # The raw argument; of memory, that is an address nobody knows.
            seen = [("ioctl", file.number, number, argument if is_value else None)]
            result, error = self.answer(plan["result"])
            return Expected(result, error, seen, b"" if is_value else argument)
        length = size(number)
        goes_in = direction(number) & WRITE
        if is_value and length and goes_in:
            return Expected(-1, errno.EFAULT)  # Nothing is mapped there.
        data = argument[:length] if goes_in and not is_value else bytes(length)
        seen = [("ioctl", file.number, number, data)]
        result, error = self.answer(plan["result"])
        if is_value:
            if length and not error:
                result, error = -1, errno.EFAULT
            return Expected(result, error, seen)
        memory = argument
        if direction(number) & READ and not error:
            fill = plan["fill"][:length]
            memory = fill + data[len(fill) :] + argument[length:]
        return Expected(result, error, seen, memory)
