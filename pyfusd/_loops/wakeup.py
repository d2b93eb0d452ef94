# SPDX-License-Identifier: BSD-3-Clause
"""signal.set_wakeup_fd() of a program, while run() needs it for itself.

Python has one such descriptor. The program's own goes on getting the numbers of
signals, and is the one again when run() returns.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_MANY = 4096


def forward(receiver: int, descriptors: list[int]) -> None:
    """What came since; zeros are no signals, but somebody who wakes a loop."""
    try:
        numbers = os.read(receiver, _MANY).replace(b"\0", b"")
    except BlockingIOError:
        return
    for descriptor in descriptors:
        if numbers and descriptor >= 0:
            with suppress(OSError):  # It is full, or was closed.
                os.write(descriptor, numbers)


@contextmanager
def taken(receiver: int, sender: int) -> Iterator[int]:
    """Signals go to a pipe of ours inside; gives the program's descriptor or -1."""
    programs = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    try:
        yield programs
    finally:
        try:
            signal.set_wakeup_fd(programs)
        except (ValueError, OSError):  # The program closed it meanwhile.
            signal.set_wakeup_fd(-1)
        forward(receiver, [programs])


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Its receiver and sender; neither ever blocks."""
    receiver, sender = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield receiver, sender
    finally:
        os.close(receiver)
        os.close(sender)


def share(loop: Any, receiver: int, sender: int, programs: int) -> None:
    """Shares signals between asyncio's running loop and the program.

    After the loop has made itself ready for signals; until it is closed.
    """
    loops = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    descriptors = [programs] if loops == sender else [programs, loops]
    loop.add_reader(receiver, forward, receiver, descriptors)
