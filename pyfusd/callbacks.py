# SPDX-License-Identifier: BSD-3-Clause
"""What a device's callbacks must be: what they take, and which may wait."""

from __future__ import annotations

from inspect import iscoroutinefunction, signature

from pyfusd.ioctl import method_names

_ARGUMENTS = {
    "open": ("file",),
    "close": ("file",),
    "read": ("file", "buf", "offset"),
    "write": ("file", "buf", "offset"),
    "ioctl": ("file", "request", "data"),
    "poll": ("file",),
    "unblock": ("file", "request"),
    "mmap": ("file", "offset", "length", "prot", "flags"),
}
_IOCTL_METHOD_ARGUMENTS = ("file", "data")

#: These may be coroutine functions: pyfusd.aio answers their requests later.
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


def check_signatures(device: object) -> None:
    """TypeError if a callback cannot be called with what it will be given."""
    taken = {
        **_ARGUMENTS,
        **dict.fromkeys(method_names(device), _IOCTL_METHOD_ARGUMENTS),
    }
    for name, arguments in taken.items():
        callback = getattr(device, name, None)
        if callback is None:
            continue
        try:
            own = signature(callback)
        except (TypeError, ValueError):
            continue  # Of what is written in C, Python does not know.
        try:
            own.bind(*arguments)
        except TypeError:
            raise TypeError(
                f"{type(device).__name__}.{name}{own} is called with "
                f"({', '.join(arguments)}): it must take these"
            ) from None
