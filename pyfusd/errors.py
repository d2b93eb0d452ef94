# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong where nobody can catch it goes to the logger "pyfusd"."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("pyfusd")

# A syslog(3) priority, as libfusd passes them.
_LOG_WARNING = 4


def log_callback_failure(device: Any, operation: str, error: BaseException) -> None:
    """Logs, with its traceback, a callback's exception that is no OSError."""
    logger.error(
        "%s: %s() failed, its client gets an input/output error",
        device.path or device.name,
        operation,
        exc_info=error,
        # For handlers that want one device's failures only, as testing's does.
        extra={"fusd_device": device},
    )


def log_message(priority: int, message: str) -> None:
    """Logs a message of libfusd; its errors are raised too, so they whisper."""
    if priority == _LOG_WARNING:
        logger.warning("%s", message)
    else:
        logger.log(logging.DEBUG, "%s", message)
