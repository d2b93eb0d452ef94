# SPDX-License-Identifier: BSD-3-Clause
"""Turns the comments of C headers, plain text, into reStructuredText.

The headers are written to be read as they are. What their comments' shape
means, "@name  text" for a parameter, "Errors:" for a list of errnos, a word
with "()" for a function, is made visible here, for Hawkmoth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PARAMETER = re.compile(r"@(\w+(?:, @\w+)*)\s+(.*)")
# Hawkmoth leaves it where a text's last line also ends the comment.
_LINE_PREFIX = re.compile(r"^\s*\* ")
_ERRNO_ROW = re.compile(r"\s+(E[A-Z0-9]+(?:, E[A-Z0-9]+)*)\s+(.*)")

# Each kind of word, and what it becomes. The first that matches wins.
_WORDS = (
    (r"\b(fusd_\w+)\(\)", r":c:func:`\1`"),
    (r"\bstruct (fusd_\w+)", r":c:struct:`struct \1 <\1>`"),
    (r"\b([a-z_]+\(\d\))", r":manpage:`\1`"),
    (r"(\bfusd_\w+\([^()]+\))", r"``\1``"),
    (r'("[^"\s]*")', r"``\1``"),
    (r"(-?\b_?[A-Z]{2,}_\w+\(\w+\)|-?\b_?[A-Z]{2,}_\w*)", r"``\1``"),
    (r"(\bE[A-Z0-9]{3,}\b|\bO_[A-Z]+\b)", r"``\1``"),
    (r"(\B\*\w+)", r"``\1``"),
    (r"(\b[a-z]+_\w+\b)", r"``\1``"),
    # A number that begins a text is no item of a list.
    (r"(^\d+\. )", r"\\\1"),
    (r"([\\*`|_])", r"\\\1"),
)
_WORD = re.compile("|".join(f"(?:{pattern})" for pattern, _ in _WORDS))


def _inline(text: str) -> str:
    """Marks up the words of a text."""

    def mark(match: re.Match[str]) -> str:
        for pattern, markup in _WORDS:
            if re.fullmatch(pattern, match[0]):
                return re.sub(pattern, markup, match[0])
        raise AssertionError(match[0])

    return _WORD.sub(mark, text)


def _rows(lines: list[str], start: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Joins lines to (name, text) pairs; those that match start begin one."""
    name, text = "", ""
    for line in lines:
        match = start.match(line)
        if match:
            if name:
                yield name, text
            name, text = match[1], match[2]
        else:
            text = f"{text} {line.strip()}"
    if name:
        yield name, text


def _parameters(lines: list[str]) -> list[str]:
    return [
        f":param {name}: {_inline(text)}"
        for names, text in _rows(lines, _PARAMETER)
        for name in names.split(", @")
    ]


def _error_table(lines: list[str]) -> list[str]:
    result = [":Errors:"]
    for name, text in _rows(lines, _ERRNO_ROW):
        names = ", ".join(f"``{one}``" for one in name.split(", "))
        result += [f"    {names}", f"        {_inline(text)}"]
    return result


def _text(lines: list[str]) -> list[str]:
    """A paragraph; what stands after "Errors:" or "Returns" is a field."""
    text = " ".join(line.strip() for line in lines)
    body, _, errors = text.partition("Errors: ")
    fields = [f":Errors: {_inline(errors)}"] if errors else []
    if body.startswith("Returns "):
        fields.insert(0, f":returns: {_inline(body[len('Returns ') :])}")
        body = ""
    return ([_inline(body), ""] if body.strip() else []) + fields


def _paragraph(lines: list[str]) -> list[str]:
    if lines[0].startswith("@"):
        return _parameters(lines)
    for number, line in enumerate(lines):
        rows = lines[number + 1 :]
        if line.endswith("Errors:") and rows and _ERRNO_ROW.match(rows[0]):
            before = [*lines[:number], line.removesuffix("Errors:")]
            return [*_text(before), *_error_table(rows)]
    return _text(lines)


def convert(
    _app: Any, lines: list[str], transform: str | None, _options: dict[str, Any]
) -> None:
    """Handles Hawkmoth's event: replaces the lines of one comment."""
    if transform != "header":
        return
    result: list[str] = []
    paragraph: list[str] = []
    lines[-1:] = [_LINE_PREFIX.sub("", last) for last in lines[-1:]]
    for line in [*lines, ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            result += [*_paragraph(paragraph), ""]
            paragraph = []
    lines[:] = result


def setup(app: Any) -> dict[str, Any]:
    app.connect("hawkmoth-process-docstring", convert)
    return {"parallel_read_safe": True}
