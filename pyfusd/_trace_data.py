# SPDX-License-Identifier: BSD-3-Clause
"""The bytes that a request carries: as many as a trace keeps, and their hexdump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyfusd._core import first_bytes, is_data

_ROW = 16


@dataclass(frozen=True)
class Excerpt:
    """The first of the bytes that went one way."""

    #: As many as the trace keeps.
    content: bytes
    #: How many more there were.
    left_out: int

    def as_dict(self) -> dict[str, Any]:
        """``hex``, which are the bytes, and ``left_out``."""
        return {"hex": self.content.hex(), "left_out": self.left_out}


def _excerpt_of(data: Any, size: int, limit: int) -> Excerpt:
    content = first_bytes(data, min(size, limit))
    return Excerpt(content, size - len(content))


def _excerpt_from_dict(fields: dict[str, Any] | None) -> Excerpt | None:
    if fields is None:
        return None
    return Excerpt(bytes.fromhex(fields["hex"]), fields["left_out"])


def _dump(sign: str, excerpt: Excerpt | None) -> Iterator[str]:
    if excerpt is None:
        return
    for start in range(0, len(excerpt.content), _ROW):
        row = excerpt.content[start : start + _ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {sign} {start:04x}  {row.hex(' '):{3 * _ROW - 1}}  {text}"
    if excerpt.left_out:
        yield f"  {sign} and {excerpt.left_out} bytes more"


@dataclass(frozen=True)
class Data:
    """What a read, a write or an ioctl carried. str() of it is a hexdump."""

    #: What came from the client: of a write, and of an ioctl that is IOW or IOWR.
    received: Excerpt | None
    #: What the client got: of a read, and of an ioctl that is IOR or IOWR. None if
    #: it got an error.
    sent: Excerpt | None

    def as_dict(self) -> dict[str, Any]:
        """Both, as dictionaries or None."""
        return {
            name: excerpt and excerpt.as_dict() for name, excerpt in vars(self).items()
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Data:
        """What as_dict() was called of."""
        return cls(*(_excerpt_from_dict(fields[name]) for name in ("received", "sent")))

    def __str__(self) -> str:
        return "\n".join([*_dump(">", self.received), *_dump("<", self.sent)])


class Carried:
    """The bytes of a request that the driver has not answered yet."""

    def __init__(
        self, buffer: memoryview, limit: int, *, comes: bool, goes: bool
    ) -> None:
        self._limit = limit
        self._received = _excerpt_of(buffer, len(buffer), limit) if comes else None
        # A view of our own: the callback may release the one that it was lent.
        self._buffer = memoryview(buffer) if goes else None

    def at_answer(self, result: Any, size: int | None) -> Data:
        """What it carried, now that it has a result: of size bytes, None for an error.

        While the buffer is what the client gets: in the callback, or as long as the
        request that holds it.
        """
        if self._buffer is None or size is None:
            return Data(self._received, None)
        source = result if is_data(result) else self._buffer
        return Data(self._received, _excerpt_of(source, size, self._limit))
