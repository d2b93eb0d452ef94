# SPDX-License-Identifier: BSD-3-Clause
"""The devices of this machine, of any driver and transport."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pyfusd._ioctl import IO
from pyfusd._proc import mounts, open_files, process_name, process_start

_STATUS = "/dev/fusd/status"
_STATUS_USE_BINARY = IO("F", 100)
# fusd_status_t: name, zombie, pid, num_open.
_STATUS_ENTRY = struct.Struct("48siii")
_CUSE_CLASS = "/sys/class/cuse"
_MOUNT_SOURCE = re.compile(r"fusd:(\d+):(\d+):\d+$")


@dataclass(frozen=True)
class Entry:
    """One device."""

    #: Where clients find it.
    path: str
    #: "kfusd", "cuse" or "fuse".
    transport: str
    #: The process that registered it, and the name of its program, where known.
    pid: int | None
    command: str | None
    #: How many descriptors of it are open on this machine, where known.
    opens: int | None
    #: On fuse, whether the process that registered the device is there still: a
    #: driver that forked afterwards is not alive by this, and may serve well. On
    #: kfusd, False if no driver is left, and clients have the device open. On
    #: cuse always True: the kernel's device goes with its driver.
    alive: bool


def _count_descriptors() -> Counter[str] | None:
    """How many descriptors are open on each path; None if some are hidden."""
    if os.geteuid() != 0:
        return None
    return Counter(path for _, path in open_files())


def _fuse_mounts() -> Iterator[tuple[str, int, int]]:
    """Path, driver, and that one's start time."""
    for mount in mounts():
        match = _MOUNT_SOURCE.match(mount.source)
        if mount.kind == "fuse.fusd" and match:
            yield mount.path, int(match[1]), int(match[2])


def _list_fuse(counts: Counter[str] | None) -> Iterator[Entry]:
    for path, pid, start in _fuse_mounts():
        yield Entry(
            path=path,
            transport="fuse",
            pid=pid,
            command=process_name(pid),
            opens=None if counts is None else counts[path],
            alive=process_start(pid) == start,
        )


def _read_kfusd_status() -> bytes:
    data = b""
    with suppress(OSError), open(_STATUS, "rb", buffering=0) as file:
        fcntl.ioctl(file, _STATUS_USE_BINARY)
        while chunk := file.read(_STATUS_ENTRY.size * 1024):
            data += chunk
    return data


def _list_kfusd() -> Iterator[Entry]:
    data = _read_kfusd_status()
    whole = len(data) - len(data) % _STATUS_ENTRY.size
    for name, zombie, pid, opens in _STATUS_ENTRY.iter_unpack(data[:whole]):
        yield Entry(
            path="/dev/" + os.fsdecode(name.split(b"\0")[0]),
            transport="kfusd",
            pid=pid,
            command=process_name(pid),
            opens=opens,
            alive=not zombie,
        )


def _find_cuse_drivers() -> list[int]:
    """The processes that have /dev/cuse open; which device is whose is not known."""
    return list({pid for pid, path in open_files() if path == "/dev/cuse"})


def _list_cuse(counts: Counter[str] | None) -> Iterator[Entry]:
    names: list[str] = []
    with suppress(OSError):
        names = sorted(os.listdir(_CUSE_CLASS))
    if not names:
        return
    drivers = _find_cuse_drivers()
    pid = drivers[0] if len(drivers) == 1 else None
    for name in names:
        # In sysfs '!' stands for '/'.
        path = "/dev/" + name.replace("!", "/")
        yield Entry(
            path=path,
            transport="cuse",
            pid=pid,
            command=None if pid is None else process_name(pid),
            opens=None if counts is None else counts[path],
            alive=True,
        )


def list_devices() -> list[Entry]:
    """All devices that this user can see, by path."""
    counts = _count_descriptors()
    found = [*_list_kfusd(), *_list_cuse(counts), *_list_fuse(counts)]
    return sorted(found, key=lambda entry: entry.path)
