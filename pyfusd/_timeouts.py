# SPDX-License-Identifier: BSD-3-Clause
"""Held requests that answer themselves when their time is up.

One thread, begun by the first of them, waits for the next one that is due.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

# [when, a number to tell equal ones apart, the request, its errno]: a list, in
# which an answer puts None in the request's place. Entries without one leave the
# heap when they are due, or when it has doubled.
REQUEST = 2
_entries: list[list[Any]] = []
_numbers = count()
_change = threading.Condition()
_thread: threading.Thread | None = None
_FEW = 1000
_limit = _FEW


def fail_after(request: Any, seconds: float, error: int) -> list[Any]:
    """Answers a request with an errno, unless it leaves the result before that."""
    global _thread
    if math.isnan(seconds):
        raise ValueError("a timeout is a number of seconds, not nan")
    entry = [time.monotonic() + seconds, next(_numbers), request, error]
    with _change:
        heappush(_entries, entry)
        if len(_entries) > _limit:
            _forget_answered()
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(
                target=_fail_overdue, name="fusd-timeouts", daemon=True
            )
            _thread.start()
        elif _entries[0] is entry:
            _change.notify()
    return entry


def _forget_answered() -> None:
    global _limit
    _entries[:] = [entry for entry in _entries if entry[REQUEST] is not None]
    heapify(_entries)
    _limit = max(_FEW, 2 * len(_entries))


def _wait_for_overdue() -> list[Any]:
    with _change:
        while True:
            if not _entries:
                _change.wait()
                continue
            remaining = _entries[0][0] - time.monotonic()
            if remaining <= 0:
                return heappop(_entries)
            _change.wait(min(remaining, threading.TIMEOUT_MAX))


def _fail_overdue() -> None:
    while True:
        _, _, request, error = _wait_for_overdue()
        if request is not None:
            # Somebody else may be first, and the client may be gone.
            with suppress(RuntimeError, OSError):
                request.fail(error)
        del request


def forget_in_child() -> None:
    """The requests are answered by the parent, whose thread a child has not."""
    global _change, _thread
    _entries.clear()
    _change = threading.Condition()
    _thread = None
