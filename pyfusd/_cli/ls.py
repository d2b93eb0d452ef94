# SPDX-License-Identifier: BSD-3-Clause
"""fusd ls: the devices of this machine."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from pyfusd._cli.support import listing
from pyfusd._cli.support.options import add_json, new_parser
from pyfusd._cli.support.quoting import quoted

_EPILOG = """\
A device is dead if the process that registered it is gone. On fuse that is also
shown for a driver that forked after it had registered the device. On kfusd it
means that clients still have the device open.
"""

_COLUMNS = ("DEVICE", "TRANSPORT", "PID", "COMMAND", "OPEN", "STATE")


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "ls",
        "List the devices of this machine. Shows each device's path, transport, "
        "driver, number of open descriptors, and state; '-' is what this user cannot "
        "see.",
        epilog=_EPILOG,
    )
    add_json(parser, "a JSON array with one object a device")
    parser.set_defaults(main=main)


def _make_row(entry: listing.Entry) -> tuple[str, ...]:
    command = None if entry.command is None else quoted(entry.command)
    values = (quoted(entry.path), entry.transport, entry.pid, command, entry.opens)
    state = "live" if entry.alive else "dead"
    return (*("-" if value is None else str(value) for value in values), state)


def main(options: argparse.Namespace) -> int:
    found = listing.list_devices()
    if options.json:
        print(json.dumps([asdict(entry) for entry in found], indent=1))
        return 0
    rows = [_COLUMNS, *map(_make_row, found)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
        print(line.rstrip())
    return 0
