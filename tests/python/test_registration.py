# SPDX-License-Identifier: BSD-3-Clause
"""A signal may raise in any line of Python: it leaves no device to nobody."""

import asyncio
import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import pyfusd
from pyfusd import _core, aio
from support.named_device import NamedDevice, content
from support.waiting import wait_until


class InterruptedNoFork:
    """no_fork() that Ctrl-C interrupts, in its first line or after the block."""

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        if self.place == "before":
            raise KeyboardInterrupt

    def __exit__(self, *error):
        raise KeyboardInterrupt


def has_node(device_root):
    """Without a look at the node itself: nobody serves it."""
    return device_root.exists() and "device" in os.listdir(device_root)


@pytest.fixture(params=["before", "after"])
def interrupted(request):
    """with interrupted(): registrations and their ends are."""

    @contextmanager
    def interrupt():
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(_core, "no_fork", lambda: InterruptedNoFork(request.param))
            yield

    return interrupt


def test_an_interrupted_registration_is_undone(interrupted, device_root, serve):
    device = NamedDevice("device")
    with interrupted():
        device.register()
    assert not device.registered
    assert not has_node(device_root)
    assert content(serve(device).path) == b"device"


def test_an_interrupted_unregister_can_be_called_again(interrupted, device_root, serve):
    device = NamedDevice("device").register()
    with interrupted():
        device.unregister()
    assert device.registered == has_node(device_root)
    device.unregister()
    assert not has_node(device_root)
    assert content(serve(device).path) == b"device"


class Interrupted(NamedDevice):
    """Ctrl-C comes when it is registered, before anybody else knows."""

    def register(self):
        super().register()
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "serve", [pyfusd.run, lambda device: asyncio.run(aio.serve(device))]
)
def test_a_loop_unregisters_what_an_interrupt_left(serve, device_root):
    device = Interrupted("device")
    with suppress(KeyboardInterrupt):  # asyncio's loop passes it on.
        serve(device)
    assert not device.registered
    assert not has_node(device_root)


def test_a_name_is_free_once_the_connection_before_is_let_go(serve, in_thread):
    """A thread in poll(2), or a child before its exec, has that open for a while."""
    device = NamedDevice("device").register()
    held = os.dup(device.fileno())
    device.unregister()
    successor = NamedDevice("device")
    registering = Path(f"/proc/self/task/{threading.get_native_id()}/wchan")

    def let_go_when_it_is_waited_for():
        wait_until(
            lambda: successor.registered or "poll" in registering.read_text(),
            "the registration's wait",
        )
        os.close(held)

    letting_go = in_thread(let_go_when_it_is_waited_for)
    assert content(serve(successor).path) == b"device"
    letting_go.result()
