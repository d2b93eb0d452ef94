# SPDX-License-Identifier: BSD-3-Clause
"""Keeps a driver's file from serving its devices while `fusd run` only loads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ServingTooEarly(RuntimeError):
    """A driver's file serves its devices while somebody else only loads it."""


_is_loading = False


@contextmanager
def loading() -> Iterator[None]:
    """What is imported inside may define devices, and may not serve them."""
    global _is_loading
    _is_loading = True
    try:
        yield
    finally:
        _is_loading = False


def check_may_serve() -> None:
    """Raises ServingTooEarly inside loading()."""
    if _is_loading:
        raise ServingTooEarly("put that under \"if __name__ == '__main__':\"")
