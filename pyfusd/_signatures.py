# SPDX-License-Identifier: BSD-3-Clause
"""What the classes and functions that make devices take."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any


def parameters_of(maker: Any) -> Mapping[str, inspect.Parameter]:
    """What a class or function takes; nothing if it does not tell."""
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):
        return {}


def takes(maker: Any, name: str) -> bool:
    """Whether an argument may be given by keyword."""
    parameters = parameters_of(maker)
    return name in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in parameters.values()
    )


def needs(maker: Any, name: str) -> bool:
    """Whether an argument has to be given."""
    parameter = parameters_of(maker).get(name)
    return parameter is not None and parameter.default is inspect.Parameter.empty
