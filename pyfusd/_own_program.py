# SPDX-License-Identifier: BSD-3-Clause
"""Other Python processes that run this very package: how they begin and end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

_TOP = str(Path(__file__).parent.parent)
_MOST_AT_ONCE = 4096


def own_program(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this very package.

    "python -m" would look for the package in the current directory first, where
    another one of that name may lie.
    """
    code = (
        f"import runpy, sys; sys.path[0] = {_TOP!r};"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-c", code, *arguments]


def _wait_for_end() -> None:
    # Not of sys.stdin.buffer, whose lock would abort an interpreter that ends.
    while os.read(0, _MOST_AT_ONCE):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def end_with_input() -> None:
    """Sends this process SIGTERM when its standard input ends, as with its parent."""
    threading.Thread(target=_wait_for_end, daemon=True).start()
