# SPDX-License-Identifier: BSD-3-Clause
"""Runs the examples, C and Python, as their opening comments say."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support import TOP
from support.example import Example
from support.waiting import wait_until


def is_removed(directory):
    """Removes a directory, while a driver that ended may remove parts of it, too."""
    shutil.rmtree(directory, ignore_errors=True)
    return not os.path.exists(directory)


@pytest.fixture
def device_root():
    """A directory for devices that every user may enter."""
    directory = tempfile.mkdtemp(prefix="fusd-examples-")
    os.chmod(directory, 0o755)
    yield Path(directory)
    # A dead driver's mount does not "exist", but its directory lists it.
    wait_until(
        lambda: not any(files for _, _, files in os.walk(directory)), "devices to go"
    )
    wait_until(lambda: is_removed(directory), f"{directory} to go")


@pytest.fixture
def environment(device_root, transport):
    return {
        **os.environ,
        "FUSD_DEV_ROOT": str(device_root / "dev"),
        "FUSD_TRANSPORT": transport,
    }


@pytest.fixture
def program_in(request):
    """program_in(language, name) is the command that runs an example."""

    def command(language, name):
        if language == "python":
            return [sys.executable, str(TOP / "examples" / "python" / f"{name}.py")]
        return [str(request.getfixturevalue("installed") / "bin" / name)]

    return command


@pytest.fixture
def program(program_in, language):
    """program(name) is the command that runs an example."""
    return lambda name: program_in(language, name)


@pytest.fixture
def start(program, environment):
    """start(name, argument ...) runs an example until the test ends.

    Afterwards none of its devices is left, nor a word about an error.
    """
    running = []

    def run(name, *arguments):
        example = Example(name, [*program(name), *arguments], environment)
        running.append(example)
        return example

    yield run
    errors = [example.stop() for example in running]
    for example in running:
        for path in example.paths:
            wait_until(lambda path=path: not os.path.exists(path), f"{path} to go")
    assert "".join(errors) == ""


@pytest.fixture
def device(start):
    """device(name, argument ...) runs an example; the path of its one device."""
    return lambda name, *arguments: start(name, *arguments).device()


@pytest.fixture
def client_environment():
    """Administrators' programs, and their words in English."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, "LC_ALL": "C", "TZ": "UTC"}


@pytest.fixture
def take_away(transport):
    """take_away(path) does what only root can, and only to a mount."""
    if transport != "fuse":
        pytest.skip("only a mount can be taken away")
    if os.getuid() != 0:
        pytest.skip("umount(8) needs root")
    return lambda path: subprocess.run(["umount", path], check=True)
