# SPDX-License-Identifier: BSD-3-Clause
"""fusd doctor: which transports work here, and what would make the others work.

The reasons and the commands to try are libfusd's: each transport's check() has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

import pyfusd
from pyfusd._cli.support.layout import GREEN, RED, coloured, takes_colour, wrapped
from pyfusd._cli.support.options import (
    TRANSPORTS,
    add_json,
    new_parser,
    offer,
    parse_transport,
)
from pyfusd._cli.support.quoting import printable
from pyfusd._core import transport_advice, transport_summaries
from pyfusd._own_program import own_program
from pyfusd._temporary import temporary_directory

_TIMEOUT = 20
_INDENT = " " * 4


@dataclass(frozen=True)
class Diagnosis:
    """What doctor found out about one transport."""

    transport: str
    works: bool
    #: Why it does not, and what would help, with the commands; None if it works.
    problem: str | None
    #: The commands alone that would make it work, one of them or all in order.
    commands: list[str]


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "doctor",
        "Check which transports work here. For this user, on this machine: each "
        "that should is tried with a device of its own.",
        epilog="exit status: 0 if all transports that were named work, or, without "
        "a name,\nany does; 1 otherwise",
    )
    transports = parser.add_argument(
        "transports",
        nargs="*",
        type=parse_transport,
        metavar="TRANSPORT",
        help=f"one of {', '.join(TRANSPORTS)} (default: all)",
    )
    offer(transports, TRANSPORTS)
    add_json(parser, "a JSON array with one object a transport")
    parser.add_argument(
        "--no-colour",
        "--no-color",
        dest="colour",
        action="store_false",
        help="no colours on a terminal either; the environment's NO_COLOR says it "
        "for all programs",
    )
    parser.set_defaults(main=main)


def _try_device(transport: str) -> str | None:
    """Why a device on a transport does not work; None if it does."""
    command = own_program("pyfusd._cli.support.probe", transport)
    try:
        with temporary_directory("fusd-doctor-") as directory:
            probe = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="backslashreplace",
                timeout=_TIMEOUT,
                env={**os.environ, "FUSD_DEV_ROOT": f"{directory}/dev"},
            )
    except subprocess.TimeoutExpired:
        return f"a device did not answer within {_TIMEOUT} seconds"
    if probe.returncode == 0:
        return None
    lines = (probe.stdout + probe.stderr).strip().split("\n")
    return (
        lines[-1] if lines != [""] else f"a driver ended with status {probe.returncode}"
    )


def _find_problem(transport: str) -> str | None:
    try:
        return pyfusd.transport_problem(transport) or _try_device(transport)
    except OSError as error:
        return str(error)


def diagnose(transport: str) -> Diagnosis:
    """Whether a transport works, by trying it where nothing speaks against it."""
    problem = _find_problem(transport)
    commands = transport_advice(transport) if problem else []
    return Diagnosis(transport, problem is None, problem, commands)


def _distance(diagnosis: Diagnosis) -> tuple[bool, int]:
    """How far a transport is from being used here, for sorting.

    Of those that work "auto" takes the first. Of the others the last asks the least
    of a machine.
    """
    place = TRANSPORTS.index(diagnosis.transport)
    return not diagnosis.works, place if diagnosis.works else -place


def _print_diagnosis(diagnosis: Diagnosis, has_colour: bool) -> None:
    state = "works" if diagnosis.works else "does not work"
    summary = transport_summaries()[diagnosis.transport]
    text = f"{diagnosis.transport}: {state} ({summary})"
    heading = wrapped(text, sys.stdout, rest=_INDENT)
    if has_colour:
        colour = GREEN if diagnosis.works else RED
        heading = heading.replace(state, coloured(state, colour), 1)
    print(heading)
    if diagnosis.problem:
        print(wrapped(printable(diagnosis.problem), sys.stdout, _INDENT, _INDENT))


def main(options: argparse.Namespace) -> int:
    found = [diagnose(name) for name in options.transports or TRANSPORTS]
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        has_colour = options.colour and takes_colour(sys.stdout)
        for one in sorted(found, key=_distance):
            _print_diagnosis(one, has_colour)
    enough = all if options.transports else any
    return 0 if enough(one.works for one in found) else 1
