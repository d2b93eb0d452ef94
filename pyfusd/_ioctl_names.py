# SPDX-License-Identifier: BSD-3-Clause
"""Names of ioctl request numbers that programs send to devices of many drivers.

As the kernel's headers have them, and only for reading: a driver may give the same
number a meaning of its own.
"""

from __future__ import annotations

import termios
from functools import cache

from pyfusd._ioctl import IO, IOR, IOW, IOWR, IoctlNumber

_SIZE_BITS = 0x3FFF << 16
# The groups of the standard library's; TIOCM_DSR and others there are no requests.
_TERMINAL_GROUPS = b"Ttf"


def _terminal_names() -> dict[int, str]:
    """Those that the standard library has, the same as what it was compiled for."""
    names: dict[int, str] = {}
    for name, value in sorted(vars(termios).items()):
        if name.startswith(("TC", "TIOC", "FIO")) and (
            (value >> 8 & 0xFF) in _TERMINAL_GROUPS
        ):
            names.setdefault(value, name)  # FIONREAD is TIOCINQ, too.
    return names


def _other_terminal_names() -> dict[int, str]:
    return {
        IO("T", 0x27): "TIOCSBRK",
        IO("T", 0x28): "TIOCCBRK",
        IO("T", 0x29): "TIOCGSID",
        IOR("T", 0x2A, 44): "TCGETS2",
        IOW("T", 0x2B, 44): "TCSETS2",
        IOW("T", 0x2C, 44): "TCSETSW2",
        IOW("T", 0x2D, 44): "TCSETSF2",
        IO("T", 0x2E): "TIOCGRS485",
        IO("T", 0x2F): "TIOCSRS485",
        IOR("T", 0x30, "I"): "TIOCGPTN",
        IOW("T", 0x31, "i"): "TIOCSPTLCK",
    }


def _bus_names() -> dict[int, str]:
    return {
        IO(7, 0x01): "I2C_RETRIES",
        IO(7, 0x02): "I2C_TIMEOUT",
        IO(7, 0x03): "I2C_SLAVE",
        IO(7, 0x04): "I2C_TENBIT",
        IO(7, 0x05): "I2C_FUNCS",
        IO(7, 0x06): "I2C_SLAVE_FORCE",
        IO(7, 0x07): "I2C_RDWR",
        IO(7, 0x08): "I2C_PEC",
        IO(7, 0x20): "I2C_SMBUS",
        IOR("k", 1, "B"): "SPI_IOC_RD_MODE",
        IOW("k", 1, "B"): "SPI_IOC_WR_MODE",
        IOR("k", 2, "B"): "SPI_IOC_RD_LSB_FIRST",
        IOW("k", 2, "B"): "SPI_IOC_WR_LSB_FIRST",
        IOR("k", 3, "B"): "SPI_IOC_RD_BITS_PER_WORD",
        IOW("k", 3, "B"): "SPI_IOC_WR_BITS_PER_WORD",
        IOR("k", 4, "I"): "SPI_IOC_RD_MAX_SPEED_HZ",
        IOW("k", 4, "I"): "SPI_IOC_WR_MAX_SPEED_HZ",
        IOR("k", 5, "I"): "SPI_IOC_RD_MODE32",
        IOW("k", 5, "I"): "SPI_IOC_WR_MODE32",
    }


def _clock_names() -> dict[int, str]:
    return {
        IO("p", 0x01): "RTC_AIE_ON",
        IO("p", 0x02): "RTC_AIE_OFF",
        IO("p", 0x03): "RTC_UIE_ON",
        IO("p", 0x04): "RTC_UIE_OFF",
        IO("p", 0x05): "RTC_PIE_ON",
        IO("p", 0x06): "RTC_PIE_OFF",
        IOW("p", 0x07, "9i"): "RTC_ALM_SET",
        IOR("p", 0x08, "9i"): "RTC_ALM_READ",
        IOR("p", 0x09, "9i"): "RTC_RD_TIME",
        IOW("p", 0x0A, "9i"): "RTC_SET_TIME",
        IOR("p", 0x0B, "L"): "RTC_IRQP_READ",
        IOW("p", 0x0C, "L"): "RTC_IRQP_SET",
        IOW("p", 0x0F, "2B9i"): "RTC_WKALM_SET",
        IOR("p", 0x10, "2B9i"): "RTC_WKALM_RD",
        IOR("p", 0x13, "I"): "RTC_VL_READ",
        IO("p", 0x14): "RTC_VL_CLR",
        IOR("W", 0, "2I32s"): "WDIOC_GETSUPPORT",
        IOR("W", 1, "i"): "WDIOC_GETSTATUS",
        IOR("W", 2, "i"): "WDIOC_GETBOOTSTATUS",
        IOR("W", 3, "i"): "WDIOC_GETTEMP",
        IOR("W", 4, "i"): "WDIOC_SETOPTIONS",
        IOR("W", 5, "i"): "WDIOC_KEEPALIVE",
        IOWR("W", 6, "i"): "WDIOC_SETTIMEOUT",
        IOR("W", 7, "i"): "WDIOC_GETTIMEOUT",
        IOWR("W", 8, "i"): "WDIOC_SETPRETIMEOUT",
        IOR("W", 9, "i"): "WDIOC_GETPRETIMEOUT",
        IOR("W", 10, "i"): "WDIOC_GETTIMELEFT",
    }


