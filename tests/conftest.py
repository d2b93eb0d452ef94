# SPDX-License-Identifier: BSD-3-Clause
"""Options and limits of the whole test suite, and what several parts share."""

import ctypes
import os
import resource
import signal
from pathlib import Path

import pytest

import pyfusd
from support import capabilities
from support.installing import install
from support.scale import SCALE

PR_SET_THP_DISABLE = 41


def pytest_addoption(parser):
    parser.addoption(
        "--transport",
        action="append",
        help="run what is about transports on this one (may be repeated); "
        "default: on those that work here",
    )
    parser.addoption(
        "--fuzz-minutes",
        type=float,
        default=0,
        help="how long tests/fuzz goes on on each transport; default: a short run",
    )


def pytest_configure(config):
    # Hundreds of clients and a thousand devices: more than the usual 1,024.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Memory that is measured must not grow because of the kernel's huge pages;
    # children inherit this.
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    # What a script starts with "&" ignores Ctrl-C, and so does all that it starts.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    if SCALE != 1:
        return f"FUSD_TEST_SCALE: great numbers in tests are times {SCALE:g}"
    return None


def pytest_generate_tests(metafunc):
    """What a transport or a driver's language matters to runs on each."""
    if "transport" in metafunc.fixturenames:
        names = metafunc.config.getoption("--transport") or [
            name
            for name in capabilities.TRANSPORTS
            if pyfusd.transport_problem(name) is None
        ]
        metafunc.parametrize(
            "transport", names or ["none"], scope="session", indirect=True
        )
    if "language" in metafunc.fixturenames:
        languages = getattr(metafunc.module, "LANGUAGES", ("c", "python"))
        metafunc.parametrize("language", languages, scope="session")


@pytest.fixture(scope="session")
def transport(request):
    """The name of a transport that works."""
    name = request.param
    if name == "none":
        pytest.skip(f"no transport works here: {pyfusd.transport_problem('fuse')}")
    problem = pyfusd.transport_problem(name)
    # One that does not work is here only if it was asked for by --transport.
    assert problem is None, f"{name} does not work here: {problem}"
    return name


@pytest.fixture
def holds(transport):
    """holds(id): whether the transport keeps this line of the contract."""
    return lambda capability: capabilities.holds(transport, capability)


@pytest.fixture
def shares_memory(transport, holds):
    """Whether clients map a device's shared memory; on fuse by passthrough."""
    if not holds("shared-memory"):
        return False
    return transport != "fuse" or (
        os.geteuid() == 0
        and "fuse_passthrough_mmap" in Path("/proc/kallsyms").read_text()
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """An installed libfusd and C examples built against it by pkg-config alone."""
    if "FUSD_TEST_INSTALLED" in os.environ:
        return Path(os.environ["FUSD_TEST_INSTALLED"])
    base = tmp_path_factory.mktemp("installed")
    install(base)
    return base
