# SPDX-License-Identifier: BSD-3-Clause
"""fast-drivers.md: its tables and its pictures show what the benchmarks measured."""

import json
import re

import pytest

from benchmarks import manual
from support import TOP

RESULTS = TOP / "benchmarks" / "results"
PAGE = (TOP / "docs" / manual.PAGE).read_text(encoding="utf-8")
FILES = ("bench.json", "bench-vm.json")


@pytest.fixture(scope="module")
def results():
    return {file: manual.load(RESULTS, file) for file in FILES}


def figures(file):
    """As they are shown."""
    data = json.loads((RESULTS / file).read_text(encoding="utf-8"))
    return {f"{row[data['unit']]:.1f}" for row in data["results"]}


def test_the_page_is_what_the_files_give(results):
    assert manual.render(PAGE, *results.values()) == PAGE


def test_each_figure_of_the_tables_is_one_of_the_files():
    tables = re.findall(r"^\|.*\|$", PAGE[: PAGE.index("figures reach")], re.M)
    shown = {figure for line in tables for figure in re.findall(r"\d+\.\d+", line)}
    assert shown
    assert shown <= figures("bench.json") | figures("bench-vm.json")


def test_no_figure_is_outside_of_a_mark():
    typed = manual.MARK.sub("", PAGE)
    assert re.findall(r"\d[\d.]* (?:µs|kinsn|%)", typed) == []


def test_each_mark_is_known_and_each_block_has_one(results):
    blocks = manual.Blocks(*results.values())
    named = {name.replace("-", "_") for _, name, _ in manual.MARK.findall(PAGE)}
    assert named == {name for name in dir(blocks) if not name.startswith("_")}
    assert PAGE.count("<!-- figures ") == PAGE.count("<!-- end of figures -->")


@pytest.mark.parametrize("picture", manual.PICTURES, ids=lambda one: one.image)
def test_a_picture_is_what_its_file_gives(results, picture):
    shown = (TOP / "docs" / "images" / picture.image).read_text(encoding="utf-8")
    assert shown == picture.svg(results[picture.file])
    assert "prefers-color-scheme: dark" in shown
    assert f"images/{picture.image}" in PAGE
