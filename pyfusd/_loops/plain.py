# SPDX-License-Identifier: BSD-3-Clause
"""The plain loop: serves devices until a signal ends it, without asyncio."""

from __future__ import annotations

import errno
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from pyfusd import _trace_link
from pyfusd._core import DeviceCore, registered_devices
from pyfusd._errors import log_shortage, logger
from pyfusd._loops import registry, wakeup
from pyfusd._signals import sigterm_interrupts

# Membership in an epoll set costs a device 2 % at each request, polling costs
# all devices at each wait: with these many poll(2) is the better one.
_FEW = 8


class _Loop:
    """What one run() serves; only its own thread touches the selector."""

    awaits = False

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.devices: dict[int, DeviceCore] = {}
        # Descriptors that other threads unregister: a number may soon be another
        # file's.
        self.gone: set[int] = set()
        self.selector: selectors.BaseSelector = selectors.PollSelector()
        self.wake_receiver, self.wake_sender = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Descriptors that are told of signals, too: the program's own wakeup_fd.
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
        # The only one, so far: its callback, perhaps, has registered this one.
        for other in self.devices.values() if len(self.devices) == 1 else ():
            other._end_waits()
        self.devices[descriptor] = device
        self.selector.register(descriptor, selectors.EVENT_READ)

    def remove(self, descriptor: int) -> None:
        del self.devices[descriptor]
        # A signal may have raised before add() was done.
        with suppress(KeyError):
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
            self._failed(descriptor, device, error)

    def _failed(self, descriptor: int, device: DeviceCore, error: OSError) -> None:
        if not device.registered:
            self.gone.add(descriptor)
        if descriptor in self.gone:
            return
        if error.errno == errno.ENOMEM:
            log_shortage(device.path)
            return  # The request waits on.
        if error.errno != errno.ENODEV:
            raise error
        logger.warning("%s was taken away from outside", device.path)
        device.unregister()

    def _serve_single(self, descriptor: int, device: DeviceCore) -> None:
        """Waits in C, where the wait is what receives, too."""
        waits = device._waits()
        if descriptor in self.gone or len(self.devices) != 1:
            return  # Since the caller looked, and _end_waits() may have come before.
        try:
            device._serve(waits, self.wake_receiver)
        except OSError as error:
            self._failed(descriptor, device, error)
        wakeup.forward_signals(self.wake_receiver, self.wake_others)

    def _serve_several(self) -> None:
        for key, _ in self.selector.select():
            if key.fd == self.wake_receiver:
                wakeup.forward_signals(self.wake_receiver, self.wake_others)
            else:
                self._serve(key.fd)

    def run(self) -> None:
        while self.devices:
            if len(self.devices) == 1 and not self.gone:
                ((descriptor, device),) = self.devices.items()
                self._serve_single(descriptor, device)
            else:
                self._serve_several()
            if self.gone:
                self._drop_gone()


# The running loops. Only changed under the lock.
_loops: list[_Loop] = []
_lock = threading.Lock()


def _loop_of_thread() -> _Loop | None:
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


@contextmanager
def _stop_watching(device: DeviceCore) -> Iterator[None]:
    """See LoopKind: a loop of another thread drops the device when it wakes up."""
    thread = threading.get_ident()
    others = []
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


registry.add_kind(registry.LoopKind(_loop_of_thread, _stop_watching))


@contextmanager
def _running(loop: _Loop) -> Iterator[None]:
    with _lock:
        _loops.append(loop)
    try:
        yield
    finally:
        with _lock:
            if loop in _loops:  # Not in a child that a callback forked.
                _loops.remove(loop)
        loop.close()


@contextmanager
def _signals_end(loop: _Loop) -> Iterator[None]:
    """SIGTERM ends the loop as SIGINT does; neither is lost before the loop waits.

    KeyboardInterrupt then ends serve(); one in a callback waits for the end of
    dispatch(), which raises it: keep_ending() in _core.pyx.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with (
        sigterm_interrupts(),
        wakeup.take_wakeup_fd(loop.wake_receiver, loop.wake_sender) as programs,
    ):
        loop.wake_others.append(programs)
        yield


def serve(devices: tuple[Any, ...], ready: Callable[[], object] | None) -> None:
    """run() of devices without coroutine functions."""
    loop = _Loop()
    with ExitStack() as stack:
        stack.enter_context(_running(loop))
        stack.enter_context(_signals_end(loop))
        stack.enter_context(_trace_link.answer_tracers())
        for device in devices:
            if not device.registered:
                # Before, as a signal may raise in between.
                stack.callback(device.unregister)
                device.register()  # This adds it to the loop, by registry.
        for device in devices or registered_devices():
            if device.registered:
                loop.add(device)
        if ready:
            ready()
        loop.run()
