# SPDX-License-Identifier: BSD-3-Clause
"""A program that runs while this process serves devices: a client, most likely."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from types import FrameType

from pyfusd._cli.support.failure import Failure
from pyfusd._run import serve
from pyfusd.device import Device

# As env(1), nohup(1) and shells say that a program could not be started.
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126

#: What ends a program and leaves it a say.
_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
#: Of these, what a terminal sends to all of its foreground, the program too.
_KEYS = (signal.SIGINT, signal.SIGQUIT)


def _is_in_foreground() -> bool:
    """Whether the terminal's keys reach this process and what it started."""
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False


#: How often the main thread is told again that the program has ended.
_AGAIN_SECONDS = 0.5
#: How long a callback that runs when a signal comes may go on.
_STUCK_SECONDS = 2.0


class Client:
    """Begins when the devices are served, and ends the serving with its own end.

    For the main thread. Signals for this process are the program's: what it does
    at them is seen by whether it ends. But in a request to a callback that does not
    return it may be deaf to them: such a callback is ended, and with it the serving.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._is_starting = False
        self._is_served = False
        self._devices: list[Device] = []
        #: A callback holds up a program that was to end.
        self._is_stuck = False
        #: The last signal that came before the program was there to get it.
        self._early: int | None = None

    def serve(self, devices: list[Device]) -> None:
        """Serves devices until the program ends, or until none is left.

        Raises Failure if it cannot be started, and what serving raises.
        """
        for number in _SIGNALS:
            # What is ignored, as after nohup(1), the program ignores too; but
            # SIGTERM is what _watch() wakes us with.
            ignored = signal.getsignal(number) == signal.SIG_IGN
            if number == signal.SIGTERM or not ignored:
                signal.signal(number, self._pass_on)
        self._is_served = True
        self._devices = devices
        try:
            serve(tuple(devices), lambda: self._start(devices[0].path))
        finally:
            self._is_served = False

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early = number
            if not self._is_starting:
                raise KeyboardInterrupt
        elif self._process.poll() is None and not self._is_stuck:
            if number not in _KEYS or not _is_in_foreground():
                self._process.send_signal(number)
            threading.Thread(target=self._look_for_stuck, daemon=True).start()
        elif self._is_served:
            self._is_served = False
            raise KeyboardInterrupt

    def _start(self, path: str) -> None:
        self._is_starting = True
        try:
            # Descriptors of ours close when it begins, all of them; those that the
            # shell gave us for it, as <(...) does, stay open.
            process = subprocess.Popen(
                self._command,
                env={**os.environ, "FUSD_DEVICE": path},
                close_fds=False,
            )
        except OSError as error:
            found = not isinstance(error, FileNotFoundError)
            raise Failure(
                f"{self._command[0]} cannot be started: {error.strerror}",
                _NOT_EXECUTABLE if found else _NOT_FOUND,
            ) from None
        finally:
            self._is_starting = False
        self._process = process
        threading.Thread(target=self._watch, args=(process.pid,), daemon=True).start()
        if self._early is not None:
            process.send_signal(self._early)

    def _watch(self, pid: int) -> None:
        """Wakes the main thread when the program ends, out of a callback too.

        Until it has noticed: a signal that comes right before a system call of a
        callback does not end that.
        """
        with suppress(ChildProcessError):  # Its status was taken already.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._end_serving()

    def _end_serving(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while self._is_served:
            signal.pthread_kill(main, signal.SIGTERM)
            time.sleep(_AGAIN_SECONDS)

    def _look_for_stuck(self) -> None:
        """Ends the serving if a callback runs now that does not return."""
        running = [
            (device, device._calls_begun)
            for device in self._devices
            if device._calls_begun != device._calls_ended
        ]
        time.sleep(_STUCK_SECONDS)
        if any(
            begun == device._calls_begun != device._calls_ended
            for device, begun in running
        ):
            self._is_stuck = True
            self._end_serving()

    def terminate(self) -> None:
        """Tells the program to end, since its devices have failed."""
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> int:
        """Waits for the program's end; its exit status, as shells give it."""
        if self._process is None:
            return 128 + (self._early or signal.SIGINT)
        status = self._process.wait()
        return status if status >= 0 else 128 - status
