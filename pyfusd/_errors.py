# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong where nobody can catch it goes to the logger "pyfusd"."""

from __future__ import annotations

import errno
import inspect
import logging
import os
import time
import traceback
from types import TracebackType
from typing import Any
from weakref import WeakSet

from pyfusd._notify import Notify

logger = logging.getLogger("pyfusd")

# A syslog(3) priority, as libfusd passes them.
_LOG_WARNING = 4


# What exceptions mean that were raised without an errno.
_ERRNOS: dict[type[BaseException], int] = {
    BlockingIOError: errno.EAGAIN,
    BrokenPipeError: errno.EPIPE,
    ConnectionAbortedError: errno.ECONNABORTED,
    ConnectionRefusedError: errno.ECONNREFUSED,
    ConnectionResetError: errno.ECONNRESET,
    FileExistsError: errno.EEXIST,
    FileNotFoundError: errno.ENOENT,
    InterruptedError: errno.EINTR,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
    PermissionError: errno.EACCES,
    ProcessLookupError: errno.ESRCH,
    TimeoutError: errno.ETIMEDOUT,
}
# Exceptions of modules that a driver need not import, by module and name. Newer
# versions of Python have TimeoutError itself under the names of the timeouts.
_ERRNOS_BY_NAME = {
    ("asyncio.exceptions", "CancelledError"): errno.ECANCELED,
    ("asyncio.exceptions", "TimeoutError"): errno.ETIMEDOUT,
    ("concurrent.futures._base", "CancelledError"): errno.ECANCELED,
    ("concurrent.futures._base", "TimeoutError"): errno.ETIMEDOUT,
    ("socket", "timeout"): errno.ETIMEDOUT,
}

#: The kernel takes none that is greater, and so no transport passes one on.
MAX_ERRNO = 4095


#: At least so long between two lines that say the same.
_SHORTAGE_SECONDS = 5.0
_last_shortage = -_SHORTAGE_SECONDS


def log_shortage(path: str) -> None:
    """Logs that a device's loop lacks memory: now and then, as it tries at once."""
    global _last_shortage
    now = time.monotonic()
    if now >= _last_shortage + _SHORTAGE_SECONDS:
        _last_shortage = now
        logger.error("%s: no memory, trying again", path)


class MappingError(ValueError):
    """A mmap() callback returned memory that clients cannot share."""


def _errno_of_class(kind: type[BaseException]) -> int | None:
    """What a class means, or the nearest class that it is derived from."""
    for base in kind.__mro__:
        number = _ERRNOS.get(base)
        if number is None:
            number = _ERRNOS_BY_NAME.get((base.__module__, base.__qualname__))
        if number is not None:
            return number
    return None


def errno_of(error: BaseException) -> int:
    """The errno that an exception means to a client; 0 if it means none."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return errno.EPIPE  # The driver's loop ends.
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        number = _errno_of_class(type(error))
    if isinstance(number, int) and 0 < number <= MAX_ERRNO:
        return number
    return 0


def _from_users_frame(place: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this package that lead to the callback.

    None if it has no others: then no line of the driver's raised it.
    """
    while place and place.tb_frame.f_globals.get("__name__", "").startswith("pyfusd."):
        place = place.tb_next
    return place


def _place_of_method(device: Any, operation: str) -> str:
    """As a traceback, for what a method has returned: no line of it raised that."""
    method: Any = getattr(device, operation, None)
    code = getattr(inspect.unwrap(method), "__code__", None) if method else None
    if code is None:
        return ""
    name = f"{type(device).__name__}.{operation}"
    where = traceback.FrameSummary(code.co_filename, code.co_firstlineno, name)
    header = "\nTraceback (most recent call last):\n"
    return (header + "".join(traceback.format_list([where]))).rstrip()


def logs_answers() -> bool:
    """Whether anybody wants what log_callback_answer() tells."""
    return logger.isEnabledFor(logging.DEBUG)


def log_callback_answer(device: Any, operation: str, error: BaseException) -> None:
    """Logs, for who looks closely, an exception that is an errno to the client."""
    logger.debug(
        "%s: %s() raised an errno for its client",
        device.path or device.name,
        operation,
        exc_info=(type(error), error, _from_users_frame(error.__traceback__)),
    )


def log_callback_failure(
    device: Any, operation: str, error: BaseException, number: int = errno.EIO
) -> None:
    """Logs, with its traceback, a callback's exception that means no errno."""
    place = _from_users_frame(error.__traceback__)
    logger.error(
        "%s: %s() failed, its client gets: %s%s",
        device.path or device.name,
        operation,
        os.strerror(number),
        "" if place else _place_of_method(device, operation),
        exc_info=(type(error), error, place),
        # A handler that wants one device's failures, as _testing's, compares this.
        extra={"fusd_device": device},
    )


def log_dropped_request(device: Any, operation: str, pid: int) -> None:
    """Logs that the last reference to a held request went without an answer."""
    logger.error(
        "%s: a held %s of process %d was dropped without an answer, its client "
        "gets: %s. Keep what file.hold() returns, and call its reply() or fail()",
        device.path or device.name,
        operation,
        pid,
        os.strerror(errno.EIO),
        extra={"fusd_device": device},
    )


_warned: WeakSet[type] = WeakSet()


def warn_of_plain_state(device: Any, number: int) -> None:
    """Warns, once for each class, of a state of poll() that may be select's."""
    if type(device) in _warned:
        return
    _warned.add(type(device))
    logger.warning(
        "%s: poll() returned the plain number %d, which is read as %s. Return what "
        "pyfusd.Notify has, whose values are not those of select's POLLOUT and POLLPRI",
        device.path or device.name,
        number,
        " | ".join(f"Notify.{one.name}" for one in Notify if one & number),
    )


def log_message(priority: int, message: str) -> None:
    """Logs a message of libfusd; its errors are raised too, so they whisper."""
    if priority == _LOG_WARNING:
        logger.warning("%s", message)
    else:
        logger.log(logging.DEBUG, "%s", message)
