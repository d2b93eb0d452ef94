# SPDX-License-Identifier: BSD-3-Clause
"""What /proc tells of processes, their open files, mappings and mounts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple


def process_name(pid: int) -> str | None:
    """The name of a process or thread; None if it is gone, or not to be seen."""
    with suppress(OSError), open(f"/proc/{pid}/comm", "rb") as file:
        return file.read().rstrip(b"\n").decode(errors="backslashreplace")
    return None


def process_start(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone."""
    with suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    return None


def signals_caught(pid: int) -> set[int] | None:
    """The signals that a process handles; None if it is gone, or not to be seen."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            if name == b"SigCgt":
                mask = int(value, 16)
                return {n + 1 for n in range(64) if mask >> n & 1}
    return None


def open_files() -> Iterator[tuple[int, str]]:
    """Process and path of each open descriptor that this user can see."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    yield int(process), os.readlink(f"/proc/{process}/fd/{descriptor}")


class Mount(NamedTuple):
    """A mount that this process sees."""

    path: str
    kind: str
    source: str


def _unescape(text: str) -> str:
    """A path of /proc/self/mountinfo, where blanks are octal."""
    raw = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), os.fsencode(text))
    return os.fsdecode(raw)


def mounts() -> Iterator[Mount]:
    """All mounts, in the order in which they were made."""
    with open("/proc/self/mountinfo", "rb") as file:
        # str.splitlines() would split at characters of a path, too.
        for line in file.read().split(b"\n"):
            fields, _, rest = os.fsdecode(line).partition(" - ")
            if rest:
                kind, source = rest.split(" ")[:2]
                yield Mount(_unescape(fields.split(" ")[4]), kind, source)


def is_shared_mapping(address: int, length: int) -> bool:
    """Whether all of this process's memory there is in one MAP_SHARED mapping."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            bounds, permissions = line.split(" ", 2)[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if start <= address < end:
                return address + length <= end and permissions[3] == "s"
    return False
