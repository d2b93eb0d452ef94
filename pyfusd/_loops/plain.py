# SPDX-License-Identifier: BSD-3-Clause
"""run(): a loop that serves devices until a signal ends it."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyfusd import _trace_link
from pyfusd._callbacks import coroutine_callbacks
from pyfusd._core import DeviceCore, registered_devices
from pyfusd._errors import logger
from pyfusd._loops import wakeup

if TYPE_CHECKING:
    from pyfusd.device import Device

# Membership in an epoll set costs a device 2 % at each request, polling costs
# all devices at each wait: with these many poll(2) is the better one.
_FEW = 8


class _Loop:
    """What one run() serves; only its own thread touches the selector."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.devices: dict[int, DeviceCore] = {}
        # What other threads unregister: each number may soon be another file's.
        self.gone: set[int] = set()
        self.selector: selectors.BaseSelector = selectors.PollSelector()
        self.wake_receiver, self.wake_sender = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Who else is told of signals: signal.set_wakeup_fd() of the program.
        self.wake_others: list[int] = []
        self.selector.register(self.wake_receiver, selectors.EVENT_READ)

    def close(self) -> None:
        self.selector.close()
        os.close(self.wake_receiver)
        os.close(self.wake_sender)

    def wake(self) -> None:
        # A full pipe: it is going to wake up already.
        with suppress(BlockingIOError):
            os.write(self.wake_sender, b"\0")

    def add(self, device: DeviceCore) -> None:
        self._drop_gone()
        descriptor = device.fileno()
        if descriptor in self.devices:
            return
        if len(self.devices) == _FEW:
            self._use_epoll()
        self.devices[descriptor] = device
        self.selector.register(descriptor, selectors.EVENT_READ)

    def remove(self, descriptor: int) -> None:
        del self.devices[descriptor]
        self.selector.unregister(descriptor)

    def _use_epoll(self) -> None:
        if isinstance(self.selector, selectors.EpollSelector):
            return
        selector = selectors.EpollSelector()
        for descriptor in self.selector.get_map():
            selector.register(descriptor, selectors.EVENT_READ)
        self.selector.close()
        self.selector = selector

    def _drop_gone(self) -> None:
        """Forgets what other threads unregistered."""
        while self.gone:
            descriptor = self.gone.pop()
            if descriptor in self.devices:
                self.remove(descriptor)

    def _serve(self, descriptor: int) -> None:
        device = self.devices.get(descriptor)
        if device is None or descriptor in self.gone:
            return  # A callback of this round unregistered it, or a thread.
        try:
            device.dispatch()
        except OSError as error:
            if not device.registered:
                self.gone.add(descriptor)
            if descriptor in self.gone:
                return
            if error.errno != errno.ENODEV:
                raise
            logger.warning("%s was taken away from outside", device.path)
            device.unregister()

    def run(self) -> None:
        while self.devices:
            for key, _ in self.selector.select():
                if key.fd == self.wake_receiver:
                    wakeup.forward(self.wake_receiver, self.wake_others)
                else:
                    self._serve(key.fd)
            if self.gone:
                self._drop_gone()


# The running loops. Only changed under the lock.
_loops: list[_Loop] = []
_lock = threading.Lock()


def _own_loop() -> _Loop | None:
    thread = threading.get_ident()
    for loop in reversed(_loops):
        if loop.thread == thread:
            return loop
    return None


def _forget_in_child() -> None:
    """A forked child runs none of its parent's loops, even if a callback forked."""
    global _lock
    _lock = threading.Lock()
    for loop in _loops:
        loop.devices.clear()
    _loops.clear()


os.register_at_fork(after_in_child=_forget_in_child)

# What finds a loop that serves this thread's devices, if there is one. It has
# add(device). pyfusd.aio puts its own here.
device_loops: list[Callable[[], Any]] = [_own_loop]


def added(device: DeviceCore) -> None:
    """A device was registered: a loop serves what its callbacks register."""
    for find in device_loops:
        loop = find()
        if loop:
            loop.add(device)
            return


