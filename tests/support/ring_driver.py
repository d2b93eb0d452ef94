# SPDX-License-Identifier: BSD-3-Clause
"""The fast path as a driver without a library would use it.

Laid out here a second time, as raw_driver.py does with the classic messages.
"""

import ctypes
import fcntl
import mmap
import os

from support.background import Background
from support.raw_driver import (
    CONTROL,
    OPEN,
    POLL_DIFF,
    READ,
    UNBLOCK,
    WRITE,
    Driver,
    Message,
    libc,
    registration,
)
from support.waiting import DEADLINE

SLOTS, SMALL_SLOTS, SMALL_SIZE, NO_SLOT = 64, 48, 8192, 0xFFFFFFFF
REPLIES, SLOTS_OFFSET, WAIT = 32, 4096, 1
LARGE_OFFSET = SLOTS_OFFSET + SMALL_SLOTS * SMALL_SIZE
SETUP = 3 << 30 | 32 << 16 | ord("F") << 8 | 109
ENTER = 1 << 30 | 24 << 16 | ord("F") << 8 | 110
WAKE = ord("F") << 8 | 111
FETCH = 1 << 30 | 32 << 16 | ord("F") << 8 | 112


def numbers(*fields):
    kinds = {8: ctypes.c_uint64, 4: ctypes.c_uint32, 2: ctypes.c_uint16}
    return [(name, kinds[size]) for names, size in fields for name in names.split()]


class Setup(ctypes.Structure):
    _fields_ = numbers(
        ("size flags max_transfer spin_us", 4), ("area_size", 8), ("large_size rest", 4)
    )


class Given(ctypes.Structure):
    """A request."""

    _fields_ = [
        *numbers(("fusd_file", 8)),
        ("transid", ctypes.c_int64),
        ("hint", ctypes.c_int32),
        *numbers(
            ("subcmd reserved", 2),
            ("pid uid gid flags", 4),
            ("private_info length offset argument mmprot mmflags mmoffset", 8),
            ("cmd datalen slot reserved2", 4),
        ),
    ]


class Reply(ctypes.Structure):
    _fields_ = [
        *numbers(("fusd_file", 8)),
        ("transid", ctypes.c_int64),
        ("hint", ctypes.c_int32),
        *numbers(("subcmd reserved", 2), ("flags datalen", 4), ("private_info", 8)),
        ("retval", ctypes.c_int64),
        *numbers(("offset", 8)),
        ("result", ctypes.c_int32),
        *numbers(("reserved2", 4)),
    ]


class Shared(ctypes.Structure):
    _fields_ = [
        *numbers(("posted taken wakes rescues", 4)),
        ("released", ctypes.c_uint32 * 2),
        ("reserved", ctypes.c_uint32 * 10),
        ("replies", Reply * REPLIES),
    ]


class Enter(ctypes.Structure):
    _fields_ = numbers(("requests", 8), ("count flags wakes timeout_ms", 4))


class Fetch(ctypes.Structure):
    _fields_ = [
        *numbers(("fusd_file", 8)),
        ("transid", ctypes.c_int64),
        ("hint", ctypes.c_int32),
        *numbers(("datalen", 4), ("address", 8)),
    ]


assert [ctypes.sizeof(kind) for kind in (Setup, Given, Reply, Enter, Fetch)] == [
    *(32, 112, 64, 24, 32)
]
assert ctypes.sizeof(Shared) == 64 + 64 * REPLIES


def call(fd, number, argument=None):
    """An ioctl whose argument is not copied first, and which may wait."""
    result = libc.ioctl(fd, ctypes.c_ulong(number), argument)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def map_area(fd, size):
    """Not by mmap.mmap(), which keeps a descriptor of its own."""
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(
        None,
        ctypes.c_size_t(size),
        mmap.PROT_READ | mmap.PROT_WRITE,
        mmap.MAP_SHARED,
        fd,
        ctypes.c_long(0),
    )
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return address


