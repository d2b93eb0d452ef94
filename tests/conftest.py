# SPDX-License-Identifier: BSD-3-Clause
"""Options and limits of the whole test suite, and what several parts share."""

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from scale import SCALE

TOP = Path(__file__).parent.parent


def pytest_addoption(parser):
    parser.addoption(
        "--transport",
        action="append",
        help="run the contract suite on this transport (may be repeated); "
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


def pytest_report_header():
    if SCALE != 1:
        return f"FUSD_TEST_SCALE: great numbers in tests are times {SCALE:g}"
    return None


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """An installed libfusd and C examples built against it by pkg-config alone."""
    base = tmp_path_factory.mktemp("installed")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS")
    }
    subprocess.run(
        ["make", "-s", "-C", "libfusd", "install", f"PREFIX={base}"],
        cwd=TOP,
        check=True,
        env=environment,
    )
    environment["PKG_CONFIG_PATH"] = f"{base}/lib/pkgconfig"
    # Where the library is; nothing else needs to be set to run them.
    environment["LDFLAGS"] = f"-Wl,-rpath,{base}/lib"
    environment["CFLAGS"] = "-O2 -Wall -Wextra -Wshadow -Wconversion -Werror"
    examples = base / "src"
    examples.mkdir()
    for file in (TOP / "examples" / "c").iterdir():
        shutil.copy(file, examples)
    subprocess.run(
        ["make", "-s", f"OUT={base}/bin"], cwd=examples, check=True, env=environment
    )
    return base
