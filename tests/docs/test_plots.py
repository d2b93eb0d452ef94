# SPDX-License-Identifier: BSD-3-Clause
"""fast-drivers.md: its tables and its pictures show the figures of one file."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from support import TOP

RESULTS = TOP / "benchmarks" / "results"
IMAGES = TOP / "docs" / "images"
PLOTS = [
    ("bench.json", "us", "round-trips-fuse.svg"),
    ("bench-vm.json", "kinsn", "round-trips-kfusd-cuse.svg"),
]


def figures(file, unit):
    """As they are shown, the drivers' of each operation and size together."""
    results = json.loads((RESULTS / file).read_text(encoding="utf-8"))["results"]
    return [f"{row[unit]:.1f}" for row in results]


def texts(image):
    return [
        element.text
        for element in ElementTree.parse(image).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize(("file", "unit", "image"), PLOTS)
def test_a_table_has_the_figures(file, unit, image):
    page = (TOP / "docs" / "fast-drivers.md").read_text(encoding="utf-8")
    table = re.search(r"^\|.*?\n\n", page[page.index(image) :], re.M | re.S)[0]
    rows = re.findall(r"^\| (?:read|write) .*? \| (.*) \|$", table, re.M)
    shown = [figure for row in rows for figure in row.split(" | ")]
    assert shown == figures(file, unit)


@pytest.mark.parametrize(("file", "unit", "image"), PLOTS)
def test_a_picture_has_the_figures(file, unit, image):
    shown = [text for text in texts(IMAGES / image) if re.fullmatch(r"\d+\.\d", text)]
    assert sorted(shown) == sorted(figures(file, unit))


def test_the_pictures_are_those_that_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, TOP / "benchmarks" / "plot.py", "--images", tmp_path]
    subprocess.run(command, check=True)
    for _, _, image in PLOTS:
        assert texts(tmp_path / image) == texts(IMAGES / image)
        assert "prefers-color-scheme: dark" in (tmp_path / image).read_text("utf-8")
