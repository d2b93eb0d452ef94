# SPDX-License-Identifier: BSD-3-Clause
"""Names that other users chose, printed so that they are only text.

A path is chosen by the user who mounts it, a program's name by the one who runs it.
"""

from __future__ import annotations

import os


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    # A byte that was no UTF-8 is a surrogate; os.fsencode() gives it back.
    if "\udc80" <= character <= "\udcff":
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
    return character.encode("unicode_escape").decode("ascii")


def printable(text: str) -> str:
    """A sentence whose control characters, and bytes that are no text, are escaped."""
    return text if text.isprintable() else "".join(map(_escape, text))


def quoted(name: str) -> str:
    """A name as it is; as $'...' of the shell if that could not be printed."""
    if name.isprintable():
        return name
    plain = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(plain)}'"
