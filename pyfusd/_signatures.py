# SPDX-License-Identifier: BSD-3-Clause
"""What the classes and functions that make devices take."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Mapping
from typing import Any


def parameters_of(maker: Any) -> Mapping[str, inspect.Parameter]:
    """What a class or function takes; nothing if it does not tell."""
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):
        return {}


def takes_argument(maker: Any, name: str) -> bool:
    """Whether an argument may be given by keyword."""
    parameters = parameters_of(maker)
    return name in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in parameters.values()
    )


def takes_positions(maker: Any) -> bool:
    """Whether it takes any number of arguments by position."""
    kinds = [parameter.kind for parameter in parameters_of(maker).values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds


def needs_argument(maker: Any, name: str) -> bool:
    """Whether an argument has to be given."""
    parameter = parameters_of(maker).get(name)
    return parameter is not None and parameter.default is inspect.Parameter.empty


def required_arguments(maker: Any) -> list[str]:
    """The arguments that have to be given, and can be given by keyword."""
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return [
        name
        for name, parameter in parameters_of(maker).items()
        if parameter.kind in kinds and needs_argument(maker, name)
    ]


# FUSD_MAX_NAME_LENGTH of fusd_msg.h, which does not count the null character.
_NAME_BYTES = 47


def maker_name(maker: Any) -> str:
    while isinstance(maker, functools.partial):
        maker = maker.func
    name: str = getattr(maker, "__name__", type(maker).__name__)
    return name


def default_name(maker: Any, ending: str = "") -> str:
    """What a device is called whose name nobody gave, cut to where it fits."""
    name = maker_name(maker).lower()
    room = _NAME_BYTES - len(ending)
    return os.fsencode(name)[:room].decode(errors="ignore") + ending


def call_maker(
    maker: Any, arguments: dict[str, Any], name: str, options: dict[str, Any]
) -> Any:
    """Calls maker with the arguments, those options that it takes, and a name.

    What takes ``**kw`` does not tell what it passes on: an option that it gives
    itself is left out, and the name is given once it turns out to be missing.
    """
    __tracebackhide__ = True  # In a test, pytest shows the caller.
    given = dict(arguments)
    for key, value in options.items():
        if value is not None and takes_argument(maker, key):
            given.setdefault(key, value)
    if needs_argument(maker, "name"):
        given.setdefault("name", name)
    try_name = [] if "name" in given else [name]
    first: list[str] = []
    while True:
        try:
            return maker(*first, **given)
        except TypeError as error:
            twice = re.search(r"multiple values .*argument '(\w+)'", str(error))
            key = twice[1] if twice else ""
            if key in given and key not in arguments:
                del given[key]
            elif try_name and re.search(r"missing .*'name'", str(error)):
                if takes_argument(maker, "name"):
                    given["name"] = try_name.pop()
                elif takes_positions(maker):
                    first = [try_name.pop()]
                else:
                    raise
            else:
                raise
