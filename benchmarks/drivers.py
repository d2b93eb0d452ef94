# SPDX-License-Identifier: BSD-3-Clause
"""Who is measured: how each driver starts, and what is missing for it here."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pyfusd
from benchmarks.cases import Case, Subject

TOP = Path(__file__).resolve().parent.parent
PROGRAMS = TOP / "build" / "benchmarks"
#: What a driver ends with that does not know an option.
NOT_OFFERED = 3

#: Of ours in Python: the arguments beside the name.
_PYTHON = {
    "python": [],
    "asyncio": ["--loop", "asyncio"],
    "async def": ["--kind", "coroutines"],
    "python filling": ["--kind", "filling"],
    "python copying": ["--kind", "copying"],
    "python refusing": ["--kind", "refusing"],
    "python raising": ["--kind", "raising"],
}
OURS = {"c", *_PYTHON}
#: Programs of others that are Python packages of this name.
PACKAGES = ("mfusepy", "pyfuse3")
#: Floors, which are no drivers: the client measures them by itself.
FLOORS = {"pipe", "eventfd"}
_DEVICE_FILES = {"fuse": "/dev/fuse", "cuse": "/dev/cuse"}


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def python_programs() -> list[Path]:
    """The drivers in Python that can run here."""
    programs = [TOP / "benchmarks" / "driver.py"]
    installed = filter(_is_installed, PACKAGES)
    return programs + [TOP / "benchmarks" / f"{name}_driver.py" for name in installed]


def python_modules() -> list[str]:
    """What they import."""
    ours = ["argparse", "asyncio", "inspect", "pyfusd", "pyfusd.aio"]
    return [*ours, *filter(_is_installed, PACKAGES)]


def lacks(subject: Subject, case: Case) -> bool:
    """Whether it has no such operation."""
    if subject.driver == "eventfd":  # It carries no bytes.
        return (case.operation, case.size) not in (("read", 1), ("write", 1))
    missing = {"pyfuse3": ("ioctl", "poll"), "mfusepy": ("poll",)}
    # What a coroutine that is asked for the state would be is none: poll() is plain.
    missing["async def"] = ("poll",)
    return case.operation in missing.get(subject.driver, ())


def problem(subject: Subject) -> str:
    """Why it cannot be measured here; "" if it can."""
    if subject.driver in FLOORS:
        return ""
    if subject.driver in OURS:
        return pyfusd.transport_problem(subject.transport) or ""
    if subject.driver in PACKAGES and not _is_installed(subject.driver):
        return f'{subject.driver} is not installed: "tools/setup bench" says why'
    file = _DEVICE_FILES[subject.transport]
    if not os.access(file, os.R_OK | os.W_OK):
        return f"{file} is not there, or not for this user"
    return ""


def command(subject: Subject, case: Case, name: str, directory: str) -> list[str]:
    """The command of a driver for this kind of case, whose device has the name."""
    option, _, value = subject.option.partition("=")
    if subject.driver == "c":
        arguments = ["-n", str(case.devices), *(["-p"] if case.is_polled else [])]
        if option:
            arguments += [{"max_transfer": "-t", "spin_us": "-s"}[option], value]
        return [str(PROGRAMS / "driver"), *arguments, name]
    if subject.driver in _PYTHON:
        arguments = [*_PYTHON[subject.driver], "--devices", str(case.devices)]
        if case.is_polled:
            arguments += ["--kind", "polled"]
        if option:
            arguments += [f"--{option}", value]
        return [sys.executable, f"{TOP}/benchmarks/driver.py", *arguments, name]
    if subject.driver in PACKAGES:
        program = f"{TOP}/benchmarks/{subject.driver}_driver.py"
        return [sys.executable, program, f"{directory}/{name}"]
    polled = ["-p"] if case.is_polled else []
    if subject.transport == "cuse":
        return [str(PROGRAMS / "libfuse_cuse_driver"), *polled, name]
    return [str(PROGRAMS / "libfuse_driver"), *polled, f"{directory}/{name}"]
