# SPDX-License-Identifier: BSD-3-Clause
"""The states that poll() answers with."""

from __future__ import annotations

from enum import IntFlag


class Notify(IntFlag):
    """What holds of an open file, for poll() to return, or-ed together.

    The values are those of C's FUSD_NOTIFY_INPUT and its siblings, and not those
    of select's POLLOUT and POLLPRI, although they look like them.
    """

    #: There is something to read: a client's POLLIN.
    INPUT = 1
    #: A write finds room: POLLOUT.
    OUTPUT = 2
    #: Something out of the ordinary: POLLPRI.
    EXCEPT = 4
    #: It broke: POLLERR.
    ERROR = 8
    #: It was unplugged: POLLHUP.
    HANGUP = 16

    # The result is enum's, ten times as fast: drivers or states in each poll().
    def __or__(self, other: int) -> Notify:
        try:
            return _STATES[int.__or__(self, other)]
        except (IndexError, TypeError):
            return super().__or__(other)

    __ror__ = __or__


_STATES: list[Notify] = []
_STATES.extend(Notify(value) for value in range(32))

NOTIFY_INPUT = Notify.INPUT
NOTIFY_OUTPUT = Notify.OUTPUT
NOTIFY_EXCEPT = Notify.EXCEPT
NOTIFY_ERROR = Notify.ERROR
NOTIFY_HANGUP = Notify.HANGUP
