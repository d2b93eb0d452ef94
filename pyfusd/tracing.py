# SPDX-License-Identifier: BSD-3-Clause
"""Tracing: shows each request of a device, its caller, its answer, its time.

A device that is not traced pays nothing: tracing puts wrappers in the place of
the callbacks that the extension calls, and takes them out again.

    with pyfusd.tracing.trace(print):
        pyfusd.run(Echo("echo"))
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any
from weakref import WeakKeyDictionary

from pyfusd._callbacks import CALLBACKS
from pyfusd._core import (
    NOTIFY_ERROR,
    NOTIFY_EXCEPT,
    NOTIFY_HANGUP,
    NOTIFY_INPUT,
    NOTIFY_OUTPUT,
    DeviceCore,
    File,
    Request,
    Retry,
    is_data,
    is_held,
    registered_devices,
)
from pyfusd._errors import errno_of, logger
from pyfusd._ioctl import IoctlNumber, directions_of, find
from pyfusd._proc import process_name
from pyfusd._trace_data import Carried, Data, Excerpt

__all__ = ["Call", "Data", "Excerpt", "trace"]

_STATES = ((NOTIFY_INPUT, "R"), (NOTIFY_OUTPUT, "W"), (NOTIFY_EXCEPT, "E"))
_RARE_STATES = ((NOTIFY_ERROR, "X"), (NOTIFY_HANGUP, "H"))  # shown if they hold
_FLAGS = ("APPEND", "CREAT", "DIRECT", "EXCL", "NOFOLLOW", "NONBLOCK", "SYNC", "TRUNC")


@dataclass(frozen=True)
class Call:
    """One request that a driver answered."""

    #: When it reached the driver, in seconds since the epoch.
    time: float
    #: The device's path.
    device: str
    #: "open", "read", "ioctl" ...: the name of the callback.
    operation: str
    #: The client's thread; for a close on cuse and fuse, the thread that opened.
    pid: int
    #: The name of its program; "?" if it is gone.
    command: str
    #: Its user.
    uid: int
    #: The open file's flags (os.O_NONBLOCK ...), of an open.
    flags: int | None
    #: The bytes that a read may give, a write brings, or an ioctl carries.
    size: int | None
    #: The file position of a read or write, or what a seek asks for, in bytes.
    offset: int | None
    #: The request number of an ioctl.
    request: int | None
    #: An ioctl's argument, if that is a value; a seek's whence.
    argument: int | None
    #: What the client gets: 0 or more, or a negative errno.
    result: int
    #: From the request's arrival in the driver to its answer.
    microseconds: float
    #: Whether the driver held it and answered after its callback.
    held: bool
    #: The bytes of a read, a write or an ioctl; None of another request, of an ioctl
    #: that carries none, and if the trace keeps none.
    data: Data | None = None

    def as_dict(self) -> dict[str, Any]:
        """All fields, and the properties ``errno``, which is error, and
        ``request_name``.

        There is no ``data`` if that is None; else its bytes are in hexadecimal.
        """
        derived = {"errno": self.error, "request_name": self.request_name}
        fields = {**vars(self), **derived}
        del fields["data"]
        return {**fields, "data": self.data.as_dict()} if self.data else fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Call:
        """What as_dict() was called of."""
        names = cls.__dataclass_fields__
        given = {name: value for name, value in fields.items() if name in names}
        if "data" in given:
            given["data"] = Data.from_dict(given["data"])
        return cls(**given)

    @property
    def error(self) -> str | None:
        """The name of the errno, such as "EAGAIN"; None if it succeeded."""
        if self.result >= 0:
            return None
        return errno.errorcode.get(-self.result, str(-self.result))

    @property
    def request_name(self) -> str | None:
        """What the kernel's headers call an ioctl's request number, such as
        "TCGETS" or "EVIOCGNAME(256)"; None if it is not among those we know."""
        from pyfusd._ioctl_names import name_of  # Who does not trace needs no names.

        return None if self.request is None else name_of(self.request)

    def _arguments(self) -> str:
        if self.operation == "open":
            return _flags_text(self.flags or 0)
        if self.operation in ("read", "write"):
            return f"{self.size} bytes at {self.offset}"
        if self.operation == "ioctl" and self.request is not None:
            number = repr(IoctlNumber(self.request)).strip("<>")
            if self.request_name:
                number = f"{self.request_name} = {self.request:#010x}"
            if self.argument is None:
                return number
            return f"{number}, {self.argument:#x}"
        if self.operation == "seek":
            return f"{self.offset}, {_whence_text(self.argument)}"
        return ""

    def _result_text(self) -> str:
        if self.result < 0:
            return f"-1 {self.error} ({os.strerror(-self.result)})"
        if self.operation == "poll":
            classic = "".join(c if self.result & bit else "-" for bit, c in _STATES)
            return classic + "".join(c for bit, c in _RARE_STATES if self.result & bit)
        return str(self.result)

    def __str__(self) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(self.time))
        text = f"{clock}.{int(self.time % 1 * 1e6):06} {self.command}[{self.pid}] "
        text += f"{self.operation}({self._arguments()}) = {self._result_text()}"
        return f"{text}  {_duration_text(self.microseconds)}" + (
            ", held" if self.held else ""
        )


def _whence_text(whence: int | None) -> str:
    for name in ("SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"):
        if getattr(os, name) == whence:
            return name
    return str(whence)


def _flags_text(flags: int) -> str:
    access = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")[flags & os.O_ACCMODE]
    names = [access]
    for name in _FLAGS:
        bits: int = getattr(os, f"O_{name}")
        if flags & bits == bits:
            names.append(f"O_{name}")
    return "|".join(names)


def _duration_text(microseconds: float) -> str:
    if microseconds < 1000:
        return f"{microseconds:.1f} us"
    if microseconds < 1e6:
        return f"{microseconds / 1000:.1f} ms"
    return f"{microseconds / 1e6:.2f} s"


def _count_of(result: Any, operation: str) -> int:
    if operation == "read" and is_data(result):
        return memoryview(result).nbytes
    return int(result.__index__())


def _outcome_of(result: Any, operation: str, size: int | None) -> int:
    """What the client gets for a callback's result, as the extension does it."""
    is_transfer = operation in ("read", "write")
    if result is None and not is_transfer and operation != "seek":
        return 0
    if operation == "mmap" and not (isinstance(result, int) and result < 0):
        return 0  # A file, or memory.
    try:
        count = _count_of(result, operation)
    except (AttributeError, TypeError):
        return -errno.EIO
    return min(count, size) if is_transfer and size is not None else count


