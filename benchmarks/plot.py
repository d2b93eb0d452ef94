# SPDX-License-Identifier: BSD-3-Clause
"""Draws what bench.py and bench_vm.py measured: JSON files become SVG pictures.

They follow the reader's choice of a light or a dark screen: what matplotlib
draws in certain colours takes them from a style sheet, which has both.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

TOP = Path(__file__).resolve().parent.parent

RESULTS = TOP / "benchmarks" / "results"
IMAGES = TOP / "docs" / "images"
# Which file becomes which picture, and the unit of its figures.
PICTURES = (
    ("bench.json", "round-trips-fuse.svg", "us", "µs for one round trip"),
    (
        *("bench-vm.json", "round-trips-kfusd-cuse.svg", "kinsn"),
        "thousands of instructions for one round trip",
    ),
)
LABELS = {
    ("c", "fuse"): "C driver",
    ("python", "fuse"): "Python driver",
    ("libfuse", "fuse"): "libfuse",
    ("pipe", "pipe"): "pipe",
    ("c", "kfusd"): "kfusd, C",
    ("python", "kfusd"): "kfusd, Python",
    ("c", "cuse"): "cuse, C",
    ("python", "cuse"): "cuse, Python",
    ("libfuse", "cuse"): "libfuse",
    ("eventfd", "eventfd"): "eventfd",
}
# Each colour on a light screen, which no two parts share, and on a dark one.
PAGE, TEXT, GRID = "#ffffff", "#1d2630", "#d5dce4"
BARS = {
    "C driver": "#1f4e79",
    "Python driver": "#2e7d32",
    "kfusd, C": "#1f4e79",
    "kfusd, Python": "#2e7d32",
    "cuse, C": "#6f9fce",
    "cuse, Python": "#82bd86",
    "libfuse": "#c77700",
    "pipe": "#8b95a1",
    "eventfd": "#8b95a1",
}
DARK = {
    PAGE: "#14181d",
    TEXT: "#e6eaef",
    GRID: "#3a4450",
    "#1f4e79": "#7fb2e5",
    "#2e7d32": "#7cc182",
    "#6f9fce": "#3f6f9f",
    "#82bd86": "#42804a",
    "#c77700": "#e0a458",
    "#8b95a1": "#77818c",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fusd",  # the same picture each time
    "font.size": 9,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "figure.facecolor": PAGE,
    "axes.facecolor": PAGE,
    "axes.edgecolor": GRID,
    "grid.color": GRID,
}
WIDTH = 4.6  # inches: also on a phone its text can be read
BAR = 0.17  # inches


def case_of(result: dict[str, Any]) -> str:
    size = result["size"]
    return f"{result['op']} {f'{size >> 10} KiB' if size >= 1024 else f'{size} B'}"


def draw(data: dict[str, Any], unit: str, title: str, path: Path) -> None:
    """One bar for each driver, in a group for each operation and size."""
    cases = list(dict.fromkeys(map(case_of, data["results"])))
    drivers = list(
        dict.fromkeys((row["driver"], row["transport"]) for row in data["results"])
    )
    figure, axes = pyplot.subplots(
        figsize=(WIDTH, BAR * (len(drivers) + 1) * len(cases) + 1),
        layout="constrained",
    )
    for index, driver in enumerate(drivers):
        rows = [
            row
            for row in data["results"]
            if (row["driver"], row["transport"]) == driver
        ]
        places = [
            cases.index(case_of(row)) * (len(drivers) + 1) + index for row in rows
        ]
        label = LABELS[driver]
        bars = axes.barh(
            places, [row[unit] for row in rows], 0.85, color=BARS[label], label=label
        )
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    middle = (len(drivers) - 1) / 2
    axes.set_yticks(
        [number * (len(drivers) + 1) + middle for number in range(len(cases))], cases
    )
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(title)
    figure.legend(loc="outside upper center", ncols=len(drivers) // 2, frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None, "Title": title})
    pyplot.close(figure)
    path.write_text(for_both_screens(path.read_text("utf-8")), encoding="utf-8")


def for_both_screens(svg: str) -> str:
    """Lets a style sheet say what is in matplotlib's colours."""
    light, dark = "", ""
    for color, on_dark in DARK.items():
        name = f"--on-{color[1:]}"
        svg = svg.replace(color, f"var({name})")
        light += f"{name}: {color}; "
        dark += f"{name}: {on_dark}; "
    rules = (
        f":root {{ {light}}}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}\n"
    )
    lines = f"<style>\n{rules}</style>\n <defs>".splitlines()
    svg = svg.replace(" <defs>", "\n".join(lines), 1)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIRECTORY")
    parser.add_argument("--images", type=Path, default=IMAGES, metavar="DIRECTORY")
    options = parser.parse_args()
    matplotlib.use("svg")
    with matplotlib.rc_context(STYLE):
        for source, image, unit, title in PICTURES:
            data = json.loads((options.results / source).read_text(encoding="utf-8"))
            draw(data, unit, title, options.images / image)


if __name__ == "__main__":
    main()
