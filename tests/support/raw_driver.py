# SPDX-License-Identifier: BSD-3-Clause
"""The classic messages as a driver without a library would write them.

Laid out here a second time, from the contract, so that a mistake in the
header that the module is built with shows.
"""

import ctypes
import errno
import fcntl
import os
import select

from support.background import Background
from support.waiting import DEADLINE

CONTROL = "/dev/fusd/control"
STATUS = "/dev/fusd/status"
MAGIC = 0x7A6B93CD
MAX_RW_SIZE = 128 << 10

REGISTER, UNREGISTER, CALL, REPLY, NONBLOCK, NONBLOCK_REPLY = range(6)
OPEN, CLOSE, READ, WRITE, IOCTL, POLL_DIFF, UNBLOCK, MMAP = range(100, 108)
SEEK, FLUSH, FSYNC = range(108, 111)
NAMES = dict(
    enumerate(
        (
            *("open", "close", "read", "write", "ioctl", "poll_diff", "unblock"),
            *("mmap", "seek", "flush", "fsync"),
        ),
        start=100,
    )
)

CONTROL_OPTIONS = 3 << 30 | 8 << 16 | ord("F") << 8 | 101
CONTROL_NUMBER = 1 << 30 | 16 << 16 | ord("F") << 8 | 104
CONTROL_ATTRIBUTE = 1 << 30 | 64 << 16 | ord("F") << 8 | 105
CONTROL_VARIABLES = 1 << 30 | 16 << 16 | ord("F") << 8 | 106
CONTROL_CHANGE = 1 << 30 | 16 << 16 | ord("F") << 8 | 107
OPTION_UNBLOCK, OPTION_ALWAYS_READY, OPTION_STREAM = 1, 2, 4
OPTION_CLIENT_BITS, OPTION_NONBLOCK = 8, 0x80
OPTION_SEEK, OPTION_FLUSH, OPTION_FSYNC = 0x10, 0x20, 0x40


libc = ctypes.CDLL(None, use_errno=True)


class Packed(ctypes.Structure):
    _pack_ = 1


class Register(Packed):
    _fields_ = [
        ("name", ctypes.c_char * 48),
        ("clazz", ctypes.c_char * 48),
        ("devname", ctypes.c_char * 48),
        ("mode", ctypes.c_uint),
        ("device_info", ctypes.c_ulong),
    ]


class Call(Packed):
    _fields_ = [
        ("pid", ctypes.c_int),
        ("uid", ctypes.c_uint),
        ("gid", ctypes.c_uint),
        ("flags", ctypes.c_ulong),
        ("device_info", ctypes.c_ulong),
        ("private_info", ctypes.c_ulong),
        ("retval", ctypes.c_long),
        ("length", ctypes.c_ulong),
        ("offset", ctypes.c_ulong),
        ("cmd", ctypes.c_uint),
        ("mmprot", ctypes.c_ulong),
        ("mmflags", ctypes.c_ulong),
        ("mmoffset", ctypes.c_ulong),
        ("arg", ctypes.c_ulong),
        ("fusd_file", ctypes.c_ulong),
        ("transid", ctypes.c_long),
        ("hint", ctypes.c_int),
    ]


class Record(Packed):
    """What a binary read of the status file gives for each device."""

    _fields_ = [
        ("name", ctypes.c_char * 48),
        ("zombie", ctypes.c_int),
        ("pid", ctypes.c_int),
        ("num_open", ctypes.c_int),
    ]


class Parameters(ctypes.Union):
    _pack_ = 1
    _fields_ = [("register", Register), ("fops", Call)]


class Message(Packed):
    _fields_ = [
        ("magic", ctypes.c_uint),
        ("cmd", ctypes.c_short),
        ("subcmd", ctypes.c_short),
        ("data", ctypes.c_ulong),
        ("datalen", ctypes.c_int),
        ("parm", Parameters),
    ]

    @property
    def fops(self):
        return self.parm.fops

    @property
    def name(self):
        return NAMES[self.subcmd]


assert ctypes.sizeof(Message) == 176
HEADER_SIZE = 176


def registration(name, mode=0o666, clazz=b"", devname=b""):
    message = Message(magic=MAGIC, cmd=REGISTER)
    message.parm.register.name = name.encode() if isinstance(name, str) else name
    message.parm.register.clazz = clazz
    message.parm.register.devname = devname
    message.parm.register.mode = mode
    message.parm.register.device_info = 0x1122334455667788
    return message


def address_of(memory):
    """Where a mapping of this process is, as a driver tells it in an answer."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


class Driver:
    """A control descriptor, with a device registered on it if it has a name."""

    def __init__(self, name=None, options=0, **registered):
        self.fd = os.open(CONTROL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.path = f"/dev/{name}"
        if options:
            self.options(options)
        if name:
            try:
                self.write(registration(name, **registered))
            except OSError:
                self.close()
                raise

    def options(self, wanted):
        data = bytearray(wanted.to_bytes(8, "little"))
        fcntl.ioctl(self.fd, CONTROL_OPTIONS, data)
        return int.from_bytes(data, "little")

    def write(self, message, data=None):
        if data is None:
            return os.write(self.fd, bytes(message))
        return os.writev(self.fd, [bytes(message), data])

    def unregister(self):
        return self.write(Message(magic=MAGIC, cmd=UNREGISTER))

    def wait(self):
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        assert poller.poll(DEADLINE * 1000), "no message came"

    def header(self):
        """The next header alone."""
        self.wait()
        return Message.from_buffer_copy(os.read(self.fd, HEADER_SIZE))

    def receive(self):
        """The next message; its data is in message.bytes."""
        message = self.header()
        message.bytes = os.read(self.fd, message.datalen) if message.datalen else b""
        return message

    def expect(self, subcmd):
        message = self.receive()
        assert message.subcmd == subcmd, f"a {message.name} came"
        return message

    def is_idle(self):
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        return not poller.poll(0)

    def reply(self, message, retval=0, data=None, **changes):
        answer = Message.from_buffer_copy(message)
        answer.cmd += 1
        answer.fops.retval = retval
        answer.datalen = len(data) if data is not None else 0
        if message.subcmd in (READ, WRITE) and retval > 0:
            answer.fops.offset += retval
        for name, value in changes.items():
            target = answer if hasattr(Message, name) else answer.fops
            setattr(target, name, value)
        return self.write(answer, data)

    def open(self, flags=os.O_RDWR):
        """A client's descriptor, whose open was answered."""
        with Background(os.open, self.path, flags) as opening:
            self.reply(self.expect(OPEN))
            return opening.result()

    def close(self):
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def fails(number, function, *arguments, **named):
    """The call fails with this errno."""
    try:
        result = function(*arguments, **named)
    except OSError as error:
        got = errno.errorcode[error.errno]
        assert got == errno.errorcode[number], f"{got} instead"
    else:
        raise AssertionError(f"{result!r} instead of {errno.errorcode[number]}")
