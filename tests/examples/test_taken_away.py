# SPDX-License-Identifier: BSD-3-Clause
"""Devices that somebody takes away from outside, with umount(8)."""

import os
import subprocess

import pytest

from waiting import DEADLINE


@pytest.fixture
def take_away(transport):
    """take_away(path) does what only root can, and only to a mount."""
    if transport != "fuse":
        pytest.skip("only a mount can be taken away")
    if os.getuid() != 0:
        pytest.skip("umount(8) needs root")
    return lambda path: subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("name", ["rtc", "thermometer"])
def test_a_driver_ends_with_its_device(start, take_away, name):
    driver = start(name, f"taken-{name}")
    path = driver.device()
    take_away(path)
    assert driver.process.wait(DEADLINE) == 1
    errors = driver.process.stderr.read()
    assert errors.endswith(f"{path} was taken away from outside\n")
    assert errors.count("\n") == 1
