# SPDX-License-Identifier: BSD-3-Clause
"""What a device's callbacks must be: what they take, and which may wait."""

from __future__ import annotations

import warnings
from inspect import getattr_static, iscoroutinefunction, isfunction, signature
from typing import Any, NamedTuple, TypeVar, cast

from pyfusd._ioctl import method_names


class Callback(NamedTuple):
    """One callback, by the name of its method."""

    #: What it is called with.
    arguments: tuple[str, ...]
    #: Whether it may be a coroutine function, whose request pyfusd.aio answers
    #: later; one that may not tells at once what is.
    may_wait: bool
    #: Its name in C, if that is another one.
    c_name: str | None = None
    #: Whether the kernel is told at registration that there is one, and calls none
    #: that comes later.
    is_told: bool = False


#: In the order of the extension's enum Operation; _trampolines.pxi calls them.
CALLBACKS = {
    "open": Callback(("file",), may_wait=True),
    "close": Callback(("file",), may_wait=True),
    "read": Callback(("file", "buf", "offset"), may_wait=True),
    "write": Callback(("file", "buf", "offset"), may_wait=True),
    "ioctl": Callback(("file", "request", "data"), may_wait=True),
    "poll": Callback(("file",), may_wait=False, c_name="poll_diff", is_told=True),
    "unblock": Callback(("file", "request"), may_wait=False),
    "mmap": Callback(("file", "offset", "length", "prot", "flags"), may_wait=False),
    "seek": Callback(("file", "offset", "whence"), may_wait=True, is_told=True),
    "flush": Callback(("file",), may_wait=True, is_told=True),
    "fsync": Callback(("file", "datasync"), may_wait=True, is_told=True),
}
_IOCTL_METHOD = Callback(("file", "data"), may_wait=True)
# "opne" and "open" share 3 of 4 letters in their order.
_ALIKE = 0.75


Function = TypeVar("Function")


class _Description:
    """A function that a class has, and its instances have not."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __get__(self, device: object, kind: type) -> Any:
        if device is None:
            return self._function
        name = self._function.__name__
        raise AttributeError(f"{kind.__name__!r} object has no callback {name!r}")


def described(function: Function) -> Function:
    """Decorates a method that says what a callback is, and is none."""
    return cast(Function, _Description(function))


def _names(may_wait: bool) -> list[str]:
    return [name for name, one in CALLBACKS.items() if one.may_wait is may_wait]


def _coroutine_functions(device: object, names: list[str]) -> list[str]:
    return [name for name in names if iscoroutinefunction(getattr(device, name, None))]


def _cannot_wait(device: object, name: str) -> TypeError:
    return TypeError(
        f"{type(device).__name__}.{name}() answers at once: it cannot be a coroutine "
        "function"
    )


def coroutine_callbacks(device: object) -> list[str]:
    """Their names; TypeError if there is one that must not wait."""
    refused = _coroutine_functions(device, _names(may_wait=False))
    if refused:
        raise _cannot_wait(device, refused[0])
    names = [*_names(may_wait=True), *method_names(device)]
    return _coroutine_functions(device, names)


def check_callback(device: object, name: str, callback: Any) -> None:
    """TypeError if it cannot be called with what it will be given."""
    if callback is None:
        return
    if not callable(callback):
        hint = "" if name in CALLBACKS else ": its method has to have another name"
        raise TypeError(
            f"{type(device).__name__}.{name} is {callback!r}, which cannot be called"
            + hint
        )
    arguments = CALLBACKS.get(name, _IOCTL_METHOD).arguments
    try:
        own = signature(callback)
    except (TypeError, ValueError):
        return  # Python cannot tell what a function in C takes.
    try:
        own.bind(*arguments)
    except TypeError:
        raise TypeError(
            f"{type(device).__name__}.{name}{own} is called with "
            f"({', '.join(arguments)}): it must take these"
        ) from None


def check_signatures(device: object) -> None:
    """TypeError if a callback cannot be called with what it will be given."""
    for name in (*CALLBACKS, *method_names(device)):
        check_callback(device, name, getattr(device, name, None))


def check_assigned(device: Any, name: str, callback: Any) -> None:
    """TypeError or RuntimeError if a registered device cannot get this callback."""
    check_callback(device, name, callback)
    kind = CALLBACKS.get(name, _IOCTL_METHOD)
    if not kind.may_wait and iscoroutinefunction(callback):
        raise _cannot_wait(device, name)
    if kind.is_told and callback is not None and name not in device._told:
        raise RuntimeError(
            f"{type(device).__name__} had no {name}() when it was registered, and its "
            "clients do not ask for one: define one before"
        )


def warn_of_misspelt(device_class: type) -> None:
    """Warns of methods that look like a callback that the class does not have."""
    for name, method in vars(device_class).items():
        if name.startswith("_") or not isfunction(method):
            continue
        meant = _meant_by(name, method)
        if meant and not _defines(device_class, meant):
            warnings.warn(
                f"{device_class.__name__}.{name}() is no callback: nobody calls it. "
                f"Is {meant}() meant?",
                RuntimeWarning,
                stacklevel=3,
            )


def _defines(device_class: type, name: str) -> bool:
    callback = getattr_static(device_class, name, None)
    return callback is not None and not isinstance(callback, _Description)


def _meant_by(name: str, method: Any) -> str | None:
    """The callback that this may be, by its name and what it takes."""
    if name in CALLBACKS or hasattr(method, "_pyfusd_ioctls"):
        return None
    code = method.__code__
    alike = [
        callback
        for callback, one in CALLBACKS.items()
        if code.co_argcount == len(one.arguments) + 1  # and self
        and (abs(len(name) - len(callback)) <= 1 or name == one.c_name)
    ]
    for callback in alike:
        if name == CALLBACKS[callback].c_name:
            return callback
        # "opens" is a name of its own.
        if not name.startswith(callback) and _is_alike(name, callback):
            return callback
    return None


def _is_alike(name: str, callback: str) -> bool:
    from difflib import SequenceMatcher  # Few need it.

    return SequenceMatcher(None, name.lower(), callback).ratio() >= _ALIKE
