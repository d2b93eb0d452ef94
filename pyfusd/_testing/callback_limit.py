# SPDX-License-Identifier: BSD-3-Clause
"""A time limit for each callback of a driver that is tested with."""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import takewhile
from types import FrameType

from pyfusd.device import Device

#: The fixture's limit, unless the user sets another one.
DEFAULT_SECONDS = 5.0


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("pyfusd.")


def _stack_of_callback(thread: int | None) -> str:
    """Where a thread is, from its callback on; all of it if that has no frame."""
    frame = sys._current_frames().get(thread or 0)
    if frame is None:
        return "  unknown\n"
    frames = [one for one, _ in traceback.walk_stack(frame)]
    callback = list(takewhile(lambda one: not _is_ours(one), frames)) or frames
    places = ((one, one.f_lineno) for one in reversed(callback))
    return "".join(traceback.StackSummary.extract(places).format())


class CallbackLimit:
    """Watches the callbacks of one device, which one thread serves.

    One that does not return in time is reported with its stack, and its device
    is unregistered: clients that wait for it get EPIPE.
    """

    def __init__(
        self, device: Device, seconds: float, report: Callable[[str], object]
    ) -> None:
        self._device = device
        self._seconds = seconds
        self._report = report
        self._thread: int | None = None
        self._is_stopped = threading.Event()
        #: Set once a callback was reported; its thread may never end.
        self.is_exceeded = threading.Event()

    def start(self, thread: int) -> None:
        """Begins to watch; *thread* is the identifier of the one that serves."""
        self._thread = thread
        if 0 < self._seconds < math.inf:
            threading.Thread(
                target=self._watch, name="fusd-callback-limit", daemon=True
            ).start()

    def stop(self) -> None:
        self._is_stopped.set()

    def _watch(self) -> None:
        interval = min(0.2, self._seconds / 5)
        begun, since = -1, 0.0
        while not self._is_stopped.wait(interval):
            now = time.monotonic()
            if begun != self._device._calls_begun:
                begun, since = self._device._calls_begun, now
            elif begun == self._device._calls_ended:
                since = now
            elif now - since >= self._seconds:
                self._exceed()
                return

    def _exceed(self) -> None:
        device = self._device
        self._report(
            f"{device.path}: a callback did not return within {self._seconds:g} s; "
            "its device was taken away. It is here:\n"
            f"{_stack_of_callback(self._thread)}"
        )
        self.is_exceeded.set()
        device.unregister()
