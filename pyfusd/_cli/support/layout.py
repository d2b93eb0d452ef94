# SPDX-License-Identifier: BSD-3-Clause
"""How the command's output is laid out: on a terminal as that wants it."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from typing import TextIO

#: Where there is no terminal, lines do not depend on one.
_WIDTH = 79

_QUOTED = re.compile(r'"[^"]*"')
#: textwrap breaks no line here.
_FIXED_SPACE = "\N{NO-BREAK SPACE}"

GREEN = 32
RED = 31


def wrapped(text: str, output: TextIO, first: str = "", rest: str = "") -> str:
    """A paragraph for a file, no wider than its terminal; what its lines begin with.

    What stands in quotation marks, as a command that somebody copies, stays in a line.
    """
    return textwrap.fill(
        _QUOTED.sub(lambda quoted: quoted[0].replace(" ", _FIXED_SPACE), text),
        shutil.get_terminal_size().columns if output.isatty() else _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,  # They are paths and options.
        break_on_hyphens=False,
    ).replace(_FIXED_SPACE, " ")


def takes_colour(output: TextIO) -> bool:
    """Whether a file is a terminal whose user has nothing against colours."""
    # https://no-color.org
    is_able = output.isatty() and os.environ.get("TERM") != "dumb"
    return is_able and not os.environ.get("NO_COLOR")


def coloured(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"
