# SPDX-License-Identifier: BSD-3-Clause
"""Drivers that the pytest plugin runs, in a thread or in a process."""

from __future__ import annotations

import inspect
import itertools
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyfusd._errors import logger
from pyfusd._own_program import own_program
from pyfusd._run import serve
from pyfusd._signatures import (
    call_maker,
    default_name,
    maker_name,
    takes_argument,
)
from pyfusd._testing.callback_limit import CallbackLimit
from pyfusd.device import Device

#: How long a driver gets to start, and to end.
SECONDS = 30.0
#: A driver that fails at each request says the same again and again.
MOST_FAILURES = 20

_numbers = itertools.count()


class RunningDriver:
    """A driver that the fixture fusd_device runs."""

    #: Where clients find the device.
    path: str
    #: The transport it is on.
    transport: str
    #: The process it runs in.
    pid: int

    def __init__(self) -> None:
        #: Appended to by other threads, of callbacks or of the process's reports.
        self._failures: list[str] = []

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path

    @property
    def device(self) -> Any:
        """The Device itself; AttributeError for one in a process of its own."""
        raise AttributeError("the device lives in another process: use process=False")

    def start(self) -> None:
        """Starts the driver, and waits until clients can open its device.

        Whatever this raises, also Ctrl-C: stop() ends what was begun.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Ends the driver and takes the device away; more than once is fine."""
        raise NotImplementedError

    def take_failures(self) -> list[str]:
        """What callbacks raised so far, as tracebacks, and how the driver's
        process ended if that was not in order; the test does not fail for these."""
        failures = self._failures[:]
        del self._failures[: len(failures)]
        return failures


class FailureHandler(logging.Handler):
    """Collects the log's exceptions of one device's callbacks."""

    def __init__(self, device: Device, sink: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._device = device
        self._sink = sink
        self._left = MOST_FAILURES
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "fusd_device", None) is not self._device or not self._left:
            return
        self._left -= 1
        self._sink(self.format(record))


def make_device(driver: Any, arguments: dict[str, Any]) -> Device:
    """The device of a class, a function, or itself."""
    __tracebackhide__ = True  # What pytest shows ends in the test's own call.
    if isinstance(driver, Device):
        if arguments:
            raise TypeError("arguments are for a class; a device has its own already")
        return driver
    for key in arguments:
        if not takes_argument(driver, key):
            raise TypeError(
                f"{maker_name(driver)}() takes no argument {key!r}: give it an "
                "__init__() that does, or pass a device that you made"
            )
    name = default_name(driver, f"-{os.getpid()}-{next(_numbers)}")
    device = call_maker(driver, arguments, name, {})
    if not isinstance(device, Device):
        raise TypeError(f"{driver!r} makes {device!r}, which is no pyfusd.Device")
    return device


class ThreadDriver(RunningDriver):
    """Serves a device in a thread of this process."""

    def __init__(
        self, driver: Any, arguments: dict[str, Any], callback_timeout: float
    ) -> None:
        __tracebackhide__ = True
        super().__init__()
        self._device = make_device(driver, arguments)
        self._limit = CallbackLimit(
            self._device, callback_timeout, self._failures.append
        )
        self._error: BaseException | None = None
        self._is_started = False
        self._is_ready = threading.Event()
        self._handler = FailureHandler(self._device, self._failures.append)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.pid = os.getpid()

    def start(self) -> None:
        logger.addHandler(self._handler)
        self._is_started = True
        self._thread.start()
        is_ready = self._is_ready.wait(SECONDS)
        if self._error or not is_ready:
            self.stop()
            raise self._error or TimeoutError(
                f"the device was not registered within {SECONDS:.0f} s"
            )
        self.path = self._device.path
        self.transport = self._device.transport

    @property
    def device(self) -> Any:
        return self._device

    def _serve(self) -> None:
        self._limit.start(threading.get_ident())
        try:
            serve((self._device,), self._is_ready.set)
        except BaseException as error:
            self._error = error
            if self._is_ready.is_set():
                self._failures.append(f"run() ended: {error!r}")
        finally:
            self._is_ready.set()

    def stop(self) -> None:
        # An interrupted start() left the thread on its way to register.
        if self._is_started:
            self._is_ready.wait(SECONDS)
        self._device.unregister()
        end = time.monotonic() + SECONDS
        while self._thread.is_alive() and not self._limit.is_exceeded.is_set():
            self._thread.join(0.1)
            if time.monotonic() > end:
                self._failures.append(f"a callback did not end within {SECONDS:.0f} s")
                break
        self._limit.stop()
        logger.removeHandler(self._handler)


def _find_source(driver: Any) -> tuple[str, str]:
    """The file and the name in it by which another process finds a class."""
    name = getattr(driver, "__qualname__", "")
    if isinstance(driver, Device) or not name or "<" in name:
        raise TypeError(
            f"process=True needs a class or function at the top level of a file, not "
            f"{driver!r}: move it there"
        )
    return str(Path(inspect.getfile(driver)).resolve()), name


class ProcessDriver(RunningDriver):
    """Runs a driver in a Python process of its own."""

    def __init__(
        self, driver: Any, arguments: dict[str, Any], callback_timeout: float
    ) -> None:
        super().__init__()
        file, name = _find_source(driver)
        order = {
            "file": file,
            "module": driver.__module__,
            "name": name,
            "callback_timeout": callback_timeout,
        }
        self._order = json.dumps(order).encode() + b"\n" + pickle.dumps(arguments)
        self._events: list[dict[str, Any]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._is_ready = threading.Event()

    def start(self) -> None:
        receiver, sender = os.pipe()
        self._reports = os.fdopen(receiver, encoding="utf-8")
        try:
            self._process = subprocess.Popen(
                own_program("pyfusd._testing.driver_process", str(sender)),
                stdin=subprocess.PIPE,
                pass_fds=[sender],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                # The terminal's Ctrl-C is pytest's; the driver ends after it.
                start_new_session=True,
            )
        finally:
            os.close(sender)
        self.pid = self._process.pid
        try:
            self._reader.start()
            self._begin(self._process)
        except BaseException:
            self.stop()
            raise

    def _begin(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # The process failed to start, and reports why.
            process.stdin.write(self._order)
            process.stdin.flush()
        self._is_ready.wait(SECONDS)
        for event in self._events:
            if event["event"] == "ready":
                self.path, self.transport = event["path"], event["transport"]
                return
            if event["event"] == "error":
                raise OSError(event["errno"], event["text"])
        reason = "\n".join(self.take_failures()) or "it said nothing"
        raise RuntimeError(f"the driver's process did not start: {reason}")

    def _read(self) -> None:
        for line in self._reports:
            event = json.loads(line)
            if event["event"] == "failure":
                self._failures.append(event["text"])
            else:
                self._events.append(event)
                self._is_ready.set()
        self._is_ready.set()

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        if process.stdin.closed:
            return
        # The end of its input is its end too, also if this process is killed.
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if self._reader.is_alive():
            self._reader.join(SECONDS)
        self._reports.close()
        if status < 0:
            name = signal.Signals(-status).name
            self._failures.append(f"the driver's process was ended by {name}")
        elif status > 0:
            self._failures.append(f"the driver's process ended with status {status}")
