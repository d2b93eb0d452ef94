# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: drivers that run for a while, and the client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PROGRAMS = TOP / "build" / "benchmarks"
PYTHON_DRIVER = [sys.executable, str(TOP / "benchmarks" / "driver.py")]


def start_driver(stack: ExitStack, core: int, command: list[str], env: dict) -> str:
    """Runs a driver until the stack unwinds; returns its device's path."""
    driver = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    stack.callback(driver.wait)
    stack.callback(driver.terminate)
    path = driver.stdout.readline().strip()
    if not path:
        sys.exit(f"bench: {command[0]} did not start")
    return path


def measure(core: int, path: str, op: str, size: int, count: int) -> float:
    """The microseconds of one round trip; path may name a floor."""
    command = [str(PROGRAMS / "client"), path, op, str(size), str(count)]
    result = subprocess.run(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return float(result.stdout)


def machine() -> str:
    """What these figures are from, for who reads them elsewhere."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return f"{os.cpu_count()} CPUs ({model[1] if model else os.uname().machine}), " + (
        f"Linux {os.uname().release}"
    )


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
