# SPDX-License-Identifier: BSD-3-Clause
"""What others have named, printed so that it is only text.

Whoever may mount chooses a path, and whoever runs a program its name.
"""

from __future__ import annotations

import os


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    # What was no UTF-8 is a surrogate, os.fsencode() knows of which byte.
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
