# SPDX-License-Identifier: BSD-3-Clause
"""The manual's pages, taken apart into their code blocks.

A comment in the line above a block says what it is: "set-up" for a session that
changes the machine, "on kfusd" for one of that transport, and

    <!-- excerpt ../examples/python/echo.py | class Echo | if __name__ -->

for a part of a file, from the first line that contains one text up to the first
after it that contains the other, so that pages can be read without Sphinx. This
program writes the excerpts anew:
    PYTHONPATH=tests python tests/support/pages.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from support import TOP

DOCS = TOP / "docs"
PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if "_build" not in page.parts
)

# The mark of sessions that change the machine, which no test runs.
SET_UP = "set-up"
# Those that may have sessions; the start page has the README's.
WITH_README = ["../README.md", *PAGES]

_FENCE = re.compile(r"^( *)(`{3,}|:{3,})(.*)$")
_MARK = re.compile(r"^ *<!-- (.*) -->$")
_FILE_NAME = re.compile(r"^(?:# |/\* )([\w-]+\.\w+)(?: \*/)?\n")
_OPTION = re.compile(r"^:([a-z-]+): *(.*)$")


@dataclass
class Block:
    """One fenced block: ```kind argument, or ```{kind} argument with options."""

    kind: str
    argument: str
    line: int
    options: dict[str, str] = field(default_factory=dict)
    text: str = ""
    #: What the comment above says; "" without one.
    mark: str = ""

    @property
    def language(self) -> str:
        """What the block is written in; "" if it is no code."""
        if self.kind == "code-block":
            return self.argument
        return "" if self.is_directive else self.kind

    is_directive: bool = False

    @property
    def file(self) -> str:
        """The name of the file that this is, as its first line says; or ""."""
        match = _FILE_NAME.match(self.text)
        return match[1] if match and self.language in ("python", "c") else ""


def _opening(line: str, number: int) -> tuple[str, str, Block] | None:
    match = _FENCE.match(line)
    if not match:
        return None
    indent, fence, info = match.groups()
    directive = re.match(r"\{([\w:-]+)\} *(.*)", info.strip())
    if directive:
        return (
            indent,
            fence,
            Block(directive[1], directive[2], number, is_directive=True),
        )
    return indent, fence, Block(info.strip(), "", number)


def blocks_of(page: str) -> Iterator[Block]:
    """The blocks of a page, those inside others too."""
    yield from _blocks((DOCS / page).read_text(encoding="utf-8").splitlines(), 1)


def _blocks(lines: list[str], first: int) -> Iterator[Block]:
    position = 0
    while position < len(lines):
        opening = _opening(lines[position], first + position)
        position += 1
        if opening is None:
            continue
        indent, fence, block = opening
        if position > 1 and (mark := _MARK.match(lines[position - 2])):
            block.mark = mark[1]
        body = []
        start = first + position
        while lines[position].strip() != fence:
            body.append(lines[position].removeprefix(indent))
            position += 1
        position += 1
        while block.is_directive and body and _OPTION.match(body[0]):
            name, value = _OPTION.match(body.pop(0)).groups()
            block.options[name] = value
            start += 1
        block.text = "\n".join(body).strip("\n") + "\n"
        yield block
        if block.is_directive and not block.language:
            yield from _blocks(body, start)


def sessions_of(page: str) -> dict[str, list[Block]]:
    """The console blocks of a page, by the transport they are about."""
    result: dict[str, list[Block]] = {}
    for block in blocks_of(page):
        if block.language == "console" and block.mark != SET_UP:
            transport = block.mark.removeprefix("on ") or "fuse"
            result.setdefault(transport, []).append(block)
    return result


def files_of(page: str) -> dict[str, Block]:
    """The files that a page's sessions use, by their names."""
    return {block.file: block for block in blocks_of(page) if block.file}


def excerpt(page: str, mark: str) -> str:
    """What a mark says that its block is: "excerpt FILE | START | END"."""
    path, *bounds = (part.strip() for part in mark.split(" ", 1)[1].split("|"))
    text = (DOCS / page).parent.joinpath(path).read_text(encoding="utf-8")
    lines = text.splitlines()
    first = _line_with(bounds[0], lines, 0) if bounds else 0
    last = _line_with(bounds[1], lines, first + 1) if bounds[1:] else len(lines)
    return "\n".join(lines[first:last]).rstrip() + "\n"


def _line_with(text: str, lines: list[str], start: int) -> int:
    for number in range(start, len(lines)):
        if text in lines[number]:
            return number
    raise ValueError(f"no line from {start + 1} on has {text!r}")


def _with_excerpts(page: str, text: str) -> str:
    def written(match: re.Match[str]) -> str:
        indent, mark, opening, fence = match.groups()
        body = "".join(
            f"{indent}{line}".rstrip() + "\n"
            for line in excerpt(page, mark).splitlines()
        )
        return f"{indent}<!-- {mark} -->\n{opening}\n{body}{indent}{fence}\n"

    pattern = (
        r"^(?P<indent> *)<!-- (?P<mark>excerpt .*) -->\n"
        r"(?P<open> *(?P<fence>`{3,})\w+)\n(?s:.*?)^ *(?P=fence)\n"
    )
    return re.sub(pattern, written, text, flags=re.M)


if __name__ == "__main__":
    for page in PAGES:
        path = DOCS / page
        old = path.read_text(encoding="utf-8")
        path.write_text(_with_excerpts(page, old), encoding="utf-8")