def check(device: object) -> None:
    """Raises TypeError for a device that cannot be registered here and now."""
    names = coroutine_callbacks(device)
    if names and _own_loop():
        raise TypeError(
            f"{type(device).__name__}.{names[0]}() is a coroutine function, and this "
            "thread's run() began without an event loop"
        )


@contextmanager
def removing(device: DeviceCore) -> Iterator[None]:
    """A device is unregistered inside: no loop may go on watching it."""
    thread = threading.get_ident()
    others = []
    if device.registered and device._server is not None:
        device._server.removing(device)
    if device.registered:
        descriptor = device.fileno()
        with _lock:
            serving = [x for x in _loops if x.devices.get(descriptor) is device]
        for loop in serving:
            if loop.thread == thread:
                loop.remove(descriptor)
            else:
                loop.gone.add(descriptor)
                others.append(loop)
    yield
    with _lock:
        for loop in others:
            if loop in _loops:
                loop.wake()


@contextmanager
def _running(loop: _Loop) -> Iterator[None]:
    with _lock:
        _loops.append(loop)
    try:
        yield
    finally:
        with _lock:
            if loop in _loops:  # Else this is a child, forked in a callback.
                _loops.remove(loop)
        loop.close()


@contextmanager
def _signals_end(loop: _Loop) -> Iterator[None]:
    """SIGTERM as SIGINT, and neither gets lost just before the loop waits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    default = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if default:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with wakeup.taken(loop.wake_receiver, loop.wake_sender) as programs:
            loop.wake_others.append(programs)
            yield
    finally:
        if default:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class ServingTooEarly(RuntimeError):
    """A driver's file serves its devices while somebody else only loads it."""


_is_loading = False


@contextmanager
def loading() -> Iterator[None]:
    """What is imported inside may define devices, and may not serve them."""
    global _is_loading
    _is_loading = True
    try:
        yield
    finally:
        _is_loading = False


def check_may_serve() -> None:
    """Raises ServingTooEarly inside loading()."""
    if _is_loading:
        raise ServingTooEarly("put that under \"if __name__ == '__main__':\"")


def serve(
    devices: tuple[Device, ...], ready: Callable[[], object] | None = None
) -> None:
    """run(), which explains it; calls ready once the devices are served."""
    check_may_serve()
    # A signal may come as soon as run() was called, before the loop is made.
    with suppress(KeyboardInterrupt):
        _serve(devices, ready)


def _serve(devices: tuple[Device, ...], ready: Callable[[], object] | None) -> None:
    if any(coroutine_callbacks(device) for device in devices or registered_devices()):
        import_module("pyfusd.aio").run(devices, ready)
        return
    loop = _Loop()
    with ExitStack() as stack:
        stack.enter_context(_running(loop))
        stack.enter_context(_signals_end(loop))
        stack.enter_context(_trace_link.answering())
        for device in devices:
            if not device.registered:
                device.register()  # Which adds it: see added().
                stack.callback(device.unregister)
        for device in devices or registered_devices():
            if device.registered:
                loop.add(device)
        if ready:
            ready()
        loop.run()


def run(*devices: Device) -> None:
    """Serves devices until SIGINT or SIGTERM, or until none is left.

    Registers those that are not registered, and unregisters them at its end,
    whatever that is. Without arguments it serves the devices of this process
    that are registered, and returns at once if there is none. A device that is
    registered in a callback is served too.

    Ctrl-C and, unless the program handles it, SIGTERM end the loop: run()
    returns then, so that the program ends as it wants to. In another thread
    than the main one, where Python handles no signals, unregister() is what
    ends it. Several threads may each run their own devices. The program's own
    signal.set_wakeup_fd() is told of signals meanwhile, and is the one again after.

    If a device has ``async def`` callbacks, this is asyncio.run() of
    pyfusd.aio.serve(). RuntimeError then if the thread runs a loop already.

    Raises what register() raises, and SystemExit if a callback did. A device
    that was taken away from outside, as by umount(8), is unregistered, and logged
    to the logger "pyfusd".
    """
    serve(devices)
