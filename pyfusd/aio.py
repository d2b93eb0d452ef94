# SPDX-License-Identifier: BSD-3-Clause
"""Devices on asyncio: ``async def`` callbacks, and serve(). Example::

    class Sensor(pyfusd.Device):
        async def read(self, file, buf, offset):
            async with asyncio.timeout(5):
                return await self.samples.get()

    asyncio.run(pyfusd.aio.serve(Sensor("sensor")))

pyfusd.run() does the same for a program that has no other use for the loop.

Any of open, close, read, write, ioctl and the methods of pyfusd.ioctl() may be
a coroutine function; others of the same device may be plain. What they return
and raise means the same. While a coroutine waits, its client is blocked, and
the loop serves others.

A coroutine begins at once, inside the loop's callback that received the
request. If it ends without having waited, it costs no task. Otherwise it goes
on in a task of its own. asyncio.current_task() is that task from the first
line on, so that asyncio.timeout() and task groups work. Coroutines that do not
wait share a task in reserve, until one of them keeps it or changes it: then that
one has it to itself, and it ends with it. ``file.pid``, ``file.offset`` and their
siblings keep their meaning across each ``await``.

The task is cancelled, and its client gets EINTR, when a signal interrupts the
client; on kfusd a call that the kernel restarts after that is a new request. It
is cancelled also when the open file is closed under it, unless it is a flush,
and, with EPIPE, when the device is unregistered or serve() ends. The client does
not wait for the cancelled task. One that something else cancels gives ECANCELED.

Coroutines belong to their loop's thread. Other threads may call the methods of
the device, its files and its requests as ever; each thread may run a loop and
devices of its own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
import types
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

from pyfusd import _trace_link
from pyfusd._core import (
    DeviceCore,
    File,
    Request,
    answer_for_coroutine,
    fail_for_coroutine,
    registered_devices,
)
from pyfusd._errors import log_shortage, logger
from pyfusd._loops import registry, wakeup
from pyfusd._loops.import_guard import check_may_serve
from pyfusd._signals import may_handle

__all__ = ["serve"]

# How long another thread's unregister() waits for the loop to let go of the
# descriptor before it closes that anyway: for ever only if the loop is stuck.
_GRACE_SECONDS = 1.0

if TYPE_CHECKING:
    from pyfusd.device import Device

    _Task = asyncio.Task[Any]
else:
    _Task = asyncio.Task


@types.coroutine
def _go_on(
    coroutine: Coroutine[Any, Any, Any], context: Context, waits_for: Any
) -> Generator[Any, Any, Any]:
    """The coroutine after its first step, which waits for something."""
    while True:
        step: Any = coroutine.send
        try:
            argument = yield waits_for
        except GeneratorExit:
            context.run(coroutine.close)
            raise
        except BaseException as error:
            step, argument = coroutine.throw, error
        try:
            waits_for = context.run(step, argument)
        except StopIteration as end:
            return end.value
        finally:
            argument = None  # An exception's traceback holds this frame.


@types.coroutine
def _go_on_cancelled(
    coroutine: Coroutine[Any, Any, Any], context: Context, waits_for: Any
) -> Generator[Any, Any, Any]:
    """The coroutine after its first step, cancelled before its task could wait."""
    if not (waits_for is not None and waits_for.cancel()):
        try:
            waits_for = context.run(coroutine.throw, asyncio.CancelledError())
        except StopIteration as end:
            return end.value
    return (yield from _go_on(coroutine, context, waits_for))


async def _await_object(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class _TaskState:
    """What a _CallbackTask keeps: its own attributes are the coroutine's."""

    __slots__ = (
        "device",
        "error",
        "has_begun",
        "is_adopted",
        "is_cancelled_early",
        "is_named",
        "outcome",
        "request",
        "server",
        "work",
    )

    def __init__(self, server: _Server) -> None:
        self.server = server
        self.request: Request | None = None
        self.device: DeviceCore | None = None
        self.work: tuple[Coroutine[Any, Any, Any], Context, Any] | None = None
        #: What a coroutine that did not wait returned, or raised.
        self.outcome: tuple[Any, BaseException | None] | None = None
        self.is_adopted = server.loop.create_future()
        self.has_begun = False
        self.is_cancelled_early = False
        self.is_named = False
        self.error = errno.ECANCELED  # what a cancellation gives the client


