# SPDX-License-Identifier: BSD-3-Clause
"""A busybox that needs no library: that of this machine, or one under build/vm."""

import shutil
import struct
from pathlib import Path

from support.vm import kernels

PACKAGE = "busybox-static"
DIRECTORY = kernels.BUILD / "busybox"
PROGRAM_INTERPRETER = 3  # PT_INTERP of elf(5)


def is_static(path):
    """Whether the program runs where there is no libc, nor what would load it."""
    with open(path, "rb") as file:
        header = file.read(64)
        if header[:5] != b"\x7fELF\x02":
            return False
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        table = file.read(size * count)
    types = [struct.unpack_from("<I", table, size * n)[0] for n in range(count)]
    return PROGRAM_INTERPRETER not in types


def static():
    """Its path. Debian's package "busybox", which most machines have, is not it."""
    installed = shutil.which("busybox")
    if installed and is_static(installed):
        return Path(installed)
    root = DIRECTORY / "root"
    with kernels.only_one(DIRECTORY):
        for directory in ("bin", "usr/bin"):  # Debian 12's and 13's
            unpacked = root / directory / "busybox"
            if unpacked.exists():
                return unpacked
        kernels.say(f"{installed or 'busybox'} is not a static one")
        kernels.download([PACKAGE], DIRECTORY, root)
        for directory in ("bin", "usr/bin"):
            unpacked = root / directory / "busybox"
            if unpacked.exists():
                return unpacked
    raise kernels.Error(f"no static busybox: install the package {PACKAGE}")
