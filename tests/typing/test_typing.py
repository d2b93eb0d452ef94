# SPDX-License-Identifier: BSD-3-Clause
"""What mypy says about code that uses pyfusd."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent


def mypy(module, *arguments, where):
    """Elsewhere, so that the project's own configuration says nothing."""
    # Nor does its environment: mypy has to find what a user's finds.
    environment = {k: v for k, v in os.environ.items() if k != "MYPYPATH"}
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


def test_the_environment_is_one_that_type_checkers_read(tmp_path):
    """They run no code: pyfusd is where the environment's files say it is."""
    program = tmp_path / "program.py"
    program.write_text("import pyfusd\n\nreveal_type(pyfusd.Device('x').path)\n")
    cache = HERE.parent.parent / "build" / "typing"
    result = mypy("mypy", "--cache-dir", cache, program, where=tmp_path)
    assert 'Revealed type is "str"' in result.stdout.replace("builtins.", "")
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
