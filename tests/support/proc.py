# SPDX-License-Identifier: BSD-3-Clause
"""What proc(5) tells of mounts and of other processes."""

import os
from contextlib import suppress
from pathlib import Path


def mounts():
    """The mounts that this process sees, one a line."""
    # Others may have made some whose names are no UTF-8.
    return Path("/proc/self/mounts").read_text("utf-8", errors="surrogateescape")


def state_of(pid, tid=None):
    """One letter, D for a sleep without signals; None if there is no such thread."""
    try:
        with open(f"/proc/{pid}/task/{tid or pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_signalled(pid, tid=None):
    """Whether a signal waits for its delivery."""
    try:
        with open(f"/proc/{pid}/task/{tid or pid}/status", encoding="ascii") as file:
            masks = [line for line in file if line.startswith(("SigPnd", "ShdPnd"))]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(int(line.split()[1], 16) for line in masks)


def has_open(pid, path):
    """Whether a process has the file open; one that has ended has none."""
    directory = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(directory)
    except FileNotFoundError:
        return False
    for descriptor in descriptors:
        with suppress(FileNotFoundError):
            if os.readlink(f"{directory}/{descriptor}") == path:
                return True
    return False


def children(pid):
    """The ids of the processes that a process of one thread has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]
