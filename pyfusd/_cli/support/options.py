# SPDX-License-Identifier: BSD-3-Clause
"""Options that several commands of `fusd` have."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable
from typing import Any

from pyfusd._core import transport_summaries

#: In the order in which "auto" tries them.
TRANSPORTS = tuple(transport_summaries())

TARGET_HELP = (
    "FILE.py:CLASS or package.module:CLASS; without :CLASS, the only device class "
    "in it. CLASS may also be a device, or a function that returns one or a list"
)


def offer(argument: argparse.Action, offered: str | Iterable[str]) -> None:
    """Says what a shell offers for an argument: words, or a kind of them.

    For packaging/completion, which has the kinds. Words are for an argument that
    has no choices=, which argparse does not let an empty list have.
    """
    argument.offered = offered  # type: ignore[attr-defined]


def parse_mode(text: str) -> int:
    """Permission bits as chmod(1) takes them."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise argparse.ArgumentTypeError(f"{text!r} is no mode such as 666 or 0600")
    return mode


def parse_count(text: str, most: int) -> int:
    """A whole number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is no whole number from 1 to {most}"
        )
    return number


def add_driver_options(parser: argparse.ArgumentParser) -> None:
    """What run and trace need to make a device."""
    parser.add_argument(
        "--name",
        help="the device's name (default: the class's own, or what the class is "
        "called, in lower case)",
    )
    parser.add_argument(
        "--mode",
        type=parse_mode,
        help="permission bits in octal, such as 666 (default: the class's own, or 600)",
    )
    add_transport(parser)
    parser.add_argument(
        "-o",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of the class or function by keyword; VALUE is a Python "
        "literal, or else a string (may be repeated)",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="log also what callbacks raise for their clients to get as an errno",
    )


def parse_transport(text: str) -> str:
    """One that there is; for arguments that are a list, where choices= is none."""
    if text not in TRANSPORTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no transport: choose from {', '.join(TRANSPORTS)}"
        )
    return text


def add_transport(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--transport",
        choices=("auto", *TRANSPORTS),
        help="default: what FUSD_TRANSPORT says, or the first that works",
    )


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def new_parser(commands: Any, name: str, text: str, **more: Any) -> Any:
    """A command's parser; text is its description and, shortened, its help."""
    parser = commands.add_parser(
        name,
        help=text.split(".")[0].lower(),
        description=textwrap.fill(text, 79),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )
    parser.set_defaults(parser=parser)
    return parser
