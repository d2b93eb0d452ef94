# SPDX-License-Identifier: BSD-3-Clause
"""Profiles, and what a run tried, of the random tests."""

import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

from support.fuzz.sequences import numbers_tried, statistics
from support.fuzz.system_under_test import SystemUnderTest
from support.proc import mounts
from support.scale import scaled
from support.waiting import wait_until

COMMON = {
    "deadline": None,
    "stateful_step_count": 40,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}
settings.register_profile("ci", max_examples=scaled(400), database=None, **COMMON)
settings.register_profile("deep", max_examples=1000, database=None, **COMMON)


lines_for_the_end = []


@pytest.fixture(scope="module")
def environment(transport):
    """For a driver, with a directory of its own for devices."""
    directory = tempfile.mkdtemp(prefix="fusd-fuzz-")
    yield {
        **os.environ,
        "FUSD_TRANSPORT": transport,
        "FUSD_DEV_ROOT": f"{directory}/dev",
    }
    # Of a driver that had to be killed, its watcher clears the device.
    wait_until(lambda: directory not in mounts(), "the end of the mount")
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def system(transport, environment):
    system = SystemUnderTest(transport, f"fuzz-{os.getpid()}", environment)
    yield system
    system.stop()


@pytest.fixture
def say_at_the_end():
    """Takes a line that sums a test up."""
    return lines_for_the_end.append


def pytest_terminal_summary(terminalreporter):
    for line in lines_for_the_end:
        terminalreporter.write_line(line)
    if statistics["sequences"]:
        terminalreporter.write_line(
            f"fuzz: {statistics['sequences']} sequences, {statistics['requests']} "
            f"requests, {len(numbers_tried)} distinct ioctl numbers"
        )
