# SPDX-License-Identifier: BSD-3-Clause
"""The manual's pages, taken apart into their code blocks."""

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

_FENCE = re.compile(r"^( *)(`{3,}|:{3,})(.*)$")
_OPTION = re.compile(r"^:([a-z-]+): *(.*)$")


@dataclass
class Block:
    """One fenced block: ```kind argument, or ```{kind} argument with options."""

    kind: str
    argument: str
    line: int
    options: dict[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def language(self) -> str:
        """What the block is written in; "" if it is no code."""
        if self.kind == "code-block":
            return self.argument
        return "" if self.is_directive else self.kind

    is_directive: bool = False


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
