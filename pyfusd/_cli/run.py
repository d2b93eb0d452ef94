# SPDX-License-Identifier: BSD-3-Clause
"""fusd run: serves a driver's devices until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import Any

from pyfusd._cli.support import loading
from pyfusd._cli.support.options import TARGET_HELP, add_driver_options, new_parser
from pyfusd._run import run
from pyfusd.device import Device


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "run",
        "Run a driver. Prints NAME: PATH for each device, and serves until Ctrl-C or "
        "SIGTERM.",
        epilog="example:\n  fusd run echo.py:Echo --name echo --mode 666",
    )
    parser.add_argument("target", metavar="TARGET", help=TARGET_HELP)
    add_driver_options(parser)
    parser.set_defaults(main=main)


def _tell_systemd(state: str) -> None:
    """sd_notify(3), if a service manager started the driver and listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # an abstract name
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)


def _serve(devices: list[Device]) -> None:
    _tell_systemd("READY=1")
    run(*devices)


def main(options: argparse.Namespace) -> int:
    loading.run_driver(options, sys.stdout, _serve)
    return 0
