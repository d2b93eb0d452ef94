# SPDX-License-Identifier: BSD-3-Clause
"""Processes of drivers and clients, none of which outlives the benchmark."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import drivers
from benchmarks.cases import Case, Subject

sys.path.insert(0, str(drivers.TOP / "tests"))
from support.fork_server import ForkServer

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
#: How long a driver may take to end, and what it leaves to go, in seconds.
_PATIENCE, _SOON = 60, 3


class Failure(Exception):
    """A sentence for the user: the benchmark cannot go on."""


class NotOffered(Exception):
    """This build does not know an option."""


def end_with_parent(signal_number: int) -> None:
    """This process gets the signal when its parent ends, however that ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number)


def _prepare(core: int) -> None:
    """In a driver, before it becomes another program."""
    os.sched_setaffinity(0, {core})
    end_with_parent(signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals that end the benchmark do so afterwards: a process is half started."""
    pending: list[int] = []
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in pending:
            signal.raise_signal(number)


@dataclass
class Device:
    path: str
    #: Of the driver's process; 0 for a floor.
    pid: int


class Place:
    """Where drivers make their devices, under which names; and who starts processes.

    Drivers in Python are forked from a process that has imported everything, and
    clients from one that has started: in an emulated machine that takes long.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._number = 0
        self.server = ForkServer(
            drivers.python_modules(), drivers.python_programs(), own_session=True
        )
        self._clients = subprocess.Popen(
            [str(drivers.PROGRAMS / "client")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: end_with_parent(signal.SIGKILL),
        )

    def new_name(self) -> str:
        self._number += 1
        return f"bench-{os.getpid()}-{self._number}-"

    def ask_client(self, arguments: str) -> list[str]:
        """What a client prints, the last line being "ok" or "failed"."""
        assert self._clients.stdin and self._clients.stdout
        self._clients.stdin.write(f"{arguments}\n")
        self._clients.stdin.flush()
        lines = []
        for line in self._clients.stdout:
            lines.append(line.strip())
            if lines[-1] in ("ok", "failed"):
                return lines
        raise Failure("the client has ended")

    def stop(self) -> None:
        self.server.stop()
        self._clients.kill()  # With it goes a client that still asks.
        self._clients.communicate()


def _unmount_all(directory: str) -> None:
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        subprocess.run(
            ["fusermount3", "-u", "-q", "-z", path],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        with suppress(OSError):
            os.unlink(path)


def _wait_until_empty(directory: str) -> None:
    """Until all has gone, or nothing goes any more.

    A killed driver's device goes soon after it, not with it; that of a driver of
    others which was killed before it was ready stays.
    """
    left, end = len(os.listdir(directory)), time.monotonic() + _SOON
    while left and time.monotonic() < end:
        time.sleep(0.01)
        now = len(os.listdir(directory))
        if now < left:
            end = time.monotonic() + _SOON
        left = now


@contextmanager
def place() -> Iterator[Place]:
    """A directory for devices, which is gone after it with all that is in it."""
    directory = tempfile.mkdtemp(prefix="fusd-bench-")
    try:
        with uninterrupted():
            where = Place(directory)
        try:
            yield where
        finally:
            where.stop()
    finally:
        _wait_until_empty(directory)
        _unmount_all(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _end(process: Any) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def _start(where: Place, core: int, command: list[str], environment: dict) -> Any:
    if command[0] == sys.executable:
        process = where.server.start(*command[1:], environment=environment)
        os.sched_setaffinity(process.pid, {core})
        return process
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        # Ctrl-C is for the benchmark, which ends its drivers.
        start_new_session=True,
        preexec_fn=lambda: _prepare(core),
    )


def start_driver(
    stack: ExitStack, where: Place, core: int, subject: Subject, case: Case
) -> Device:
    """Runs a driver for this kind of case until the stack unwinds."""
    if subject.driver in drivers.FLOORS:
        return Device(subject.driver, 0)
    environment = {**os.environ, "FUSD_TRANSPORT": subject.transport}
    if subject.transport == "fuse":
        environment["FUSD_DEV_ROOT"] = where.directory
    command = drivers.command(subject, case, where.new_name(), where.directory)
    with uninterrupted():
        process = _start(where, core, command, environment)
        stack.callback(_end, process)
    path = process.stdout.readline().strip()
    if path:
        return Device(path, process.pid)
    if process.wait() == drivers.NOT_OFFERED:
        raise NotOffered
    raise Failure(f"the driver of {subject} did not start")


@dataclass
class Plan:
    """What a client does: see benchmarks/client.h."""

    core: int
    #: Round trips in a window.
    count: int
    time_us: int = 0
    warm_us: int = 0
    pause_us: int = 0


def measure(where: Place, device: Device, case: Case, plan: Plan) -> list[float]:
    """Microseconds of one round trip, in each window of a fresh client.

    Before these it makes some that do not count: caches get warm, and the
    scheduler settles which of two processes that wake each other goes first.
    """
    words = ["-u", plan.core, "-w", plan.warm_us, "-t", plan.time_us]
    words += ["-p", plan.pause_us, "-c", case.clients, "-d", case.devices]
    words += ["-f", case.files, device.path, case.operation, case.size, plan.count]
    lines = where.ask_client(" ".join(map(str, words)))
    if lines[-1] != "ok":
        raise Failure(f"a client of {device.path} failed at: {case}")
    return [float(line) for line in lines[:-1]]


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used until now."""
    # The number of its CPU clock, as the kernel codes it: CPUCLOCK_SCHED.
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    """The memory that a process has and shares with nobody."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    lines = (line.split() for line in text.splitlines()[1:])
    sizes = {words[0]: int(words[1]) for words in lines}
    return (sizes["Private_Clean:"] + sizes["Private_Dirty:"]) << 10
