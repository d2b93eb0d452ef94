# SPDX-License-Identifier: BSD-3-Clause
"""Every code block of the manual runs, or comes from a file that is tested."""

import re
import subprocess
from pathlib import Path

import pytest

import pyfusd
from pyfusd._callbacks import CALLBACKS
from support import TOP
from support.pages import (
    DOCS,
    PAGES,
    SET_UP,
    WITH_README,
    blocks_of,
    excerpt,
    sessions_of,
)
from support.session import Session, steps

# Directives that hold no code.
PROSE = {
    "toctree",
    "include",
    "figure",
    "note",
    "warning",
    "tip",
    "eval-rst",
    "tab-set",
    "tab-set-code",
    "tab-item",
    "grid",
    "grid-item-card",
    "list-table",
}
# Pages that are nothing without Sphinx: what they show is in the sources, and for
# the start page there is README.md.
MADE_BY_SPHINX = {
    "index.md",
    "reference/c.md",
    "reference/callbacks.md",
    "reference/python.md",
}
# Where code that pages include is tested.
TESTED = ("examples", "include", "kernel", "packaging", "tests")
# Pages whose blocks a test of their own runs.
OWN_TEST = {
    "continuous-integration.md": "tests/docs/test_ci_page.py",
    "testing-with-mocks.md": "tests/plugin/test_document.py",
}
# What drivers in C use beside the functions.
MACROS = (
    "FUSD_CLIENT_READ",
    "FUSD_CLIENT_WRITE",
    "FUSD_MAX_NAME_LENGTH",
    "FUSD_NOREPLY",
    "FUSD_NOTIFY_ERROR",
    "FUSD_NOTIFY_EXCEPT",
    "FUSD_NOTIFY_HANGUP",
    "FUSD_NOTIFY_INPUT",
    "FUSD_NOTIFY_OUTPUT",
    "FUSD_OPS",
    "FUSD_RETRY",
    "MAX_RW_SIZE",
    "fusd_simple_register",
)


@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_are_executed(page):
    if page in OWN_TEST:
        assert page in (TOP / OWN_TEST[page]).read_text(encoding="utf-8")
        return
    mentioned = "".join(
        block.text for blocks in sessions_of(page).values() for block in blocks
    )
    for block in blocks_of(page):
        where = f"docs/{page}:{block.line}"
        if block.kind == "literalinclude":
            source = (DOCS / page).parent.joinpath(block.argument).resolve()
            assert source.relative_to(TOP).parts[0] in TESTED, where
        elif block.mark.startswith("excerpt "):
            source = block.mark.split()[1]
            source = (DOCS / page).parent.joinpath(source).resolve()
            assert source.relative_to(TOP).parts[0] in TESTED, where
            assert block.text == excerpt(page, block.mark), (
                f"{where}: not what the file has: run tests/support/pages.py"
            )
        elif block.language in ("python", "c"):
            assert (block.file or "no file") in mentioned, (
                f"{where}: no session of the page uses this file"
            )
        elif block.language != "console":
            assert block.is_directive, f"{where}: a block that nothing runs"
            assert block.kind in PROSE, f"{where}: {block.kind} may be code"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in MADE_BY_SPHINX])
def test_a_page_can_be_read_as_markdown(page):
    """As a forge shows it, which knows no directives and no titles of other pages."""
    directives = [block.kind for block in blocks_of(page) if block.is_directive]
    assert not directives
    text = (DOCS / page).read_text(encoding="utf-8")
    assert "[](" not in text
    assert not re.search(r"^: ", text, re.M), "a list of definitions"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_of(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if ":" not in target:
            assert (DOCS / page).parent.joinpath(target).is_file(), target


def test_each_page_can_be_reached():
    text = "".join(
        (DOCS / page).read_text(encoding="utf-8")
        for page in ("README.md", "tutorial/index.md", "reference/index.md")
    )
    names = {target.rpartition("/")[2] for target in re.findall(r"\]\(([^)]+)", text)}
    own = {"README.md", "index.md"}
    assert {Path(page).name for page in PAGES} - own == names - own


def test_set_up_names_what_exists():
    help_text = subprocess.run(
        ["make", "help"], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    tools = (TOP / "tools" / "setup").read_text(encoding="utf-8")
    for page in PAGES:
        for block in blocks_of(page):
            if block.mark != SET_UP:
                continue
            for target in re.findall(
                r"^\$ (?:sudo )?make ([a-z][a-z-]*)", block.text, re.M
            ):
                assert f"make {target}" in help_text, f"{page}: make {target}"
            for packages in re.findall(r"apt install (.*)", block.text):
                # One package has the kernel's release in its name.
                for package in re.sub(r"\S*\$\(.*?\)", "", packages).split():
                    assert f"echo {package}\n" in tools, f"{page}: {package}"


def test_the_references_have_everything_public():
    symbols = (TOP / "libfusd" / "libfusd.map").read_text(encoding="utf-8")
    page = (DOCS / "reference" / "c.md").read_text(encoding="utf-8")
    for name in re.findall(r"\b(fusd_\w+);", symbols):
        # The form for another version of the interface has the same name there.
        assert f"c:autofunction:: {name.removesuffix('_kor')}\n" in page, name
    for name in MACROS:
        assert f"c:automacro:: {name}\n" in page, name
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    for name in (*pyfusd.__all__, "Device"):
        # Constants are listed below "currentmodule", without its name.
        pattern = rf"(\bpyfusd\.|^\.\. data:: |^ {{10}}){name}\b"
        assert re.search(pattern, page, re.M), name


def test_each_callback_has_a_section_with_examples():
    page = (DOCS / "reference" / "callbacks.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (\w+)(?: and \w+)?$", page, flags=re.M)[1:]
    assert sections[::2] == list(CALLBACKS)
    for name, text in zip(sections[::2], sections[1::2]):
        c_name = CALLBACKS[name].c_name or name
        assert f".. automethod:: pyfusd.Device.{name}\n" in text
        assert f"[`fusd_file_operations.{c_name}`](c.md#" in text
        assert re.search(r"\((\.\./)+(examples/c|tests/transport)/", text), name


@pytest.mark.parametrize(
    ("page", "where"),
    [(page, transport) for page in WITH_README for transport in sessions_of(page)],
)
def test_sessions_are_as_shown(page, where, read_page, clone, environment):
    root = read_page(page, where)
    session = Session(clone, root, environment)
    try:
        for block in sessions_of(page)[where]:
            for command, output in steps(block.text):
                session.run(command, output)
    finally:
        session.finish()
