# SPDX-License-Identifier: BSD-3-Clause
"""A time limit for each callback of a driver that is tested with."""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from collections.abc import Callable

from pyfusd.device import Device

#: The fixture's limit, unless the user sets another one.
DEFAULT_SECONDS = 5.0


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
        frame = sys._current_frames().get(self._thread or 0)
        stack = "".join(traceback.format_stack(frame)) if frame else "  unknown\n"
        self._report(
            f"{device.path}: a callback did not return within {self._seconds:g} s; "
            f"its device was taken away. It is here:\n{stack}"
        )
        self.is_exceeded.set()
        device.unregister()
