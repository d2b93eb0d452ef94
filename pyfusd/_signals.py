# SPDX-License-Identifier: BSD-3-Clause
"""Signals that the program leaves to us."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def may_handle(number: int) -> bool:
    """Whether this is the main thread, and the program does nothing of its own."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) == signal.SIG_DFL
    )


@contextmanager
def sigint_waits() -> Iterator[None]:
    """A SIGINT that comes inside raises after it.

    For code that turns a KeyboardInterrupt into another exception.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt, unless the program handles it."""
    if not may_handle(signal.SIGTERM):
        yield
        return
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield
    finally:
        # Nobody else has taken it meanwhile.
        if signal.getsignal(signal.SIGTERM) == signal.default_int_handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
