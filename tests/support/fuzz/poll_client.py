# SPDX-License-Identifier: BSD-3-Clause
"""The pollers: threads of client processes, each of which does as it is told.

A poller has a descriptor, a way to wait, and the events that it waits for; one
with an epoll keeps that. It answers with ("waited", began, ended, events or None
if it was called off, transfers), where a transfer is (began, ended, "read" or
"write").
"""

import os
import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

#: What a client sees of each bit of the state.
EVENTS = (
    (0x1, select.POLLIN),
    (0x2, select.POLLOUT),
    (0x4, select.POLLPRI),
    (0x8, select.POLLERR),
    (0x10, select.POLLHUP),
)
IN, OUT, EXCEPT, ERROR, HANGUP = (bit for bit, _ in EVENTS)

#: Ways to wait: the flags of an epoll, or None.
WAYS = {
    "poll": None,
    "select": None,
    "epoll": 0,
    "edge": select.EPOLLET,
    "oneshot": select.EPOLLONESHOT,
    "edge oneshot": select.EPOLLET | select.EPOLLONESHOT,
}


@dataclass(frozen=True)
class Poller:
    """What a poller is."""

    file: int  # which open file
    descriptor: int
    process: int
    way: str
    mask: int  # of the state's bits


def as_events(state):
    return sum(event for bit, event in EVENTS if state & bit)


def as_state(events):
    return sum(bit for bit, event in EVENTS if events & event)


class Waiter:
    def __init__(self, poller, channel):
        self.poller = poller
        self.channel = channel
        self.events = as_events(poller.mask)
        self.flags = WAYS[poller.way]
        if self.flags is not None:
            self.epoll = select.epoll()
            self.epoll.register(channel.fileno(), select.EPOLLIN)
            self.is_registered = False

    def wait(self):
        """The state's bits that woke it; None if it was called off."""
        if self.poller.way == "poll":
            ready = self.wait_poll()
        elif self.poller.way == "select":
            ready = self.wait_select()
        else:
            ready = self.wait_epoll()
        return ready.get(self.poller.descriptor)

    def wait_poll(self):
        poller = select.poll()
        poller.register(self.channel.fileno(), select.POLLIN)
        poller.register(self.poller.descriptor, self.events)
        return {fd: as_state(events) for fd, events in poller.poll()}

    def wait_select(self):
        ours, device, mask = self.channel.fileno(), self.poller.descriptor, 0
        sets = [[device] if self.poller.mask & bit else [] for bit in (IN, OUT, EXCEPT)]
        ready = select.select([ours, *sets[0]], *sets[1:])
        for bit, found in zip((IN, OUT, EXCEPT), ready, strict=True):
            mask |= bit if device in found else 0
        return {device: mask} if mask else {ours: IN}

    def wait_epoll(self):
        device = self.poller.descriptor
        if not self.is_registered:
            self.epoll.register(device, self.events | self.flags)
            self.is_registered = True
        elif self.flags & select.EPOLLONESHOT:
            self.epoll.modify(device, self.events | self.flags)
        return {fd: as_state(events) for fd, events in self.epoll.poll()}

    def drain(self, state, until):
        """Reads and writes what is ready, all of it if until is None."""
        transfers = []
        with suppress(BlockingIOError):
            while state & IN and len(transfers) != until:
                transfers.append(self.transfer("read"))
        with suppress(BlockingIOError):
            while state & OUT and len(transfers) != until:
                transfers.append(self.transfer("write"))
        return [*transfers, *self.failed]

    def transfer(self, kind):
        began = time.monotonic()
        try:
            if kind == "read":
                os.read(self.poller.descriptor, 8)
            else:
                os.write(self.poller.descriptor, b"x")
        except BlockingIOError:
            self.failed.append((began, time.monotonic(), kind))
            raise
        return began, time.monotonic(), kind

    def obey(self):
        while True:
            command, *arguments = self.channel.recv()
            self.failed = []
            if command == "transfer":
                transfers = self.drain(*arguments)
                self.channel.send(("transferred", transfers))
            elif command == "wait":
                began = time.monotonic()
                state = self.wait()
                ended = time.monotonic()
                until = arguments[0]
                transfers = [] if until == 0 else self.drain(state or 0, until)
                self.channel.send(("waited", began, ended, state, transfers))


def run(pollers, channels):
    """The threads of one client process, which ends with their channels."""

    def obey(waiter):
        with suppress(EOFError, OSError):
            waiter.obey()

    threads = [
        threading.Thread(target=obey, args=(Waiter(poller, channel),))
        for poller, channel in zip(pollers, channels, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)
