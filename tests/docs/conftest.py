# SPDX-License-Identifier: BSD-3-Clause
"""What a reader of the manual has who makes its sessions."""

import os
import shutil
import sys
from pathlib import Path

import pytest

import pyfusd
from support import TOP
from support.pages import files_of
from support.session import with_devices_in

# A page whose session needs a program that is not everywhere.
PROGRAMS = {"strace.md": "strace"}


@pytest.fixture
def clone(tmp_path, installed):
    """The repository's files, and an installed libfusd."""
    directory = tmp_path / "fusd"
    directory.mkdir()
    for name in ("examples", "benchmarks"):
        shutil.copytree(
            TOP / name,
            directory / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return directory


@pytest.fixture
def environment(tmp_path, installed):
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PKG_CONFIG_PATH": f"{installed}/lib/pkgconfig",
        "LD_LIBRARY_PATH": f"{installed}/lib",
        "FUSD_DEV_ROOT": str(tmp_path / "dev"),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def read_page(clone, environment, tmp_path):
    """read_page(page, transport) makes its files; where its devices will be."""

    def read(page, transport):
        problem = pyfusd.transport_problem(transport)
        program = PROGRAMS.get(page)
        if not problem and program and not shutil.which(program):
            problem = f"{program} is not installed"
        if problem:
            pytest.skip(problem)
        root = str(tmp_path / "dev") if transport == "fuse" else "/dev"
        for name, block in files_of(page).items():
            text = with_devices_in(root, block.text)
            (clone / name).write_text(text, encoding="utf-8")
        environment["FUSD_TRANSPORT"] = transport
        return root

    return read
