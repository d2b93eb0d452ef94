# SPDX-License-Identifier: BSD-3-Clause
"""What all examples have in common."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import TOP
from support.example import Example
from support.waiting import DEADLINE

EXAMPLES = TOP / "examples"
NAMES = sorted(file.stem for file in (EXAMPLES / "python").glob("*.py"))
# Those that are not named for their classes.
OWN_NAMES = {
    "i2c_sensor": "i2c-9",
    "logring": "logring",
    "mmap_page": "mmap_page",
    "pager": "pager",
    "random_bytes": "random_bytes",
    "serial_port": "ttyMOCK0",
}


@pytest.mark.parametrize(("name", "device"), OWN_NAMES.items())
def test_fusd_run_takes_a_device_s_own_name(name, device, environment):
    file = EXAMPLES / "python" / f"{name}.py"
    command = [sys.executable, "-m", "pyfusd", "run", str(file), "--", "cat"]
    example = Example(device, command, environment)
    try:
        path = example.device()
    finally:
        errors = example.stop()
    assert errors == ""
    assert path.endswith(f"/dev/{device}")


def test_a_name_may_be_given(device):
    assert device("echo", "sub/other").endswith("/sub/other")


def test_a_name_that_is_taken_is_one_sentence(device, start):
    device("echo", "taken")
    second = start("echo", "taken")
    assert second.line() is None
    assert second.process.wait(DEADLINE) == 1
    errors = second.process.stderr.read()
    assert errors.startswith("echo: ")
    assert re.search("another driver|the driver that has it", errors)
    assert errors.count("\n") == 1


def test_both_languages_have_the_same_examples():
    assert sorted(file.stem for file in (EXAMPLES / "c").glob("*.c")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_tests_in_a_file_of_its_name(name):
    assert Path(__file__).with_name(f"test_{name}.py").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_argument_shows_the_usage(program, name):
    result = subprocess.run(
        [*program(name), "-x", "y", "z", "zz"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(rf"usage: \S*{name}(\.py)?( \[?[A-Z.]+.*)\n", result.stderr)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["c", "py"])
def test_the_opening_says_how_to_try_it(name, suffix):
    directory = EXAMPLES / ("c" if suffix == "c" else "python")
    text = (directory / f"{name}.{suffix}").read_text(encoding="utf-8")
    opening = text[: text.index("*/")] if suffix == "c" else text.split('"""')[1]
    assert "Try it:  " in opening
    assert name in opening
