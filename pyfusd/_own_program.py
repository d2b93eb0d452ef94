# SPDX-License-Identifier: BSD-3-Clause
"""Other Python processes that run this very package."""

from __future__ import annotations

import sys
from pathlib import Path

_TOP = str(Path(__file__).parent.parent)


def own_program(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this very package.

    Unlike that of "python -m", whatever lies in the current directory.
    """
    code = (
        f"import runpy, sys; sys.path[0] = {_TOP!r};"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-c", code, *arguments]
