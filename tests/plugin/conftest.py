# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests of the pytest plugin: test suites of a user."""

import os
import tempfile

import pytest

from support.proc import mounts

MOCKS = """
import os, signal, sys, threading
import pytest
import pyfusd

class Sensor(pyfusd.Device):
    def __init__(self, name, mode=0o600, *, value=b"21.5"):
        super().__init__(name, mode)
        self.value = value

    def read(self, file, buf, offset):
        return self.value[offset:]

    def write(self, file, buf, offset):
        text = bytes(buf)
        if text == b"raise":
            raise ValueError("no such register")
        if text == b"refuse":
            raise OSError(16, "busy")
        if text == b"crash":
            os.kill(os.getpid(), signal.SIGKILL)
        self.value = text
        return len(buf)

    def ioctl(self, file, request, data):
        return os.getpid() & 0xffff

def content(path):
    with open(path, "rb", buffering=0) as file:
        return file.read()

def send(path, data):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
"""


@pytest.fixture
def run(pytester, monkeypatch, transport):
    """run(test functions, ...) runs a user's test file in a process of its own."""
    monkeypatch.setenv("FUSD_TRANSPORT", transport)
    monkeypatch.delenv("FUSD_DEV_ROOT", raising=False)
    # Of its own: other suites may have directories in the usual one.
    temporary = tempfile.mkdtemp(prefix="plugin-")
    monkeypatch.setenv("TMPDIR", temporary)

    def run(text, *options):
        pytester.makepyfile(test_mine=MOCKS + text)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)

    yield run
    assert "sensor-" not in mounts()
    assert not [name for name in os.listdir("/dev") if "sensor-" in name]
    assert os.listdir(temporary) == []
    os.rmdir(temporary)