def _outcome_of_error(error: BaseException) -> int:
    return -(errno_of(error) or errno.EIO)


def _outcome_of_coroutine_error(error: BaseException, file: File) -> int:
    """A cancelled one means what it was cancelled for."""
    # Without an import: who has no coroutines need not wait for asyncio's.
    if not isinstance(error, getattr(sys.modules.get("asyncio"), "CancelledError", ())):
        return _outcome_of_error(error)
    if not file.device.registered:
        return -errno.EPIPE
    with suppress(RuntimeError):  # A close that did not wait.
        if file.hold().interrupted:
            return -errno.EINTR
    return _outcome_of_error(error)


def _caller_of(file: File) -> dict[str, Any]:
    return {"pid": file.pid, "command": process_name(file.pid) or "?", "uid": file.uid}


class _Started:
    """A request that a driver has not answered yet."""

    def __init__(
        self, device: DeviceCore, operation: str, file: File, **arguments: Any
    ) -> None:
        self.fields: dict[str, Any] = {
            "device": device.path,
            "operation": operation,
            **_caller_of(file),
            "flags": file.flags if operation == "open" else None,
            "size": None,
            "offset": None,
            "request": None,
            "argument": None,
            **arguments,
        }
        self.file = file
        #: If the trace keeps its bytes.
        self.carried: Carried | None = None
        self.time = time.time()
        self.begin = time.perf_counter_ns()

    def ended(self, outcome: int, result: Any, end: int, held: bool) -> Call:
        return Call(
            time=self.time,
            result=outcome,
            microseconds=(end - self.begin) / 1000,
            held=held,
            data=self._data(outcome, result) if self.carried else None,
            **self.fields,
        )

    def _data(self, outcome: int, result: Any) -> Data:
        assert self.carried is not None
        size = outcome if self.fields["operation"] == "read" else self.fields["size"]
        return self.carried.at_answer(result, size if outcome >= 0 else None)


