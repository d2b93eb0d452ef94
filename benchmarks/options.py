# SPDX-License-Identifier: BSD-3-Clause
"""What the commands have in common: their options, and how they end."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from benchmarks.cases import Group, quickly
from benchmarks.drivers import TOP
from benchmarks.processes import Failure

#: With --tiny, no case has more of anything.
_TINY_MOST = 4
#: Measured by no group: see benchmarks/endurance.py.
MEMORY = "memory"


def new_parser(
    name: str, description: str, groups: tuple[Group, ...]
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description)
    names = [*(group.name for group in groups), MEMORY]
    parser.add_argument(
        "--quick", action="store_true", help="fewer sizes and round trips"
    )
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="next to nothing: whether all works; the figures mean nothing",
    )
    parser.add_argument(
        "--only",
        metavar="GROUP,...",
        type=lambda text: text.split(","),
        default=names,
        help=f"of: {', '.join(names)}",
    )
    parser.add_argument(
        "--requests",
        type=int,
        help="how many one driver answers while its memory is watched; "
        "10000000 is what the verdict takes",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=TOP / "build" / f"{name}.json",
        help="JSON file (default: %(default)s)",
    )
    return parser


def check(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    groups: tuple[Group, ...],
) -> None:
    unknown = set(options.only) - {group.name for group in groups} - {MEMORY}
    if unknown:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    if options.requests is not None and options.requests < 1:
        parser.error("--requests must be at least 1")


def chosen(options: argparse.Namespace, groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """The groups that the options ask for, with their rounds."""
    result = []
    for group in groups:
        if group.name not in options.only:
            continue
        if options.tiny:
            cases = [
                case
                for case in group.cases
                if max(case.clients, case.devices, case.files) <= _TINY_MOST
            ]
            group = replace(group, rounds=1, clients_each=1, cases=tuple(cases))
        elif options.quick:
            group = quickly(group)
        result.append(group)
    return tuple(result)


def arguments() -> str:
    """How make was given the options that matter to the figures."""
    words = sys.argv[1:]
    if "--output" in words:
        place = words.index("--output")
        del words[place : place + 2]
    return f' ARGS="{" ".join(words)}"' if words else ""


def machine() -> str:
    """What these figures are from, for who reads them elsewhere."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    return (
        f"{os.cpu_count()} CPUs ({model[1] if model else os.uname().machine}), "
        f"Linux {os.uname().release}"
    )


def _end(*_: object) -> NoReturn:
    sys.exit(143)


def run_command(name: str, main: Callable[[], None]) -> NoReturn:
    """Runs it; a signal unwinds it, so that it leaves nothing behind."""
    signal.signal(signal.SIGTERM, _end)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Failure as failure:
        sys.exit(f"{name}: {failure}")
    sys.exit(0)
