# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests of pyfusd: devices served by a thread of the test."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.background import start
from support.serving import serving, serving_async


@pytest.fixture(autouse=True)
def device_root(tmp_path, monkeypatch, transport):
    """The directory where devices appear; on fuse it is the test's own."""
    monkeypatch.setenv("FUSD_TRANSPORT", transport)
    monkeypatch.setenv("FUSD_DEV_ROOT", str(tmp_path / "dev"))
    return tmp_path / "dev" if transport == "fuse" else Path("/dev")


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
    """in_thread(function, *arguments) runs it; the call's result() waits."""
    return start


@pytest.fixture
def start_python():
    """start_python(code, *arguments): a process, killed if the test does not end it.

    Asked for after in_thread, it frees clients that wait there for the process.
    """
    processes = []

    def start(code, *arguments):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()
