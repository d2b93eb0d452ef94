# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests of pyfusd: devices served by a thread of the test."""

import os
from contextlib import ExitStack

import pytest

import pyfusd

from capabilities import TRANSPORTS
from serving import background, serving, serving_async


@pytest.fixture(autouse=True)
def device_root(tmp_path, monkeypatch):
    """The fuse transport makes its files in a directory of the test's own."""
    if not any(pyfusd.transport_problem(name) is None for name in TRANSPORTS):
        pytest.skip(f"no transport works here: {pyfusd.transport_problem('fuse')}")
    monkeypatch.setenv("FUSD_DEV_ROOT", str(tmp_path / "dev"))


@pytest.fixture
def serve():
    """serve(device, ...) serves devices until the test ends."""
    with ExitStack() as stack:
        yield lambda *devices: stack.enter_context(serving(*devices))


@pytest.fixture
def serve_async():
    """serve_async(device, ...) serves devices on asyncio until the test ends."""
    with ExitStack() as stack:
        yield lambda *devices: stack.enter_context(serving_async(*devices))


@pytest.fixture
def opened():
    """opened(device) opens it; the descriptor is closed after the test."""
    descriptors = []

    def open_it(device, flags=os.O_RDWR):
        descriptors.append(os.open(device.path, flags))
        return descriptors[-1]

    yield open_it
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.fixture
def in_thread():
    """in_thread(function, *arguments) runs it; the result's get() waits."""
    with ExitStack() as stack:
        yield lambda *call: stack.enter_context(background(*call))
