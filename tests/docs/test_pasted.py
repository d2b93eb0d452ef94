# SPDX-License-Identifier: BSD-3-Clause
"""Each block of a page's sessions does what the page shows, also if it is pasted."""

import re

import pytest

from support.pages import WITH_README, sessions_of
from support.session import files_below, steps, wait_for_client, with_devices_in
from support.terminal import Terminal
from support.waiting import wait_until

PASTED = [page for page in WITH_README if sessions_of(page).get("fuse")]
# An "&" that starts something in the background; not that of "&&", ">&3" and "2>&1".
_BACKGROUND = re.compile(r"(?<![&>])&(?![&>\d-])")


def has_lines(expected, text):
    """Whether these lines are in the text, in this order, others between them."""
    rest = iter(text.splitlines())
    return all(any(is_line(one, line) for line in rest) for one in expected)


def is_line(expected, line):
    """What comes from the background comes after a prompt, or a half-typed command."""
    parts = [re.escape(part) for part in expected.split("...")]
    return re.search(".*".join(parts) + "$", line) is not None


@pytest.mark.parametrize("page", PASTED)
def test_a_block_waits_for_what_it_starts(page):
    """What goes on in the background is there before the next block is typed."""
    for block in sessions_of(page)["fuse"]:
        *before, _ = [command for command, _ in steps(block.text)]
        for command in before:
            assert not _BACKGROUND.search(command), f"{page}:{block.line}: {command}"


@pytest.mark.parametrize("manner", ["paste", "type"])
@pytest.mark.parametrize("page", PASTED)
def test_blocks_can_be_pasted(page, manner, read_page, clone, environment):
    """As one text into the line editor, and line after line without waiting."""
    root = read_page(page, "fuse")
    terminal = Terminal(clone, environment)
    try:
        for block in sessions_of(page)["fuse"]:
            paste_block(terminal, manner, with_devices_in(root, block.text), root)
    finally:
        terminal.finish()
    # An ordinary file, made by a client that came too early, would stay.
    wait_until(lambda: not files_below(root), f"no file in {root}")


def paste_block(terminal, manner, text, root):
    """Pastes a block, and waits until everything has come that it shows."""
    terminal.text = ""
    commands = [command for command, _ in steps(text)]
    give = getattr(terminal, manner)
    give("".join(f"{command}\n" for command in commands) + "echo end of $! block\n")
    (job,) = terminal.wait_for(r"^end of (\d*) ?block$").groups()
    shown = [line for _, output in steps(text) for line in output.splitlines()]
    terminal.wait_until(lambda: has_lines(shown, terminal.text), shown)
    if _BACKGROUND.search(commands[-1]) and not shown:
        wait_for_client(int(job), commands[-1], root)
