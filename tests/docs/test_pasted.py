# SPDX-License-Identifier: BSD-3-Clause
"""A page's first session does what the page shows, also if it is pasted as a whole."""

import os
import re
import sys
from pathlib import Path

import pytest

import pyfusd
from support import TOP
from support.pages import blocks_of
from support.session import steps, with_devices_in
from support.terminal import Terminal

PAGES = ["../README.md", "index.md", "quickstart.md", "tutorial/first-drivers.md"]


def first_session(page):
    return next(
        block.text
        for block in blocks_of(page)
        if block.language == "console" and not block.mark
    )


def first_driver(page):
    """Name and text of a driver that the page has before its session, if any."""
    for block in blocks_of(page):
        if block.language == "python":
            return block.file or "echo.py", block.text
        if block.language == "console" and not block.mark:
            return None
    return None


def pattern_of(lines):
    """These lines, in this order, whatever is before, between and after them."""
    whole = [
        "^" + ".*".join(re.escape(part) for part in line.split("...")) + "$"
        for line in lines
    ]
    return r"\n(?:.*\n)*?".join(whole)


@pytest.fixture
def terminal(tmp_path):
    problem = pyfusd.transport_problem("fuse")
    if problem:
        pytest.skip(problem)
    directory = tmp_path / "clone"
    directory.mkdir()
    (directory / "examples").symlink_to(TOP / "examples")
    result = Terminal(
        directory,
        {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FUSD_DEV_ROOT": str(tmp_path / "dev"),
            "FUSD_TRANSPORT": "fuse",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    yield result
    result.finish()


@pytest.mark.parametrize("page", PAGES)
def test_a_first_session_can_be_pasted(page, terminal, tmp_path):
    """As one text into the line editor, and line after line without waiting."""
    if first_driver(page):
        name, text = first_driver(page)
        (tmp_path / "clone" / name).write_text(text, encoding="utf-8")
    root = tmp_path / "dev"
    typed = with_devices_in(root, first_session(page))
    commands = "".join(f"{command}\n" for command, _ in steps(typed))
    shown = "".join(output for _, output in steps(typed)).splitlines()
    assert shown
    for give in (terminal.paste, terminal.type):
        terminal.text = ""
        give(f"{commands}printf 'end of %s\\n' session\n")
        terminal.wait_for("^end of session$")
        assert re.search(pattern_of(shown), terminal.text, re.M), terminal.text
        assert [path for path in root.rglob("*") if path.is_file()] == []
