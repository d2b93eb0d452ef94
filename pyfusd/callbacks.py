# SPDX-License-Identifier: BSD-3-Clause
"""Which of a device's callbacks are coroutine functions."""

from __future__ import annotations

from inspect import iscoroutinefunction

from pyfusd.ioctl import method_names

#: These may be: pyfusd.aio answers their requests later.
_MAY_WAIT = ("open", "close", "read", "write", "ioctl")
#: These tell what is, at once.
_MAY_NOT_WAIT = ("poll", "unblock", "mmap")


def _coroutine_functions(device: object, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if iscoroutinefunction(getattr(device, name, None))]


def coroutine_callbacks(device: object) -> list[str]:
    """Their names; TypeError if there is one that must not wait."""
    refused = _coroutine_functions(device, _MAY_NOT_WAIT)
    if refused:
        raise TypeError(
            f"{type(device).__name__}.{refused[0]}() answers at once: it cannot be "
            "a coroutine function"
        )
    return _coroutine_functions(device, (*_MAY_WAIT, *method_names(device)))
