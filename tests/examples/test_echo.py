# SPDX-License-Identifier: BSD-3-Clause
"""echo, in C and in Python, and where a list of both is."""

from pathlib import Path

import pytest

from support.example import Example
from support.shell import output

STATUS = Path("/dev/fusd/status")


def test_echo_gives_back_what_was_written(device):
    path = device("echo")
    assert output(f"echo hi > {path}; cat {path}") == "hi\n"
    assert output(f"printf longer > {path}; cat {path}; cat {path}") == "longerlonger"


@pytest.fixture
def both(program_in, environment):
    """The paths of an echo in C and one in Python, served at the same time."""
    examples = [
        Example(
            "echo", [*program_in(language, "echo"), f"echo-{language}"], environment
        )
        for language in ("c", "python")
    ]
    yield [example.device() for example in examples]
    assert [example.stop() for example in examples] == ["", ""]


def test_c_and_python_serve_side_by_side(both, transport):
    for path in both:
        output(f"echo {path} > {path}")
    assert [output(f"cat {path}") for path in both] == [f"{path}\n" for path in both]
    if transport == "kfusd":
        lines = STATUS.read_text(encoding="ascii").splitlines()
        names = {line.split()[-1] for line in lines}
        assert {path.removeprefix("/dev/") for path in both} <= names
