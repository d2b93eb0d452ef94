# SPDX-License-Identifier: BSD-3-Clause
"""Drivers run by the pytest plugin; clients are programs of others."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from support.waiting import DEADLINE


@pytest.fixture(autouse=True)
def on_transport(transport, monkeypatch):
    monkeypatch.setenv("FUSD_TRANSPORT", transport)
    monkeypatch.setenv("LC_ALL", "C")


@pytest.fixture
def in_dev(transport, monkeypatch):
    """in_dev(NAME): devices appear in /dev, where the client looks for this one."""

    def take(name):
        if transport == "fuse" and os.geteuid() != 0:
            pytest.skip("the client looks in /dev, where root alone has devices")
        if os.path.lexists(f"/dev/{name}"):
            pytest.skip(f"this machine has a /dev/{name} of its own")
        monkeypatch.setenv("FUSD_DEV_ROOT", "/dev")
        return name

    return take


def _find(program):
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"{program} is not installed: what it does was not tried")
    return path


@pytest.fixture
def run():
    """run(PROGRAM, ARGUMENT...) runs it to its end; what it printed."""

    def to_end(program, *arguments):
        result = subprocess.run(
            [_find(program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout.decode("latin-1")

    return to_end


@pytest.fixture
def python(run):
    """python(MODULE, CODE, ARGUMENT...) runs code that uses a module of others.

    In a process of its own: modules in C keep the interpreter's lock.
    """

    def to_end(module, code, *arguments):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"Python's {module} is not installed: it was not tried")
        return run(sys.executable, "-c", code, *arguments)

    return to_end


@pytest.fixture
def begin():
    """begin(PROGRAM, ARGUMENT...) starts one that the test ends."""
    processes = []

    def start(program, *arguments):
        processes.append(
            subprocess.Popen(
                [_find(program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=DEADLINE)
