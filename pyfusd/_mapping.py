# SPDX-License-Identifier: BSD-3-Clause
"""Which memory of this process clients can share."""

from __future__ import annotations


class MappingError(ValueError):
    """A mmap() callback returned memory that clients cannot share."""


def is_shared_mapping(address: int, length: int) -> bool:
    """Whether all of the memory is in one mapping made with MAP_SHARED."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            bounds, permissions = line.split(" ", 2)[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if start <= address < end:
                return address + length <= end and permissions[3] == "s"
    return False
