# SPDX-License-Identifier: BSD-3-Clause
"""Linux character devices as ordinary Python programs."""

from pyfusd._core import (
    NOREPLY,
    NOTIFY_EXCEPT,
    NOTIFY_INPUT,
    NOTIFY_OUTPUT,
    File,
    Request,
    library_version,
    transport_problem,
)
from pyfusd.device import Device
from pyfusd.ioctl import IO, IOR, IOW, IOWR, IoctlNumber, ioctl
from pyfusd.loop import run

__version__ = library_version()

__all__ = [
    "IO",
    "IOR",
    "IOW",
    "IOWR",
    "NOREPLY",
    "NOTIFY_EXCEPT",
    "NOTIFY_INPUT",
    "NOTIFY_OUTPUT",
    "Device",
    "File",
    "IoctlNumber",
    "Request",
    "__version__",
    "ioctl",
    "library_version",
    "run",
    "transport_problem",
]
