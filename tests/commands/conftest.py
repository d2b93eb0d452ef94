# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests of `fusd`: the command, as a user's shell starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.proc import mounts
from support.waiting import DEADLINE, wait_until

DRIVERS = '''
import asyncio
import errno
import functools
import pyfusd

class Echo(pyfusd.Device):
    """Gives back the last thing written to it."""

    def __init__(self, name="echo", mode=0o600, *, greeting="", number=0, **more):
        super().__init__(name, mode, **more)
        self.data = str(greeting).encode() * (number or 1)

    def read(self, file, buf, offset):
        return self.data[offset : offset + len(buf)]

    def write(self, file, buf, offset):
        if bytes(buf) == b"raise":
            raise ValueError("as it was told")
        self.data = bytes(buf)
        return len(buf)

    @pyfusd.ioctl(pyfusd.IOWR("T", 1, 8))
    def exchange(self, file, data):
        data[:] = bytes(data)[::-1]

    @pyfusd.ioctl(pyfusd.IO("T", 2))
    def refuse(self, file, argument):
        return -errno.EBUSY

class Narrow(pyfusd.Device):
    def read(self, file):
        return 0

class Nameless(pyfusd.Device):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)

class Positional(pyfusd.Device):
    def __init__(self, *arguments):
        super().__init__(*arguments)

class Fixed(pyfusd.Device):
    def __init__(self, **options):
        super().__init__("fixed", mode=0o640, **options)

class Needing(pyfusd.Device):
    def __init__(self, name, port, *, speed, mode=0o600, **more):
        super().__init__(name, mode, **more)

class Forgetful(pyfusd.Device):
    def __init__(self, name):
        pass

partial = functools.partial(Echo, greeting="partly")

def passing(**options):
    return Nameless(**options)

class Holding(pyfusd.Device):
    """A read waits for the next write."""

    waiting = None

    def read(self, file, buf, offset):
        self.waiting = file.hold()
        return self.waiting

    def write(self, file, buf, offset):
        request, self.waiting = self.waiting, None
        if request is None:
            return -errno.EAGAIN
        request.reply(bytes(buf))
        return len(buf)

class Later(Echo):
    """As Echo, on asyncio."""

    async def read(self, file, buf, offset):
        await asyncio.sleep(0)
        return super().read(file, buf, offset)

class Whole(Echo):
    """As Echo, with the longest ioctl that there is."""

    @pyfusd.ioctl(pyfusd.IOWR("T", 3, 16383))
    def keep(self, file, data):
        pass

def several():
    return [Echo("one"), Echo("two")]

def many():
    return [Echo(f"{'directory/' * 3}{number}") for number in range(400)]

def broken():
    raise RuntimeError("no hardware")

instance = Echo("instance")
nothing = 5
'''


class Running:
    """A `fusd` that has not ended."""

    def __init__(self, process):
        self.process = process

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def error_line(self):
        return self.process.stderr.readline().rstrip("\n")

    def end(self, number):
        """Sends a signal; the exit status and the rest of both outputs."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, output, errors


@pytest.fixture
def root(tmp_path, monkeypatch, transport):
    """The directory where devices appear; nothing may be left in it."""
    directory = tmp_path / "dev" if transport == "fuse" else Path("/dev")
    monkeypatch.setenv("FUSD_DEV_ROOT", str(tmp_path / "dev"))
    monkeypatch.setenv("FUSD_TRANSPORT", transport)
    before = names_in(directory)
    yield directory
    wait_until(lambda: str(tmp_path) not in mounts(), "the end of the mounts")
    wait_until(lambda: names_in(directory) <= before, "the end of the devices")


def names_in(directory):
    return set(os.listdir(directory)) if directory.exists() else set()


@pytest.fixture
def drivers(tmp_path, monkeypatch):
    """A directory with drivers.py, which is the current one."""
    (tmp_path / "drivers.py").write_text(DRIVERS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fusd():
    """fusd(argument, ...) runs the command to its end."""

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "pyfusd", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=DEADLINE * 3,
            **options,
        )

    return run


@pytest.fixture
def start(root):
    """start(argument, ...) starts the command, which ends before the test does."""
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "pyfusd", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        return Running(process)

    yield run
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=DEADLINE)
