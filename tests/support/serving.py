# SPDX-License-Identifier: BSD-3-Clause
"""Devices served in a thread of the test."""

import threading
from contextlib import contextmanager

from pyfusd import aio
from pyfusd._run import serve
from support.waiting import DEADLINE


@contextmanager
def _served(devices, serve):
    """Registers devices and serves them in a thread; fails if that fails."""
    failures = []
    is_ready = threading.Event()

    def run():
        try:
            serve(devices, is_ready.set)
        except BaseException as error:
            failures.append(error)
        is_ready.set()

    for device in devices:
        device.register()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    # Else an early unregister() would come before the loop, which registers.
    is_ready.wait(DEADLINE)
    try:
        yield devices[0]
    finally:
        for device in devices:
            device.unregister()
        thread.join(DEADLINE)
    assert not thread.is_alive(), "the loop did not end with its last device"
    assert not failures


def serving(*devices):
    return _served(devices, serve)


def serving_async(*devices):
    """In an event loop of its own."""
    return _served(devices, aio.run)
