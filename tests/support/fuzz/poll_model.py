# SPDX-License-Identifier: BSD-3-Clause
"""What a poller has to be told, and what it must not be told.

Times are CLOCK_MONOTONIC's, which all processes share.
"""

from dataclasses import dataclass, field

from support.fuzz.poll_client import ERROR, EXCEPT, HANGUP, IN, OUT

#: What select(2) shows of a state in each of its sets.
SELECT = {IN: IN | HANGUP | ERROR, OUT: OUT | ERROR, EXCEPT: EXCEPT}


@dataclass
class Change:
    """Of an open file's state; it was seen by all when it was over."""

    began: float
    over: float
    file: int
    before: int
    after: int
    is_transfer: bool

    @property
    def risen(self):
        return self.after & ~self.before


@dataclass
class Transfer:
    began: float
    ended: float
    file: int
    kind: str


@dataclass
class Wait:
    began: float
    ended: float
    state: int  # that the client was told


@dataclass
class History:
    """All that happened since the pollers were made."""

    changes: list = field(default_factory=list)
    transfers: list = field(default_factory=list)

    def over(self, change):
        """When nobody could see the state before the change any more."""
        if not change.is_transfer:
            return change.over
        ends = [
            transfer.ended
            for transfer in self.transfers
            if transfer.file == change.file
            and transfer.began <= change.began <= transfer.ended
        ]
        return max(ends, default=float("inf"))

    def could_see(self, file, bits, since, until):
        """Whether one of the bits may have been seen in that time."""
        for change in self.changes:
            if change.file != file or change.began > until:
                continue
            if change.after & bits:
                return True
            if change.before & bits and self.over(change) >= since:
                return True
        return False

    def could_see_now(self, file, bits, since, until):
        """could_see(), but a bit that fell before does not count."""
        began = [c for c in self.changes if c.file == file and c.began <= until]
        return any(
            change.before & bits and self.over(change) >= since for change in began
        ) or (bool(began) and bool(began[-1].after & bits))

    def happened(self, file, since, until):
        """Whether anything changed, or was transferred, in that time."""
        return any(
            item.file == file and item.began <= until and end >= since
            for item, end in [
                *((change, self.over(change)) for change in self.changes),
                *((transfer, transfer.ended) for transfer in self.transfers),
            ]
        )


def interesting(poller, state):
    """Which of the state's bits it is told of; of select(2), the sets."""
    if poller.way == "select":
        return sum(
            bit for bit, shown in SELECT.items() if poller.mask & bit and state & shown
        )
    return state & (poller.mask | ERROR | HANGUP)


def is_due(poller, waits, state, history):
    """Whether a wait that goes on has to end, with nothing under way."""
    bits = interesting(poller, state)
    if poller.way != "edge" or not bits or not waits:
        return bool(bits)
    last = waits[-1]
    return any(
        change.risen & bits and (change.began > last.ended or bits & ~last.state)
        for change in history.changes
        if change.file == poller.file
    )


def complaint(poller, waits, history, is_strict):
    """Why the last of these waits should not have ended so; None if it should."""
    wait = waits[-1]
    see = history.could_see_now if is_strict else history.could_see
    for bit in (IN, OUT, EXCEPT, ERROR, HANGUP):
        bits = SELECT[bit] if poller.way == "select" and bit in SELECT else bit
        if wait.state & bit and not see(poller.file, bits, wait.began, wait.ended):
            return f"{bit:#x} was not there"
    if not wait.state:
        return "nothing was told"
    if wait.state & ~interesting(poller, 0x1F):
        return "told of what it did not ask for"
    back = 2 if is_strict else 3
    if poller.way == "edge" and len(waits) >= back:
        since = waits[-back].began
        if not history.happened(poller.file, since, wait.ended):
            return "nothing has happened since the last time"
    return None