class Tracer:
    """Wraps the callbacks of devices; calls sink with each Call until detach().

    data_limit() says how many bytes of a request's data to keep; it may change.
    """

    def __init__(
        self, sink: Callable[[Call], object], data_limit: Callable[[], int]
    ) -> None:
        self._sink = sink
        self._data_limit = data_limit
        # Requests that began under it may end after it.
        self._is_ended = False
        self._originals: dict[DeviceCore, dict[str, Any]] = {}
        self._lock = threading.Lock()
        # The client that opened each file: FUSE does not tell who closes it.
        self._openers: dict[File, dict[str, Any]] = {}
        # Held requests that wait, and those answered before their callback
        # returned, which is when we learn that they were held.
        self._held: WeakKeyDictionary[Request, _Started] = WeakKeyDictionary()
        self._early: WeakKeyDictionary[Request, tuple[Any, int]] = WeakKeyDictionary()

    def attach(self, device: DeviceCore) -> None:
        """Traces a registered device."""
        callbacks = device._callbacks()
        self._originals[device] = callbacks
        handlers = callbacks["ioctl_handlers"]
        wrapped: dict[str, Any] = {"ioctl_handlers": {}}
        for operation in CALLBACKS:
            wrapped[operation] = self._plain(device, operation, callbacks[operation])
        wrapped["open"] = self._open(device, callbacks["open"])
        wrapped["close"] = self._close(device, callbacks["close"])
        for operation in ("read", "write"):
            wrapped[operation] = self._transfer(device, operation, callbacks[operation])
        wrapped["seek"] = self._seek(device, callbacks["seek"])
        wrapped["ioctl"] = self._ioctl(device, callbacks["ioctl"], handlers)
        device._observer = self._answered
        device._replace_callbacks(wrapped)

    def detach(self) -> None:
        """Puts everything back."""
        self._is_ended = True
        self._openers.clear()
        originals, self._originals = self._originals, {}
        for device, callbacks in originals.items():
            if device.registered and device._observer == self._answered:
                device._observer = None
                device._replace_callbacks(callbacks)

    def forget(self, device: DeviceCore) -> None:
        """Lets go of an unregistered device and its files."""
        if device.registered:
            return  # Anew, by another thread.
        self._originals.pop(device, None)
        for file in list(self._openers):
            if file.device is device:
                self._openers.pop(file, None)

    def _open(self, device: DeviceCore, callback: Any) -> Any:
        def traced(file: File) -> Any:
            started = _Started(device, "open", file)
            self._openers[file] = _caller_of(file)
            return self._run(started, file, callback, (file,))

        return traced

    def _close(self, device: DeviceCore, callback: Any) -> Any:
        def traced(file: File) -> Any:
            opener = self._openers.pop(file, {})
            started = _Started(device, "close", file, **({} if file.pid else opener))
            return self._run(started, file, callback, (file,))

        return traced

    def _plain(self, device: DeviceCore, operation: str, callback: Any) -> Any:
        if callback is None:
            return None

        def traced(file: File, *arguments: Any) -> Any:
            started = _Started(device, operation, file)
            return self._run(started, file, callback, (file, *arguments))

        return traced

    def _carried(
        self, buffer: memoryview, *, comes: bool, goes: bool
    ) -> Carried | None:
        limit = self._data_limit()
        return Carried(buffer, limit, comes=comes, goes=goes) if limit else None

    def _transfer(self, device: DeviceCore, operation: str, callback: Any) -> Any:
        if callback is None:
            return None

        def traced(file: File, buf: memoryview, offset: int) -> Any:
            started = _Started(device, operation, file, size=len(buf), offset=offset)
            is_read = operation == "read"
            started.carried = self._carried(buf, comes=not is_read, goes=is_read)
            return self._run(started, file, callback, (file, buf, offset))

        return traced

    def _seek(self, device: DeviceCore, callback: Any) -> Any:
        if callback is None:
            return None

        def traced(file: File, offset: int, whence: int) -> Any:
            started = _Started(device, "seek", file, offset=offset, argument=whence)
            return self._run(started, file, callback, (file, offset, whence))

        return traced

    def _ioctl(self, device: DeviceCore, callback: Any, handlers: Any) -> Any:
        def traced(file: File, request: int, data: Any) -> Any:
            argument = data if isinstance(data, int) else None
            started = _Started(
                device,
                "ioctl",
                file,
                request=request,
                argument=argument,
                size=None if argument is not None else len(data),
            )
            if argument is None:
                comes, goes = directions_of(device._ioctl_numbers, request)
                started.carried = self._carried(data, comes=comes, goes=goes)
            handler = find(handlers, request)
            if handler is not None:
                return self._run(started, file, handler, (file, data))
            if callback is None:
                return self._run(started, file, lambda: -errno.ENOTTY, ())
            return self._run(started, file, callback, (file, request, data))

        return traced

    def _run(self, started: _Started, file: File, callback: Any, arguments: Any) -> Any:
        try:
            result = callback(*arguments) if callback is not None else None
        except Retry:
            raise  # The same ioctl comes again, with its client's memory.
        except BaseException as error:
            self._finish(started, _outcome_of_error(error), time.perf_counter_ns())
            raise
        if isawaitable(result):
            return self._await(started, file, result)
        self._returned(started, file, result)
        return result

    async def _await(
        self, started: _Started, file: File, awaitable: Awaitable[Any]
    ) -> Any:
        try:
            result = await awaitable
        except Retry:
            raise
        except BaseException as error:
            end = time.perf_counter_ns()
            self._finish(started, _outcome_of_coroutine_error(error, file), end)
            raise
        self._returned(started, file, result)
        return result

    def _returned(self, started: _Started, file: File, result: Any) -> None:
        end = time.perf_counter_ns()
        if is_held(result):
            self._hold(started, file.hold())
        else:
            self._finish(started, result, end)

    def _hold(self, started: _Started, request: Request) -> None:
        if self._is_ended:
            return
        with self._lock:
            early = self._early.pop(request, None)
            if early is None:
                self._held[request] = started
        if early:
            self._finish(started, *early, held=True)

    def _lasting(self, result: Any) -> Any:
        """An answer's result, when the bytes that it is of may be others later."""
        if not is_data(result):
            return result
        return bytes(result) if self._data_limit() else memoryview(result).nbytes

    def _answered(self, request: Request, result: Any) -> None:
        """A held request was answered, in any thread."""
        end = time.perf_counter_ns()
        with self._lock:
            started = self._held.pop(request, None)
            if started is None:
                self._early[request] = (self._lasting(result), end)
        if started:
            self._finish(started, result, end, held=True)

    def _finish(
        self, started: _Started, result: Any, end: int, held: bool = False
    ) -> None:
        if self._is_ended:
            return
        operation = started.fields["operation"]
        outcome = _outcome_of(result, operation, started.fields["size"])
        if operation == "open" and outcome < 0:
            self._openers.pop(started.file, None)  # There will be no close.
        try:
            self._sink(started.ended(outcome, result, end, held))
        except Exception as error:
            logger.error("the trace ended: %r", error)
            stop(self)


