# SPDX-License-Identifier: BSD-3-Clause
"""The pytest plugin: the fixture fusd_device runs a driver for one test.

pytest finds it by itself once pyfusd is installed. docs/testing-with-mocks.md
shows it at work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from pyfusd._temporary import TemporaryDirectories
from pyfusd._testing.callback_limit import DEFAULT_SECONDS
from pyfusd._testing.drivers import ProcessDriver, RunningDriver, ThreadDriver
from pyfusd.device import Device

__all__ = ["RunningDriver", "StartDriver", "fusd_device"]

_TIMEOUT_OPTION = "fusd_callback_timeout"
_STARTED = pytest.StashKey[list[RunningDriver]]()
_DIRECTORIES = pytest.StashKey[TemporaryDirectories]()


class StartDriver(Protocol):
    """What the fixture fusd_device is: call it to run a driver."""

    def __call__(
        self,
        driver: Device | Callable[..., Device],
        *,
        process: bool = False,
        callback_timeout: float | None = None,
        **arguments: Any,
    ) -> RunningDriver:
        """Runs a driver until the test ends, as fusd_device() says."""


class _DevicesDirectory:
    """Where the fuse transport makes its files: made when first needed.

    In a short temporary directory, for clients that do not take long paths.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._made: str | None = None

    def _directories(self) -> TemporaryDirectories:
        stash = self._config.stash
        if _DIRECTORIES not in stash:
            stash[_DIRECTORIES] = TemporaryDirectories()
            self._config.add_cleanup(stash[_DIRECTORIES].close)
        return stash[_DIRECTORIES]

    def enter(self, stack: ExitStack) -> None:
        """Sets FUSD_DEV_ROOT until the stack unwinds, unless the user did."""
        if self._made or "FUSD_DEV_ROOT" in os.environ:
            return
        directories = self._directories()
        self._made = directories.make("fusd-")
        stack.callback(directories.remove, self._made)
        os.environ["FUSD_DEV_ROOT"] = os.path.join(self._made, "dev")
        stack.callback(os.environ.pop, "FUSD_DEV_ROOT", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _TIMEOUT_OPTION,
        "seconds that a callback of a driver in a test may take; 0: no limit",
        default=str(DEFAULT_SECONDS),
    )


def _callback_timeout(config: pytest.Config) -> float:
    # A developer who steps through a callback with a debugger takes longer.
    if config.getoption("usepdb", False) or config.getoption("trace", False):
        return 0.0
    return float(config.getini(_TIMEOUT_OPTION))


@pytest.fixture
def fusd_device(request: pytest.FixtureRequest) -> Iterator[StartDriver]:
    """Runs drivers until the test ends: ``fusd_device(Sensor).path``.

    ``fusd_device(driver, process=False, callback_timeout=None, **arguments)``
    takes a class derived from pyfusd.Device, or a function that makes a
    device, with its arguments by keyword; or a device, which must not be
    registered. A ``name`` that the
    class needs and nobody gave is made up, different in each call.

    The driver runs in a thread of the test's process, where the test can look
    at the device itself (``.device``), or with ``process=True`` in a process
    of its own; the class must then be at the top level of its file.

    The result has the ``path`` for the client, and is itself a path for
    open(). A callback that raises anything but OSError fails the test, unless
    the test itself takes the failures with ``take_failures()``. So does one that
    has not returned after *callback_timeout* seconds: its stack is shown, and
    its clients get EPIPE. The ini option ``fusd_callback_timeout`` sets that
    for all tests; else it is 5 s, and with 0, or pytest's ``--pdb``, there is
    no limit. After the test nothing is left: no device, no file, no process, and
    no thread but that of a callback that hangs.

    Raises what register() raises; TypeError for arguments that do not fit; with
    ``process=True`` also RuntimeError if the process does not start.
    """
    drivers: list[RunningDriver] = request.node.stash.setdefault(_STARTED, [])
    directory = _DevicesDirectory(request.config)
    with ExitStack() as stack:

        def start(
            driver: Device | Callable[..., Device],
            *,
            process: bool = False,
            callback_timeout: float | None = None,
            **arguments: Any,
        ) -> RunningDriver:
            __tracebackhide__ = True
            directory.enter(stack)
            if callback_timeout is None:
                callback_timeout = _callback_timeout(request.config)
            elif not isinstance(callback_timeout, (int, float)):
                raise TypeError(f"callback_timeout is no number: {callback_timeout!r}")
            if not isinstance(driver, Device) and not callable(driver):
                raise TypeError(
                    "fusd_device() takes a class derived from pyfusd.Device, a "
                    f"function that makes a device, or a device, not {driver!r}"
                )
            kind = ProcessDriver if process else ThreadDriver
            running = kind(driver, arguments, callback_timeout)
            # First, as Ctrl-C may come while it starts.
            stack.callback(running.stop)
            running.start()
            drivers.append(running)
            return running

        yield start


def _failures(item: pytest.Item) -> list[str]:
    """Stops the drivers of a test that ran; what went wrong in them."""
    drivers = item.stash.get(_STARTED, [])
    for driver in drivers:
        driver.stop()
    return [failure for driver in drivers for failure in driver.take_failures()]


def _headline(failure: str) -> str:
    """What pytest's summary shows of a failure: the exception of a traceback."""
    first, *more = failure.strip().splitlines()
    return more[-1] if any(line.startswith("Traceback ") for line in more) else first


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Fails the test itself, and not its clean-up, if its drivers failed."""
    outcome = yield
    failures = _failures(item)
    if not failures:
        return
    text = "\n\n".join(failures)
    if outcome.excinfo is None:
        headline = _headline(failures[0])
        error = pytest.fail.Exception(
            f"a driver failed: {headline}\n\n{text}", pytrace=False
        )
        outcome.force_exception(error)
    else:
        item.add_report_section("call", "failures of drivers", text)
