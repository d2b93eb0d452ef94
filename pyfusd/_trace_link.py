# SPDX-License-Identifier: BSD-3-Clause
"""How `fusd trace` reaches a driver that runs already.

The tracer listens on an abstract socket that is named for the driver's process,
and sends that SIGURG, a signal that does nothing to who does not expect it.
run() does: it connects to the socket, makes sure that its own user or root is
at the other end, and sends each request as a message. So a driver that nobody
traces has no socket, no thread and no file for it, and the kernel decides who
may: those who may send the driver a signal.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyfusd import tracing
from pyfusd._core import registered_devices
from pyfusd._proc import signals_caught
from pyfusd._signals import may_handle

#: How long a driver gets to answer; its callbacks may be busy meanwhile.
ANSWER_SECONDS = 3.0
_MESSAGE_SIZE = 1 << 17
#: The most bytes of a request's data that a tracer may ask for. An ioctl shows its
#: own twice, before and after: in hexadecimal they fit into half a message.
MAX_DATA = 1 << 14
# What a tracer sends first: how many of these bytes it wants.
_WISH = struct.Struct("I")
# The first message names this many devices: their paths, of at most PATH_MAX
# bytes each, fit into _MESSAGE_SIZE.
_NAMED_DEVICES = 20
_PEER = struct.Struct("3i")
# kill(2) takes greater numbers, as negative ones, for groups of processes.
_MAX_PID = (1 << 31) - 1


def _address_of(pid: int) -> str:
    return f"\0fusd-trace/{pid}"


def _peer_of(connection: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid, uid, _ = _PEER.unpack(data)
    return pid, uid


# The driver's side.


class _Sender:
    """Sends calls to the tracer; never waits for it."""

    def __init__(self, connection: socket.socket) -> None:
        self.tracer = tracing.Tracer(self, self._data_limit)
        self._connection = connection
        self._lost = 0
        self._wish: int | None = None

    def _data_limit(self) -> int:
        """How many bytes the tracer wants to see: none until it has said so.

        It says so before it says that the trace has begun.
        """
        if self._wish is None:
            # BlockingIOError; or another error, which send() gets as well.
            with suppress(OSError, struct.error):
                (wish,) = _WISH.unpack(self._connection.recv(_WISH.size))
                self._wish = min(wish, MAX_DATA)
        return self._wish or 0

    def send(self, message: dict[str, Any]) -> None:
        if self._lost:
            message["lost"] = self._lost
        try:
            self._connection.send(json.dumps(message).encode())
            self._lost = 0
        except BlockingIOError:
            self._lost += 1
        except OSError:
            self._end()

    def _end(self) -> None:
        """The tracer is gone."""
        tracing.stop(self.tracer)
        self._connection.close()

    def __call__(self, call: tracing.Call) -> None:
        self.send(call.as_dict())


def _connect_to_tracer() -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.setblocking(False)
        connection.connect(_address_of(os.getpid()))
        if _peer_of(connection)[1] not in (0, os.geteuid()):
            raise PermissionError("another user's tracer")
    except OSError:
        connection.close()
        raise
    return connection


def _on_signal(number: int, frame: object) -> None:
    try:
        sender = _Sender(_connect_to_tracer())
    except OSError:
        return  # The signal was meant for something else.
    devices = [device.path for device in registered_devices()]
    tracing.start(sender.tracer)
    named = devices[:_NAMED_DEVICES]
    sender.send({"devices": named, "more": len(devices) - len(named)})


@contextmanager
def answer_tracers() -> Iterator[None]:
    """Inside, tracers are answered: in the main thread, if SIGURG is unused."""
    if not may_handle(signal.SIGURG):
        yield
        return
    signal.signal(signal.SIGURG, _on_signal)
    # A system call of a callback goes on after it as after nothing.
    signal.siginterrupt(signal.SIGURG, False)
    try:
        yield
    finally:
        signal.signal(signal.SIGURG, signal.SIG_DFL)


# The tracer's side.


def _listen_for_driver(pid: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(_address_of(pid))
        listener.listen(1)
        listener.settimeout(ANSWER_SECONDS)
    except OSError:
        listener.close()
        raise
    return listener


def _accept_driver(listener: socket.socket, pid: int) -> socket.socket:
    while True:
        connection, _ = listener.accept()
        if _peer_of(connection)[0] == pid:
            connection.settimeout(None)
            return connection
        connection.close()


def may_answer(pid: int) -> bool:
    """Whether a process handles the signal by which a driver is asked."""
    caught = signals_caught(pid)
    # Who may not look is told by attach_to_driver().
    return caught is None or signal.SIGURG in caught


@contextmanager
def attach_to_driver(pid: int, data: int) -> Iterator[socket.socket]:
    """Makes the driver with this pid send its calls; see read_message().

    Each call comes with the first data bytes of what it carried, MAX_DATA at most.

    Raises OSError: ESRCH, EPERM (another user's driver), EADDRINUSE (it is
    being traced), and socket.timeout (it is no Python driver in run()).
    """
    if not 0 < pid <= _MAX_PID:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    # Open as long as the trace: a second one must not take this one's place.
    with _listen_for_driver(pid) as listener:
        os.kill(pid, signal.SIGURG)
        with _accept_driver(listener, pid) as connection:
            with suppress(OSError):  # It has ended; there may be messages of it.
                connection.send(_WISH.pack(data))
            yield connection


def read_message(connection: socket.socket) -> dict[str, Any] | None:
    """The driver's next message: first its devices, then calls; None if it ended."""
    try:
        message = connection.recv(_MESSAGE_SIZE)
    except ConnectionResetError:
        return None
    return json.loads(message) if message else None
