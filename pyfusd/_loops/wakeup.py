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

_MOST_AT_ONCE = 4096


def forward_signals(receiver: int, descriptors: list[int]) -> None:
    """Passes signals on from our pipe; a zero in it only wakes a loop."""
    try:
        numbers = os.read(receiver, _MOST_AT_ONCE).replace(b"\0", b"")
    except BlockingIOError:
        return
    for descriptor in descriptors:
        if numbers and descriptor >= 0:
            with suppress(OSError):  # The program's pipe is full or closed.
                os.write(descriptor, numbers)


@contextmanager
def take_wakeup_fd(receiver: int, sender: int) -> Iterator[int]:
    """Signals go to a pipe of ours inside; gives the program's descriptor or -1."""
    programs = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    try:
        yield programs
    finally:
        try:
            signal.set_wakeup_fd(programs)
        except (ValueError, OSError):  # The program closed it meanwhile.
            signal.set_wakeup_fd(-1)
        forward_signals(receiver, [programs])


@contextmanager
def wakeup_pipe() -> Iterator[tuple[int, int]]:
    """Its receiver and sender; neither ever blocks."""
    receiver, sender = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield receiver, sender
    finally:
        os.close(receiver)
        os.close(sender)


def share_signals(loop: Any, receiver: int, sender: int, programs: int) -> None:
    """Shares signals between asyncio's running loop and the program.

    After the loop has made itself ready for signals; until it is closed.
    """
    loops = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    descriptors = [programs] if loops == sender else [programs, loops]
    loop.add_reader(receiver, forward_signals, receiver, descriptors)
