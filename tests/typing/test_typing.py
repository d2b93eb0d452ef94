# SPDX-License-Identifier: BSD-3-Clause
"""What mypy says about code that uses pyfusd."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyfusd

pytest.importorskip("mypy")

HERE = Path(__file__).parent


def mypy(module, *arguments, where):
    """Elsewhere, so that the project's own configuration says nothing."""
    # mypy does not see what a development installation does; MYPYPATH is not
    # for packages that are really installed.
    top = str(Path(pyfusd.__file__).parent.parent)
    environment = {**os.environ, "MYPYPATH": "" if "site-packages" in top else top}
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=where,
        env=environment,
    )


def strict(*files, where, options=()):
    # One cache for all: most of the time goes into the standard library.
    cache = HERE.parent.parent / "build" / "typing"
    paths = [HERE / file for file in files]
    options = ["--strict", "--cache-dir", cache, *options]
    return mypy("mypy", *options, *paths, where=where)


@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_correct_code_has_no_errors(version, tmp_path):
    options = ["--python-version", version]
    result = strict("driver.py", "mocks.py", where=tmp_path, options=options)
    assert result.returncode == 0, result.stdout


def test_mistakes_are_found(tmp_path):
    expected = {
        number: line.rpartition("# ")[2].strip()
        for number, line in enumerate(
            (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines(), 1
        )
        if re.search(r"  # [a-z-]+$", line)
    }
    output = strict("mistakes.py", where=tmp_path).stdout
    found = {
        int(number): code
        for number, code in re.findall(r":(\d+): error: .*\[([a-z-]+)\]$", output, re.M)
    }
    assert found == expected, output


def test_the_stub_is_what_the_extension_is(tmp_path):
    allowed = [
        "--allowlist",
        HERE / "stubtest-allowed.txt",
        "--ignore-unused-allowlist",
    ]
    result = mypy("mypy.stubtest", "pyfusd._core", *allowed, where=tmp_path)
    assert result.returncode == 0, result.stdout
