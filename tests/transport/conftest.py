# SPDX-License-Identifier: BSD-3-Clause
"""The contract suite's fixtures, for each transport and language of the driver."""

import os
import subprocess

import pytest

from support import TOP
from support.fork_server import ForkServer
from support.processes import PROGRAMS, Client, Driver, start_c_driver


@pytest.fixture(scope="session")
def c_programs():
    """The suite's C programs, built with ASan and UBSan together with libfusd."""
    subprocess.run(
        ["make", "--no-print-directory", "-s", "-C", str(PROGRAMS), "all"],
        check=True,
    )
    return TOP / "build" / "tests"


@pytest.fixture(scope="session")
def c_driver(c_programs):
    return c_programs / "driver"


@pytest.fixture
def environment(tmp_path, transport):
    return {
        **os.environ,
        "FUSD_DEV_ROOT": str(tmp_path / "dev"),
        "FUSD_TRANSPORT": transport,
        # Freed memory is kept back only for a while, or memory never is flat.
        "ASAN_OPTIONS": "quarantine_size_mb=1:detect_leaks=0",
    }


@pytest.fixture(scope="session")
def fork_server():
    """What the Python processes of the suite are forked from."""
    one = ForkServer()
    yield one
    one.stop()


@pytest.fixture
def driver(request, language, environment, fork_server):
    """driver("KIND:NAME", ...) runs a driver until the test ends."""
    drivers = []

    def start(*kinds, language=language):
        if language == "c":
            program = request.getfixturevalue("c_driver")
            process = start_c_driver(program, kinds, environment)
        else:
            process = fork_server.start(
                PROGRAMS / "driver.py", *kinds, environment=environment, stderr=True
            )
        drivers.append(Driver(process, kinds))
        return drivers[-1]

    yield start
    for one in drivers:
        one.stop()


@pytest.fixture
def c_program(c_programs, environment):
    """c_program(PROGRAM, ARGUMENT..., devices=1) runs it until the test ends."""
    drivers = []

    def start(program, *arguments, devices=1):
        process = start_c_driver(c_programs / program, arguments, environment)
        drivers.append(Driver(process, range(devices)))
        return drivers[-1]

    yield start
    for one in drivers:
        one.stop()


@pytest.fixture
def original(c_program):
    """original(PROGRAM, ARGUMENT...) runs a program of original/ until the end."""
    return lambda program, *arguments: c_program(f"original-{program}", *arguments)


@pytest.fixture
def client(fork_server):
    """client() starts a client process."""
    clients = []

    def start():
        clients.append(Client(fork_server.start(PROGRAMS / "client.py")))
        return clients[-1]

    yield start
    for one in clients:
        one.stop()
