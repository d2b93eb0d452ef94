# SPDX-License-Identifier: BSD-3-Clause
"""What callbacks may return, for type checkers and for annotations.

``import pyfusd.results`` belongs under ``if TYPE_CHECKING:``: it needs
typing_extensions, as these have it and a driver need not.
"""

from __future__ import annotations

import mmap
from collections.abc import Awaitable
from typing import Literal, Protocol, Union

from typing_extensions import Buffer

from pyfusd._core import Request
from pyfusd._notify import Notify


class HasFileno(Protocol):
    """A file, or what is like one."""

    def fileno(self) -> int: ...


#: None or 0, a negative errno, or file.hold().
_Open = Union[int, Request, None]
#: The count of bytes or the bytes, a negative errno, or file.hold().
_Read = Union[int, Buffer, Request]
#: The count of bytes, a negative errno, or file.hold().
_Write = Union[int, Request]
#: None or an int of 0 or more, a negative errno, or file.hold().
_Ioctl = Union[int, Request, None]

#: The new position, a negative errno, or file.hold().
_Seek = Union[int, Request]

OpenResult = Union[_Open, Awaitable[_Open]]
ReadResult = Union[_Read, Awaitable[_Read]]
WriteResult = Union[_Write, Awaitable[_Write]]
IoctlResult = Union[_Ioctl, Awaitable[_Ioctl]]
SeekResult = Union[_Seek, Awaitable[_Seek]]
FlushResult = OpenResult
FsyncResult = OpenResult
#: Not every int: select's numbers are others.
PollResult = Union[Notify, Literal[0]]
MmapResult = Union[mmap.mmap, Buffer, HasFileno, int]