def _input_names() -> dict[int, str]:
    return {
        IOR("E", 0x01, "i"): "EVIOCGVERSION",
        IOR("E", 0x02, "4H"): "EVIOCGID",
        IOR("E", 0x03, "2I"): "EVIOCGREP",
        IOW("E", 0x03, "2I"): "EVIOCSREP",
        IOR("E", 0x04, "2I"): "EVIOCGKEYCODE",
        IOW("E", 0x04, "2I"): "EVIOCSKEYCODE",
        IOW("E", 0x81, "i"): "EVIOCRMFF",
        IOR("E", 0x84, "i"): "EVIOCGEFFECTS",
        IOW("E", 0x90, "i"): "EVIOCGRAB",
        IOW("E", 0x91, "i"): "EVIOCREVOKE",
        IOW("E", 0xA0, "i"): "EVIOCSCLOCKID",
        IOR("H", 0x01, "i"): "HIDIOCGRDESCSIZE",
        IOR("H", 0x02, 4100): "HIDIOCGRDESC",
        IOR("H", 0x03, "I2h"): "HIDIOCGRAWINFO",
        **{IOR("E", 0x40 + axis, "6i"): f"EVIOCGABS({axis:#x})" for axis in range(64)},
        **{IOW("E", 0xC0 + axis, "6i"): f"EVIOCSABS({axis:#x})" for axis in range(64)},
    }


def _disk_names() -> dict[int, str]:
    return {
        IO(0x12, 93): "BLKROSET",
        IO(0x12, 94): "BLKROGET",
        IO(0x12, 95): "BLKRRPART",
        IO(0x12, 96): "BLKGETSIZE",
        IO(0x12, 97): "BLKFLSBUF",
        IO(0x12, 98): "BLKRASET",
        IO(0x12, 99): "BLKRAGET",
        IO(0x12, 104): "BLKSSZGET",
        IOR(0x12, 112, "N"): "BLKBSZGET",
        IOW(0x12, 113, "N"): "BLKBSZSET",
        IOR(0x12, 114, "N"): "BLKGETSIZE64",
        IO(0x12, 119): "BLKDISCARD",
        IO(0x12, 120): "BLKIOMIN",
        IO(0x12, 121): "BLKIOOPT",
        IO(0x12, 122): "BLKALIGNOFF",
        IO(0x12, 123): "BLKPBSZGET",
        IO(0x12, 126): "BLKROTATIONAL",
        IO(0x12, 127): "BLKZEROOUT",
        IOR("f", 1, "l"): "FS_IOC_GETFLAGS",
        IOW("f", 2, "l"): "FS_IOC_SETFLAGS",
        IOWR("f", 11, 32): "FS_IOC_FIEMAP",
        IOR("v", 1, "l"): "FS_IOC_GETVERSION",
        IOW("v", 2, "l"): "FS_IOC_SETVERSION",
        IOR("X", 31, 28): "FS_IOC_FSGETXATTR",
        IOW("X", 32, 28): "FS_IOC_FSSETXATTR",
        IOWR("X", 119, "i"): "FIFREEZE",
        IOWR("X", 120, "i"): "FITHAW",
        IOWR("X", 121, "3Q"): "FITRIM",
        IOW(0x94, 9, "i"): "FICLONE",
        IOW(0x94, 13, 32): "FICLONERANGE",
        IOR(0x94, 49, 256): "FS_IOC_GETFSLABEL",
        IOW(0x94, 50, 256): "FS_IOC_SETFSLABEL",
    }


@cache
def names() -> dict[int, str]:
    """The names of numbers, as C writes them."""
    return {
        **_other_terminal_names(),
        **_terminal_names(),
        **_bus_names(),
        **_clock_names(),
        **_input_names(),
        **_disk_names(),
    }


@cache
def _families() -> dict[int, tuple[str, int]]:
    """Of macros that take a size: the number without it, and how many bytes one is."""
    return {
        IOR("E", 0x06, 0): ("EVIOCGNAME({})", 1),
        IOR("E", 0x07, 0): ("EVIOCGPHYS({})", 1),
        IOR("E", 0x08, 0): ("EVIOCGUNIQ({})", 1),
        IOR("E", 0x09, 0): ("EVIOCGPROP({})", 1),
        IOR("E", 0x0A, 0): ("EVIOCGMTSLOTS({})", 1),
        IOR("E", 0x18, 0): ("EVIOCGKEY({})", 1),
        IOR("E", 0x19, 0): ("EVIOCGLED({})", 1),
        IOR("E", 0x1A, 0): ("EVIOCGSND({})", 1),
        IOR("E", 0x1B, 0): ("EVIOCGSW({})", 1),
        **{
            IOR("E", 0x20 + kind, 0): (f"EVIOCGBIT({kind:#x}, {{}})", 1)
            for kind in range(32)
        },
        IOR("H", 0x04, 0): ("HIDIOCGRAWNAME({})", 1),
        IOR("H", 0x05, 0): ("HIDIOCGRAWPHYS({})", 1),
        IOWR("H", 0x06, 0): ("HIDIOCSFEATURE({})", 1),
        IOWR("H", 0x07, 0): ("HIDIOCGFEATURE({})", 1),
        IOR("H", 0x08, 0): ("HIDIOCGRAWUNIQ({})", 1),
        IOW("k", 0, 0): ("SPI_IOC_MESSAGE({})", 32),
    }


def name_of(request: int) -> str | None:
    """What C programs call a number, such as "TCGETS" or "EVIOCGNAME(256)"."""
    if request in names():
        return names()[request]
    family, unit = _families().get(request & ~_SIZE_BITS, (None, 1))
    count, rest = divmod(IoctlNumber(request).size, unit)
    return family.format(count) if family and not rest else None
