# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes that mypy finds: each line with a comment, and no other. Never run."""

from __future__ import annotations

import pyfusd
from pyfusd.testing import StartDriver


def devices() -> None:
    pyfusd.Device()  # call-arg
    pyfusd.Device("name", "0666")  # arg-type
    pyfusd.Device("name", 0o666, "fuse")  # call-arg
    pyfusd.Device("name").path = "/dev/other"  # misc
    pyfusd.Device("name").no_such_method()  # attr-defined
    pyfusd.transport_problem(1)  # arg-type


def requests(request: pyfusd.Request) -> None:
    request.reply("text")  # arg-type
    request.fail(None)  # arg-type
    request.done = True  # misc


def numbers() -> None:
    pyfusd.IOR("t", 1)  # call-arg
    pyfusd.IO("t", "1")  # arg-type
    pyfusd.ioctl("TCGETS")  # arg-type


def mocks(fusd_device: StartDriver) -> None:
    fusd_device("sensor")  # arg-type
    fusd_device(pyfusd.Device, True)  # call-arg


class Final(pyfusd.File):  # misc
    pass
