# SPDX-License-Identifier: BSD-3-Clause
"""fusd help: what --help says, for who writes it as a command."""

from __future__ import annotations

import argparse
from typing import Any

from pyfusd._cli.support.options import new_parser, offer


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "help", "Tell how a command is used. That is its --help."
    )
    about = parser.add_argument(
        "about", metavar="COMMAND", nargs="?", help="default: all commands, in short"
    )
    offer(about, commands.choices)
    parser.set_defaults(main=main)


def main(options: argparse.Namespace) -> int:
    words = [options.about] if options.about else []
    # This prints it, and ends with SystemExit.
    options.top.parse_args([*words, "--help"])
    return 0
