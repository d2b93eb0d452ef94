# SPDX-License-Identifier: BSD-3-Clause
"""CONTRIBUTING.md's lists of the files that an addition takes are true."""

import re

import pytest

from support import TOP

TEXT = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATH = r"`(\w+/[\w/.]+)`"
#: For each list, the files that are to be on it if they have the example's name.
SEARCHED = {
    "A transport": (
        "libfusd/*.c",
        "pyfusd/_cli/support/*.py",
        "packaging/completion/*",
    ),
    "A callback": ("pyfusd/*.py", "pyfusd/*.p[yx][xid]"),
    "A poll state": (
        "include/*.h",
        "kernel/*.c",
        "libfusd/**/*.c",
        "pyfusd/*.p[yx]*",
        "docs/reference/*.md",
        "tests/support/fuzz/*.py",
    ),
    "A subcommand": ("pyfusd/_cli/*.py", "docs/man/*", "packaging/completion/*"),
    "An example": (
        "examples/*.md",
        "examples/c/*.[ch]",
        "examples/python/*.py",
        "docs/tutorial/*.md",
        "tests/examples/*.py",
    ),
}


def lists():
    """(what is added, the example, the files to touch, all that are named)."""
    found = re.findall(
        r"^### ([^\n]*), such as `(\w+)`\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S
    )
    for thing, example, section in found:
        items = " ".join(re.findall(r"^- ([^:]+): ", section, re.M))
        yield thing, example, *(re.findall(PATH, text) for text in (items, section))


def has(path, word):
    """Whether a file has the word, in its name or in its text."""
    file = TOP / path
    if word in file.name:
        return True
    text = file.read_text(encoding="utf-8")
    return re.search(rf"(?<![a-z]){word}(?![a-z])", text, re.I) is not None


LISTS = {thing: (example, paths) for thing, example, paths, _ in lists()}
each_list = pytest.mark.parametrize("thing", LISTS)


def test_each_kind_of_addition_has_a_list():
    assert set(LISTS) == set(SEARCHED)


@pytest.mark.parametrize("path", sorted({path for *_, all in lists() for path in all}))
def test_a_file_that_is_named_exists(path):
    assert (TOP / path).exists()


@each_list
def test_each_file_of_a_list_has_its_example(thing):
    example, paths = LISTS[thing]
    assert paths
    assert [path for path in paths if not has(path, example)] == []


@each_list
def test_no_file_that_has_the_example_is_missing_from_its_list(thing):
    example, paths = LISTS[thing]
    searched = {
        str(file.relative_to(TOP))
        for pattern in SEARCHED[thing]
        for file in TOP.glob(pattern)
    }
    assert searched
    assert {path for path in searched if has(path, example)} <= set(paths)
