# SPDX-License-Identifier: BSD-3-Clause
"""What a device and the loops tell each other, without a device importing a loop.

Each kind of loop, the plain one and asyncio's, adds itself with add_kind(). A
device says here that it was registered, and that it is about to go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from pyfusd._callbacks import coroutine_callbacks
from pyfusd._core import DeviceCore


class Loop(Protocol):
    """A loop that serves devices in one thread."""

    #: Whether it takes devices with coroutine functions.
    awaits: bool

    def add(self, device: DeviceCore) -> None:
        """Serves one more device; called in the loop's thread."""


@dataclass(frozen=True)
class LoopKind:
    """What all loops of one kind have in common."""

    #: The loop of this kind that the calling thread runs, if it runs one.
    loop_of_thread: Callable[[], Loop | None]
    #: Inside, no loop of this kind watches the device, whatever its thread.
    stop_watching: Callable[[DeviceCore], AbstractContextManager[None]]


_kinds: list[LoopKind] = []


def add_kind(kind: LoopKind) -> None:
    """Makes a kind of loop known, when its module is imported."""
    _kinds.append(kind)


def _loop_of_thread() -> Loop | None:
    for kind in _kinds:
        loop = kind.loop_of_thread()
        if loop is not None:
            return loop
    return None


def check_loop_takes(device: object) -> None:
    """Raises TypeError for a device that cannot be registered here and now."""
    names = coroutine_callbacks(device)
    loop = _loop_of_thread() if names else None
    if loop is not None and not loop.awaits:
        raise TypeError(
            f"{type(device).__name__}.{names[0]}() is a coroutine function, and this "
            "thread's run() began without an event loop"
        )


def serve_registered(device: DeviceCore) -> None:
    """Serves a device that was registered in a callback of this thread's loop."""
    loop = _loop_of_thread()
    if loop is not None:
        loop.add(device)


@contextmanager
def stop_watching(device: DeviceCore) -> Iterator[None]:
    """Inside, no loop watches the device's descriptor, which is to be closed."""
    with ExitStack() as stack:
        # asyncio's first: another thread's event loop lets go in its own time.
        for kind in reversed(_kinds):
            stack.enter_context(kind.stop_watching(device))
        yield
