# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of pyfusd share: devices served by a thread of the test."""

import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

import pyfusd

DEADLINE = 20


def wait_until(condition, what="the condition"):
    """Waits until condition() holds; fails the test after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.002)


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


@pytest.fixture(autouse=True)
def device_root(tmp_path, monkeypatch):
    """The fuse transport makes its files in a directory of the test's own."""
    monkeypatch.setenv("FUSD_DEV_ROOT", str(tmp_path / "dev"))


@pytest.fixture
def serve():
    """serve(device, ...) serves devices until the test ends."""
    with ExitStack() as stack:
        yield lambda *devices: stack.enter_context(serving(*devices))


@pytest.fixture
def in_thread():
    """in_thread(function, *arguments) runs it; the result's get() waits."""
    with ExitStack() as stack:
        yield lambda *call: stack.enter_context(background(*call))


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
