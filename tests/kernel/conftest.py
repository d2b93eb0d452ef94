# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the module alone, with drivers that speak raw messages."""

import contextlib
import os
import uuid

import pytest

from support.forked_clients import Client, opens
from support.raw_driver import CONTROL, OPEN, OPTION_UNBLOCK, Driver

PARAMETERS = "/sys/module/kfusd/parameters"


def devices_open():
    """The paths of this process's descriptors of devices, with their numbers."""
    links = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the directory
            links[number] = os.readlink(f"/proc/self/fd/{number}")
    return {
        pair
        for pair in links.items()
        if pair[1].startswith(("/dev/", "anon_inode:[fusd]"))
    }


@pytest.fixture(autouse=True)
def module():
    """Gives what each test needs, and lets none keep the module in use."""
    if not os.path.exists(CONTROL):
        pytest.skip(f"no {CONTROL} here: tests/vm/run boots a kernel that has it")
    before = devices_open()
    yield
    left = devices_open() - before
    assert not left, f"descriptors are left open: {left}"


@pytest.fixture
def name():
    """A name that no other test's device has."""
    return f"raw-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(name):
    with Driver(name) as one:
        yield one


@pytest.fixture
def willing(name):
    """A driver that wants to be told of signals."""
    with Driver(f"{name}-told", options=OPTION_UNBLOCK) as one:
        yield one


@pytest.fixture
def opened(driver):
    """A driver and a client's descriptor."""
    descriptor = driver.open()
    yield driver, descriptor
    # Nobody would answer the close.
    with contextlib.suppress(OSError):
        driver.unregister()
    os.close(descriptor)


@pytest.fixture
def client(driver):
    """client(STEP..., restart=, uid=) starts a process: see forked_clients.py."""
    started = []

    def start(*steps, of=driver, **options):
        started.append(Client(of, *steps, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def reader(client, driver):
    """reader(STEP..., restart=) is a client whose open was answered."""

    def start(*steps, of=driver, **options):
        one = client(opens(), *steps, of=of, **options)
        of.reply(of.expect(OPEN))
        assert one.result() == 0
        return one

    return start


@pytest.fixture
def parameter():
    """parameter(name, value) sets a limit of the module for the test."""
    before = {}

    def change(name, value):
        path = f"{PARAMETERS}/{name}"
        with open(path, encoding="ascii") as file:
            before.setdefault(path, file.read())
        with open(path, "w", encoding="ascii") as file:
            file.write(str(value))

    yield change
    for path, value in before.items():
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
