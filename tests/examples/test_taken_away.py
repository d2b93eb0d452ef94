# SPDX-License-Identifier: BSD-3-Clause
"""Devices that somebody takes away from outside, with umount(8)."""

import os
import subprocess

import pytest

from support.shell import output
from support.waiting import DEADLINE, wait_until


@pytest.fixture
def take_away(transport):
    """take_away(path) does what only root can, and only to a mount."""
    if transport != "fuse":
        pytest.skip("only a mount can be taken away")
    if os.getuid() != 0:
        pytest.skip("umount(8) needs root")
    return lambda path: subprocess.run(["umount", path], check=True)


def test_drums3_goes_on_with_the_other_drums(start, take_away):
    drums = start("drums3", "taken")
    bass, snare = drums.device(), drums.device()
    take_away(bass)
    # Its name is free again, once the driver knows.
    wait_until(lambda: not os.path.exists(bass), f"{bass} to go")
    drums.type("bass thud")
    assert drums.device() == bass
    assert output(f"head -n 1 {bass} {snare} | grep -v =") == "thud\n\ntak\n"
    take_away(bass)
    take_away(snare)
    assert drums.process.wait(DEADLINE) == 0
    errors = drums.process.stderr.read().splitlines()
    assert len(errors) == 3
    assert all(line.endswith(" was taken away from outside") for line in errors)


@pytest.mark.parametrize("name", ["rtc", "thermometer"])
def test_a_driver_ends_with_its_device(start, take_away, name):
    driver = start(name, f"taken-{name}")
    path = driver.device()
    take_away(path)
    assert driver.process.wait(DEADLINE) == 1
    errors = driver.process.stderr.read()
    assert errors.endswith(f"{path} was taken away from outside\n")
    assert errors.count("\n") == 1