class RingDriver(Driver):
    """A driver that receives and answers by the ring; classic replies work too."""

    def __init__(self, name, options=0, max_transfer=0, **registered):
        self.fd = os.open(CONTROL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.path = f"/dev/{name}"
        self.address = None
        try:
            if options:
                self.options(options)
            self.setup = Setup(size=32, max_transfer=max_transfer)
            fcntl.ioctl(self.fd, SETUP, self.setup)
            self.address = map_area(self.fd, self.setup.area_size)
            self.shared = Shared.from_address(self.address)
            self.write(registration(name, **registered))
        except OSError:
            self.close()
            raise

    def close(self):
        super().close()
        self.unmap()

    def unmap(self):
        if self.address is not None:
            libc.munmap(ctypes.c_void_p(self.address), self.setup.area_size)
        self.address = None

    @property
    def area(self):
        """All of it; what no request had yet is not to be touched."""
        kind = ctypes.c_ubyte * self.setup.area_size
        return memoryview(kind.from_address(self.address)).cast("B")

    def enter(self, count=1, flags=0, wakes=None, timeout=0):
        """Takes what is posted, and gives a list of requests."""
        given = (Given * max(count, 1))()
        wakes = self.shared.wakes if wakes is None else wakes
        enter = Enter(ctypes.addressof(given), count, flags, wakes, timeout)
        return list(given)[: call(self.fd, ENTER, ctypes.byref(enter))]

    def receive(self):
        (given,) = self.enter(1, WAIT, timeout=int(DEADLINE * 1000))
        return given

    def slot(self, given, size):
        """The slot's first bytes, to read and write."""
        slot = given.slot
        assert slot < SLOTS
        start = (
            SLOTS_OFFSET + slot * SMALL_SIZE
            if slot < SMALL_SLOTS
            else LARGE_OFFSET + (slot - SMALL_SLOTS) * self.setup.large_size
        )
        return self.area[start : start + size]

    def release(self, given):
        if given.slot == NO_SLOT:
            return
        self.shared.released[given.slot // 32] |= 1 << given.slot % 32

    def post(self, given, retval=0, datalen=0, **changes):
        """Posts a reply, which the next call takes; its place is the result."""
        place = self.shared.posted % REPLIES
        reply = self.shared.replies[place]
        for name in ("fusd_file", "transid", "hint", "subcmd", "flags"):
            setattr(reply, name, getattr(given, name))
        reply.private_info, reply.retval = given.private_info, retval
        reply.datalen, reply.result = datalen, 0x7FFF
        reply.offset = given.offset
        if given.subcmd in (READ, WRITE) and retval > 0:
            reply.offset += retval
        for name, value in changes.items():
            setattr(reply, name, value)
        self.shared.posted += 1
        return place

    def reply(self, given, retval=0, data=None, **changes):
        """A whole reply, data in the slot; what became of it."""
        if data is not None:
            self.slot(given, len(data))[:] = data
        place = self.post(given, retval, **{"datalen": len(data or b""), **changes})
        self.release(given)
        self.enter(0)
        return self.shared.replies[place].result

    def as_message(self, given):
        """The classic message of a request, for a classic reply to it."""
        is_told = given.subcmd in (POLL_DIFF, UNBLOCK)
        message = Message(magic=0x7A6B93CD, cmd=4 if is_told else 2)
        message.subcmd = given.subcmd
        for name in (
            *("pid", "uid", "gid", "flags", "private_info", "length", "offset"),
            *("cmd", "fusd_file", "transid", "hint"),
        ):
            setattr(message.fops, name, getattr(given, name))
        return message

    def open(self, flags=os.O_RDWR):
        with Background(os.open, self.path, flags) as opening:
            given = self.receive()
            assert given.subcmd == OPEN
            assert self.reply(given) == 0
            return opening.result()
