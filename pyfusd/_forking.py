# SPDX-License-Identifier: BSD-3-Clause
"""A fork waits for the devices that other threads register and unregister.

Both take several steps. A child that was forked between two of them would have
a descriptor that libfusd does not know, and that keeps its parent's clients
waiting for it. A registration that blocks, as on a file system that does not
answer, is waited for no longer than SECONDS: then the child may have that.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: A registration takes some milliseconds, or many more on a busy machine.
SECONDS = 5.0


class _Changes:
    """The registrations and their ends that are under way."""

    def __init__(self) -> None:
        self.ended = threading.Condition()
        self.count = 0  # under the condition's lock, as all of these
        self.own = threading.local()
        self.fork_waits = False

    def own_count(self) -> int:
        """Those of this thread, which may fork in a logging handler."""
        return getattr(self.own, "count", 0)

    def begin(self) -> None:
        with self.ended:
            # A thread that registers again and again would never let the fork begin.
            while self.fork_waits and not self.own_count():
                self.ended.wait()
            self.count += 1
            self.own.count = self.own_count() + 1

    def end(self) -> None:
        with self.ended:
            self.count -= 1
            self.own.count -= 1
            self.ended.notify_all()


_changes = _Changes()


@contextmanager
def no_fork() -> Iterator[None]:
    """Inside, no other thread forks."""
    _changes.begin()
    try:
        yield
    finally:
        _changes.end()


def _wait_for_changes() -> None:
    _changes.ended.acquire()
    _changes.fork_waits = True
    end = time.monotonic() + SECONDS
    while _changes.count > _changes.own_count():
        remaining = end - time.monotonic()
        if remaining <= 0:
            break
        _changes.ended.wait(remaining)


def _resume_in_parent() -> None:
    _changes.fork_waits = False
    _changes.ended.notify_all()
    _changes.ended.release()


def _reset_in_child() -> None:
    """Only this thread is left."""
    own = _changes.own_count()
    _changes.__init__()  # type: ignore[misc]
    _changes.count = _changes.own.count = own


os.register_at_fork(
    before=_wait_for_changes,
    after_in_parent=_resume_in_parent,
    after_in_child=_reset_in_child,
)
