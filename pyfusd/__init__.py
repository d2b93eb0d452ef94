# SPDX-License-Identifier: BSD-3-Clause
"""Linux character devices as ordinary Python programs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from pyfusd._core import (
        NOREPLY,
        File,
        Request,
        library_version,
        transport_problem,
    )
except ModuleNotFoundError as error:
    if error.name != "pyfusd._core":
        raise
    raise ImportError(
        f'{__path__[0]} is pyfusd\'s source, which is not built: run "make demo" '
        "there and use build/venv/bin/python, or work in another directory if pyfusd "
        "is installed"
    ) from None
except ImportError as error:
    if "libfuse3" not in str(error):
        raise
    raise ImportError(
        f"{error}: pyfusd, which was built here without it, needs libfuse3: run "
        '"apt install fuse3" (Debian, Ubuntu) or "dnf install fuse3-libs" (Fedora) '
        "as root, or install a wheel of pyfusd that has it inside"
    ) from error
from pyfusd._ioctl import IO, IOR, IOW, IOWR, IoctlNumber, ioctl, ioctl_family
from pyfusd._notify import (
    NOTIFY_ERROR,
    NOTIFY_EXCEPT,
    NOTIFY_HANGUP,
    NOTIFY_INPUT,
    NOTIFY_OUTPUT,
    Notify,
)
from pyfusd._run import run
from pyfusd.device import Device

if TYPE_CHECKING:
    from pyfusd import aio as aio

__version__ = library_version()

__all__ = [
    "IO",
    "IOR",
    "IOW",
    "IOWR",
    "NOREPLY",
    "NOTIFY_ERROR",
    "NOTIFY_EXCEPT",
    "NOTIFY_HANGUP",
    "NOTIFY_INPUT",
    "NOTIFY_OUTPUT",
    "Device",
    "File",
    "IoctlNumber",
    "Notify",
    "Request",
    "__version__",
    "ioctl",
    "ioctl_family",
    "library_version",
    "run",
    "transport_problem",
]


def __getattr__(name: str) -> Any:
    """pyfusd.aio, when it is first used: asyncio takes its time to import."""
    if name == "aio":
        return import_module("pyfusd.aio")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
