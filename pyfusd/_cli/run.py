# SPDX-License-Identifier: BSD-3-Clause
"""fusd run: serves a driver's devices until Ctrl-C, or while a command runs."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import Any

from pyfusd._cli.support import loading
from pyfusd._cli.support.client import Client
from pyfusd._cli.support.options import (
    TARGET_HELP,
    add_driver_options,
    new_parser,
    offer,
)
from pyfusd._run import run
from pyfusd.device import Device

_EPILOG = """\
With a COMMAND, fusd starts it when the devices can be opened, serves them
until it ends, and exits with its status. The lines NAME: PATH then are on
standard error, and the command has the first device's path in $FUSD_DEVICE.
Signals go to the command; a callback that runs then and does not return within
2 s is ended by KeyboardInterrupt, as by Ctrl-C without a COMMAND. Quote what is
for the command's shell: $FUSD_DEVICE is not set in yours.

examples:
  fusd run echo.py:Echo --name echo --mode 666
  fusd run echo.py --transport fuse clock.py
  fusd run echo.py -- sh -c 'echo hello > $FUSD_DEVICE; cat $FUSD_DEVICE'
"""


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "run",
        "Run a driver, or several. Prints NAME: PATH for each device, and serves until "
        "Ctrl-C or SIGTERM.",
        usage="%(prog)s [-h] [OPTION]... TARGET... [-- COMMAND [ARG]...]",
        epilog=_EPILOG,
    )
    targets = parser.add_argument(
        "targets", metavar="TARGET", nargs="+", help=TARGET_HELP
    )
    offer(targets, "driver_file")
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


def _run_with_client(options: argparse.Namespace) -> int:
    client = Client(options.client)
    try:
        loading.run_drivers(options.targets, options, sys.stderr, client.serve)
    except BaseException:
        client.terminate()
        client.wait()
        raise
    return client.wait()


def main(options: argparse.Namespace) -> int:
    if len(options.targets) > 1 and (
        options.name is not None or options.mode is not None or options.settings
    ):
        options.parser.error(
            "--name, --mode and -o are for one TARGET: start a fusd run for each. A "
            "COMMAND comes after --"
        )
    if options.client:
        return _run_with_client(options)
    loading.run_drivers(options.targets, options, sys.stdout, _serve)
    return 0