_active: Tracer | None = None


def start(tracer: Tracer) -> None:
    """Traces all devices of this process, in place of who did so before."""
    global _active
    if _active:
        stop(_active)
    _active = tracer
    for device in registered_devices():
        tracer.attach(device)


def stop(tracer: Tracer) -> None:
    """Ends what start() began; another one may have begun meanwhile, and goes on."""
    global _active
    if _active is tracer:
        _active = None
    tracer.detach()


def attach_if_active(device: DeviceCore) -> None:
    """Traces a device that was registered, or has other callbacks now, if the
    process is traced."""
    if _active:
        _active.attach(device)


def forget(device: DeviceCore) -> None:
    """To be called when a device was unregistered."""
    if _active:
        _active.forget(device)


@contextmanager
def trace(sink: Callable[[Call], object], *, data: int = 0) -> Iterator[None]:
    """Calls sink with each Call of this process's devices.

    With *data*, a call has the first so many bytes of what a read, a write or an
    ioctl carried; memory that an ioctl points at, client_memory(), is not among
    them. ValueError if it is negative.

    sink is called in the thread that answers, before the client gets its
    answer: what it takes, the client waits. Latencies are the driver's: from
    the arrival of the request in it to its answer. Requests that were held
    when the trace began are not shown.

    A process has one trace at a time: a new one ends the one before. If sink
    raises, the trace ends, and that is logged to the logger "pyfusd".
    """
    if data < 0:
        raise ValueError(f"a trace cannot keep {data} bytes")
    tracer = Tracer(sink, lambda: data)
    try:
        start(tracer)
        yield
    finally:
        stop(tracer)
