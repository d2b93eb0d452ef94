# SPDX-License-Identifier: BSD-3-Clause
"""The contract suite's fixtures, for each transport and language of the driver."""

import os
import subprocess
import sys

import pytest

import pyfusd

import capabilities
from processes import HERE, TOP, Client, Driver


def pytest_generate_tests(metafunc):
    if "transport" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--transport")
        names = chosen or [
            name
            for name in capabilities.TRANSPORTS
            if pyfusd.transport_problem(name) is None
        ]
        metafunc.parametrize("transport", names or ["none"], scope="session")
    if "language" in metafunc.fixturenames:
        metafunc.parametrize("language", ["c", "python"], scope="session")


@pytest.fixture
def holds(transport):
    """holds(id): whether the transport keeps this line of the contract."""
    return lambda capability: capabilities.holds(transport, capability)


@pytest.fixture(scope="session")
def c_driver():
    """The C driver, built with ASan and UBSan together with libfusd."""
    program = TOP / "build" / "tests" / "driver"
    subprocess.run(
        ["make", "--no-print-directory", "-s", "-C", str(HERE), str(program)],
        check=True,
    )
    return program


@pytest.fixture
def environment(tmp_path, transport):
    if transport == "none":
        pytest.skip("no transport works here")
    problem = pyfusd.transport_problem(transport)
    if problem:
        pytest.skip(f"{transport} does not work here: {problem}")
    return {
        **os.environ,
        "FUSD_DEV_ROOT": str(tmp_path / "dev"),
        "FUSD_TRANSPORT": transport,
        # Freed memory is kept back only for a while, or memory never is flat.
        "ASAN_OPTIONS": "quarantine_size_mb=1:detect_leaks=0",
    }


@pytest.fixture
def driver(request, language, environment):
    """driver("KIND:NAME", ...) runs a driver until the test ends."""
    drivers = []

    def start(*kinds, language=language):
        command = [sys.executable, str(HERE / "driver.py")]
        if language == "c":
            command = [str(request.getfixturevalue("c_driver"))]
        drivers.append(Driver(command, kinds, environment))
        return drivers[-1]

    yield start
    for one in drivers:
        one.stop()


@pytest.fixture
def client():
    """client() starts a client process."""
    clients = []

    def start():
        clients.append(Client())
        return clients[-1]

    yield start
    for one in clients:
        one.stop()
