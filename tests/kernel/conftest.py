# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the module alone, with drivers that speak raw messages."""

import contextlib
import os
import uuid

import pytest

from raw import CONTROL, Driver


@pytest.fixture(autouse=True)
def module():
    if not os.path.exists(CONTROL):
        pytest.skip(f"no {CONTROL} here: tests/vm/run boots a kernel that has it")


@pytest.fixture
def name():
    """A name that no other test's device has."""
    return f"raw-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(name):
    with Driver(name) as one:
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
