# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks' programs, built."""

import subprocess

import pytest

from support import TOP


@pytest.fixture(scope="session")
def programs():
    """Where the client and the drivers are."""
    subprocess.run(["make", "-s", "-C", TOP / "benchmarks", "programs"], check=True)
    return TOP / "build" / "benchmarks"