def _result_of(outcome: Any) -> Any:
    result, error = outcome
    if error is not None:
        raise error
    return result


class _CallbackTask(_Task):
    """A task in reserve until it adopts a coroutine that has to wait.

    While in reserve it is the current task of coroutines' first steps. What one
    of them does to it, no other may see: the server gives it up then.
    """

    __slots__ = ("state",)
    state: _TaskState

    def __init__(self, server: _Server) -> None:
        object.__setattr__(self, "state", _TaskState(server))
        super().__init__(self._run(), loop=server.loop, name="pyfusd, in reserve")

    def adopt(
        self,
        request: Request,
        coroutine: Coroutine[Any, Any, Any],
        context: Context,
        waits_for: Any,
    ) -> None:
        self.state.work = coroutine, context, waits_for
        self._begin(request)

    def end(self, request: Request, result: Any, error: BaseException | None) -> None:
        """Ends as its coroutine did, which did not wait but changed its task."""
        self.state.outcome = result, error
        self._begin(request)

    def _begin(self, request: Request) -> None:
        state = self.state
        state.request = request
        state.device = request.file.device
        state.server.adopted(self)
        if not state.is_named:
            super().set_name(f"{request.operation} of {state.device.name!r}")
        if not state.is_adopted.done():
            state.is_adopted.set_result(None)

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        self.state.server.give_up(self)
        if not self.state.has_begun:
            # Task would throw it at _run() before that can handle it.
            self.state.is_cancelled_early = True
            return True
        return super().cancel(*args, **kwargs)

    def cancel_soon(self) -> None:
        """cancel() from any thread."""
        server = self.state.server
        with suppress(RuntimeError):  # The loop is closed.
            if server.is_here():
                self.cancel()
            else:
                server.loop.call_soon_threadsafe(self.cancel)

    # What a coroutine does to its task.

    def set_name(self, value: object) -> None:
        self.state.is_named = True
        self._is_changed()
        super().set_name(value)

    def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
        self._is_changed()
        super().add_done_callback(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        self._is_changed()
        super().__setattr__(name, value)

    def __hash__(self) -> int:
        # Whoever hashes a task may keep it, in a WeakKeyDictionary, say.
        self._is_changed()
        return super().__hash__()

    def _is_changed(self) -> None:
        if asyncio.current_task(self.state.server.loop) is self:
            self.state.server.give_up(self)

    async def _run(self) -> None:
        state = self.state
        state.has_begun = True
        is_cancelled = state.is_cancelled_early
        if not is_cancelled:
            try:
                await state.is_adopted
            except asyncio.CancelledError:
                is_cancelled = True
        request, work, outcome = state.request, state.work, state.outcome
        if request is None:
            raise asyncio.CancelledError
        try:
            if work is not None:
                result = await (_go_on_cancelled if is_cancelled else _go_on)(*work)
            else:
                result = _result_of(outcome)
            answer_for_coroutine(request, result)
        except asyncio.CancelledError:
            # If the whole loop is being cancelled, serve() comes first, and
            # leaves the device.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            number = errno.EINTR if request.interrupted else state.error
            fail_for_coroutine(request, number)
        except GeneratorExit:
            fail_for_coroutine(request, errno.EPIPE)  # The loop was closed.
            raise
        except BaseException as error:
            fail_for_coroutine(request, error)
            if not isinstance(error, Exception):
                raise
        finally:
            state.request = state.work = state.outcome = None


def _raise_interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def _sigterm_interrupts(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """SIGTERM acts as SIGINT does, unless the program handles it."""
    if not may_handle(signal.SIGTERM):
        yield
        return
    loop.add_signal_handler(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


class _Server:
    """What all serve() of one event loop share; only its thread changes it."""

    awaits = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.users = 0
        self.devices: dict[int, DeviceCore] = {}
        self.tasks: set[_CallbackTask] = set()
        self.spare: _CallbackTask | None = None
        self.change = loop.create_future()
        self.context = ExitStack()
        # asyncio's interface for "third-party task implementations".
        self.enter_task = asyncio.tasks._enter_task
        self.leave_task = asyncio.tasks._leave_task

    def is_here(self) -> bool:
        return self.thread == threading.get_ident()

    def begin(self) -> None:
        self.context.enter_context(_sigterm_interrupts(self.loop))
        self.context.enter_context(_trace_link.answer_tracers())

    async def end(self) -> None:
        for device in list(self.devices.values()):
            self.leave(device)
        self.context.close()
        if self.spare is not None:
            spare = self.spare
            spare.cancel()
            await asyncio.wait([spare])

    # What the extension's start_coroutine() calls.

    def new_task(self) -> _CallbackTask:
        return _CallbackTask(self)

    def coroutine_of(self, awaitable: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
        if isinstance(awaitable, Coroutine):
            return awaitable
        return _await_object(awaitable)

    # Tasks.

    def give_up(self, task: _CallbackTask) -> None:
        """No other coroutine may use the task."""
        if self.spare is task:
            self.spare = None

    def adopted(self, task: _CallbackTask) -> None:
        self.give_up(task)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: Any) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            # SystemExit went on to who runs the loop: asyncio need not log it.
            task.exception()

    def tasks_of(self, device: DeviceCore) -> list[_CallbackTask]:
        # A list first: in another thread, tasks may begin and end meanwhile.
        return [task for task in list(self.tasks) if task.state.device is device]

    def file_closed(self, file: File) -> None:
        """Cancels the tasks of a closed file: nobody waits for their answers.

        But for a flush, which is not for its client alone.
        """
        for task in self.tasks_of(file.device):
            request = task.state.request
            if request is None or request.file is not file or request.done:
                continue
            if request.operation != "flush":
                task.cancel_soon()

    # Devices.

    def add(self, device: DeviceCore) -> None:
        if device._server is self:
            return
        if device._server is not None and device._server.loop.is_closed():
            device._server.leave(device)
        if device._server is not None:
            raise RuntimeError(f"{device!r} is served by another event loop")
        self.loop.add_reader(device.fileno(), self._dispatch, device)
        self.devices[device.fileno()] = device
        device._server = self

    def remove(self, device: DeviceCore) -> None:
        if device._server is not self:
            return
        device._server = None
        # It may be unregistered by now: see let_go().
        descriptor = next(n for n, other in self.devices.items() if other is device)
        del self.devices[descriptor]
        if self.loop.is_closed():
            return
        self.loop.remove_reader(descriptor)
        if not self.change.done():
            self.change.set_result(None)

    def leave(self, device: DeviceCore) -> None:
        """Serves the device no more; nobody else answers for its coroutines."""
        self.remove(device)
        if self.loop.is_closed():
            self.fail_requests(device)
            return
        current = asyncio.current_task(self.loop)
        for task in self.tasks_of(device):
            task.state.error = errno.EPIPE
            if task is not current:
                task.cancel()

    def fail_requests(self, device: DeviceCore) -> None:
        """The loop was closed under them: no task can go on, or be cancelled."""
        for task in self.tasks_of(device):
            self.tasks.discard(task)
            if task.state.request is not None:
                fail_for_coroutine(task.state.request, errno.EPIPE)

    def let_go(self, device: DeviceCore) -> None:
        """leave() from any thread, which is about to unregister the device."""
        if self.is_here() or self.loop.is_closed():
            self.leave(device)
            return
        # The loop has to let go of the descriptor before that is closed and its
        # number is another file's.
        removed = threading.Event()

        def remove() -> None:
            self.leave(device)
            removed.set()

        with suppress(RuntimeError):  # The loop is closed.
            self.loop.call_soon_threadsafe(remove)
            removed.wait(_GRACE_SECONDS)
        if self.loop.is_closed() and not removed.is_set():
            self.leave(device)

    def _dispatch(self, device: DeviceCore) -> None:
        try:
            device.dispatch()
        except OSError as error:
            if device._server is not self:
                return  # Another thread unregisters it.
            if error.errno == errno.ENOMEM:
                log_shortage(device.path)
                return  # The request waits on.
            if error.errno == errno.ENODEV:
                logger.warning("%s was taken away from outside", device.path)
            else:
                logger.error("%s cannot be served", device.path, exc_info=error)
            device.unregister()

    async def until_gone(self, devices: list[DeviceCore]) -> None:
        """Until all these have gone; the last serve() waits for others, too."""
        while any(device._server is self for device in devices) or (
            self.users == 1 and self.devices
        ):
            if self.change.done():
                self.change = self.loop.create_future()
            # Shielded: it is not only this serve() that waits for it.
            await asyncio.shield(self.change)


# By event loop, as long as a serve() runs in it. Only changed under the lock.
_servers: dict[asyncio.AbstractEventLoop, _Server] = {}
_lock = threading.Lock()


def _forget_in_child() -> None:
    """A forked child runs none of its parent's event loops."""
    global _lock
    _lock = threading.Lock()
    _servers.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def _server_of_thread() -> _Server | None:
    """The server of the event loop that runs in this thread."""
    try:
        return _servers.get(asyncio.get_running_loop())
    except RuntimeError:
        return None


@contextmanager
def _stop_watching(device: DeviceCore) -> Iterator[None]:
    """See LoopKind: the device's server lets go of it, in its own thread."""
    if device.registered and device._server is not None:
        device._server.let_go(device)
    yield


registry.add_kind(registry.LoopKind(_server_of_thread, _stop_watching))


def _end_closed_loops() -> None:
    """Ends what loops of this thread left that were closed under their serve()."""
    closed = [x for x in list(_servers.values()) if x.is_here() and x.loop.is_closed()]
    for server in closed:
        with _lock:
            _servers.pop(server.loop, None)
        server.context.close()


@asynccontextmanager
async def _use_server() -> AsyncIterator[_Server]:
    loop = asyncio.get_running_loop()
    server = _servers.get(loop)
    if server is None:
        _end_closed_loops()
        server = _Server(loop)
        server.begin()
        with _lock:
            _servers[loop] = server
    server.users += 1
    try:
        yield server
    finally:
        server.users -= 1
        if server.users == 0 and not loop.is_closed():
            with _lock:
                _servers.pop(loop, None)  # None: a child, forked in a callback.
            await server.end()


async def _serve_until_gone(
    devices: tuple[Device, ...], ready: Callable[[], object] | None
) -> None:
    check_may_serve()
    async with _use_server() as server:
        own: list[Any] = []
        served: list[Any] = list(devices)
        try:
            for device in served:
                if not device.registered:
                    own.append(device)  # Before, as a signal may raise in between.
                    device.register()  # This adds it to the loop, by registry.
            if not devices:
                served = [x for x in registered_devices() if x._server is None]
            for device in served:
                if device.registered:
                    server.add(device)
            if ready:
                ready()
            await server.until_gone(served)
        finally:
            for device in own:
                device.unregister()
            for device in served:
                server.leave(device)
            tasks = [task for device in served for task in server.tasks_of(device)]
            if tasks:
                await asyncio.wait(tasks)


def run(devices: tuple[Device, ...], ready: Callable[[], object] | None) -> None:
    """pyfusd.run() of devices with coroutine functions."""
    if threading.current_thread() is not threading.main_thread():
        asyncio.run(_serve_until_gone(devices, ready))
        return
    with wakeup.wakeup_pipe() as ends, wakeup.take_wakeup_fd(*ends) as programs:

        def share() -> None:
            if programs >= 0:
                wakeup.share_signals(asyncio.get_running_loop(), *ends, programs)
            if ready:
                ready()

        asyncio.run(_serve_until_gone(devices, share))


async def serve(*devices: Device) -> None:
    """Serves devices in the running event loop until none is left.

    Registers those that are not registered, and unregisters them at its end,
    whatever that is: a cancellation, an exception, or the last device's
    unregister(). It returns when the tasks of their callbacks have ended.
    Without arguments it serves the devices of this process that are registered
    and that no event loop serves. A device that is registered meanwhile in
    this loop's thread is served too.

    SIGINT is asyncio's business: asyncio.run() cancels serve(), and raises
    KeyboardInterrupt. SIGTERM does the same, unless the program handles it.

    While memory is short it logs that, and tries again.

    Raises OSError for what register() raises; RuntimeError for a device that
    another loop serves; TypeError for a callback that cannot be a coroutine
    function. Several threads may each serve their own devices.
    """
    await _serve_until_gone(devices, None)
