# SPDX-License-Identifier: BSD-3-Clause
"""Devices and calls in threads of the test."""

import threading
from contextlib import contextmanager

import pyfusd

from waiting import DEADLINE


@contextmanager
def serving(*devices):
    """Registers devices and serves them in a thread; fails if that fails."""
    failures = []

    def serve():
        try:
            pyfusd.run(*devices)
        except BaseException as error:
            failures.append(error)

    for device in devices:
        device.register()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield devices[0]
    finally:
        for device in devices:
            device.unregister()
        thread.join(DEADLINE)
    assert not thread.is_alive(), "run() did not end with its last device"
    assert not failures


class Background:
    def __init__(self, function, arguments):
        self.thread = threading.Thread(
            target=self._run, args=(function, arguments), daemon=True
        )
        self.result = None
        self.error = None

    def _run(self, function, arguments):
        try:
            self.result = function(*arguments)
        except BaseException as error:
            self.error = error

    def get(self):
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the call did not end"
        if self.error:
            raise self.error
        return self.result


@contextmanager
def background(function, *arguments):
    call = Background(function, arguments)
    call.thread.start()
    yield call
