# SPDX-License-Identifier: BSD-3-Clause
"""Puts what the benchmarks measured into the manual: pictures, tables, sentences.

docs/fast-drivers.md has marks,

    <!-- figures NAME -->
    <!-- end of figures -->

and what is between them is written here, from results/*.json; nobody types a
figure. "make -C benchmarks plots" runs this program.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cases import size_text
from benchmarks.drivers import TOP
from benchmarks.plot import Bar, Panel, draw

RESULTS = TOP / "benchmarks" / "results"
DOCS = TOP / "docs"
PAGE = "fast-drivers.md"
MARK = re.compile(r"(<!-- figures ([\w-]+) -->\n).*?(<!-- end of figures -->\n)", re.S)
_WIDTH = 96
_FLOORS, _PEERS = ("pipe", "eventfd"), ("libfuse", "mfusepy", "pyfuse3")
_SYMBOLS = {"us": "µs", "kinsn": "kinsn"}
_SEVERAL = (100, 10_000)

Row = dict[str, Any]


@dataclass
class Results:
    """One of the files."""

    data: dict[str, Any]

    @property
    def unit(self) -> str:
        return str(self.data["unit"])

    def rows(self, group: str, **wanted: object) -> list[Row]:
        """Those of a group that have these values; () stands for one of several."""
        return [
            row
            for row in self.data["results"]
            if row["group"] == group
            and all(
                row.get(key) in value
                if isinstance(value, tuple)
                else row.get(key) == value
                for key, value in wanted.items()
            )
        ]

    def value(self, group: str, **wanted: object) -> float:
        (row,) = self.rows(group, **wanted)
        return float(row[self.unit])


def case_name(row: Row) -> str:
    names = {"ioctl": f"ioctl {row['size']} B", "open": "open and close"}
    names |= {"poll": "waking a poll(2)", "refused": "read, EAGAIN"}
    text = names.get(row["operation"], f"{row['operation']} {size_text(row['size'])}")
    for key, what in (("clients", "client"), ("devices", "device"), ("files", "file")):
        if key in row:
            text = f"{row[key]:,} {what}s"
    return text + (", other core" if row.get("cores") == "two" else "")


def driver_name(row: Row, is_mixed: bool) -> str:
    """As a column is called; the transport only where there are several."""
    name = {"c": "C", "python": "Python"}.get(row["driver"], row["driver"])
    if row["driver"] in _FLOORS:
        return name
    option = f" {row['option']}" if "option" in row else ""
    return f"{row['transport']} {name}{option}" if is_mixed else f"{name}{option}"


def color_of(row: Row) -> str:
    if row["driver"] in _FLOORS:
        return "floor"
    if row["driver"] in _PEERS:
        return "peer"
    return row["driver"] if row["driver"] in ("c", "python") else "asyncio"


def _is_mixed(rows: list[Row]) -> bool:
    transports = {row["transport"] for row in rows if row["driver"] not in _FLOORS}
    return len(transports) > 1


def table(results: Results, rows: list[Row]) -> str:
    """One line for each case, one column for each driver."""
    is_mixed = _is_mixed(rows)
    names = list(dict.fromkeys(driver_name(row, is_mixed) for row in rows))
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        line = cells.setdefault(case_name(row), {})
        line[driver_name(row, is_mixed)] = f"{row[results.unit]:.1f}"
    lines = [f"| | {' | '.join(names)} |", f"| ---{' | ---' * len(names)} |"]
    lines += [
        f"| {case} | {' | '.join(line.get(name, '') for name in names)} |"
        for case, line in cells.items()
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Picture:
    """Bars of some of a file's rows, and what is said where no picture is seen."""

    file: str
    image: str
    title: str
    group: str
    wanted: dict[str, object] = field(default_factory=dict)

    def panels(self, results: Results) -> list[Panel]:
        rows = results.rows(self.group, **self.wanted)
        is_mixed = _is_mixed(rows)
        panels: dict[str, list[Bar]] = {}
        for row in rows:
            bar = Bar(driver_name(row, is_mixed), row[results.unit], color_of(row))
            panels.setdefault(case_name(row), []).append(bar)
        return [Panel(heading, tuple(bars)) for heading, bars in panels.items()]

    def svg(self, results: Results) -> str:
        unit = {
            "us": "microseconds for one round trip",
            "kinsn": "thousands of instructions for one round trip",
        }
        return draw(self.title, unit[results.unit], self.panels(results))

    def markdown(self, results: Results) -> str:
        panel = self.panels(results)[0]
        bars = ", ".join(f"{bar.name} {bar.value:.1f}" for bar in panel.bars)
        symbol = _SYMBOLS[results.unit]
        text = f"![{self.title}; {panel.heading} in {symbol}: {bars}.]"
        return _filled(f"{text}(images/{self.image})") + "\n"


_SOME_READS = {"operation": "read", "size": (1, 4096, 131072, 1048576)}
PICTURES = (
    Picture(
        *("bench.json", "round-trips-fuse.svg", "Reads on fuse", "transfers"),
        {**_SOME_READS, "option": None},
    ),
    Picture(
        *("bench-vm.json", "round-trips-kfusd-cuse.svg", "Reads on kfusd and cuse"),
        "transfers",
        {**_SOME_READS, "transport": ("kfusd", "cuse", "eventfd"), "option": None},
    ),
    Picture(
        *("bench-vm.json", "clients.svg", "Clients that ask at the same time"),
        "clients",
    ),
    Picture(
        *("bench-vm.json", "devices.svg", "Devices of one driver"),
        "devices",
        {"transport": "kfusd"},
    ),
)


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _percent(ratios: list[float]) -> str:
    """From the least to the most that ratios are above 1."""
    low, high = (round(100 * (one - 1)) for one in (min(ratios), max(ratios)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _ratios(results: Results, of: str, to: str, **wanted: object) -> list[float]:
    """Those of reads and writes."""
    return [
        row["ratio"]
        for row in results.data["ratios"]
        if (row["group"], row["of"], row["to"]) == ("transfers", of, to)
        and all(
            row[key] in value if isinstance(value, tuple) else row[key] == value
            for key, value in wanted.items()
        )
    ]


class Blocks:
    """What each mark stands for: a method's name is the mark's."""

    def __init__(self, here: Results, counted: Results) -> None:
        self._here, self._counted = here, counted

    def _picture(self, image: str) -> str:
        (picture,) = (one for one in PICTURES if one.image == image)
        results = self._here if picture.file == "bench.json" else self._counted
        return picture.markdown(results) + "\n"

    def machines(self) -> str:
        return _filled(
            f"`{self._here.data['command']}` ran on {self._here.data['machine']}; "
            f"`{self._counted.data['command']}` in {self._counted.data['machine']}. "
            f"{self._here.data['method'].replace(' (*)', '')}"
        )

    def fuse(self) -> str:
        rows = self._here.rows("transfers", option=None)
        rows += self._here.rows("operations")
        return self._picture("round-trips-fuse.svg") + table(self._here, rows)

    def fuse_costs(self) -> str:
        c = {"driver": "c", "operation": "read", "option": None}
        one = self._here.value("transfers", size=1, **c)
        bulk = self._here.value("transfers", size=131072, **c)
        python = _ratios(self._counted, "fuse python", "fuse c", size=(1, 4096))
        return _filled(
            f"So a request costs about {one:.0f} µs whatever it asks; Python adds "
            f"{_percent(python)}, in instructions, for 1 byte to 4 KiB. Where it "
            f"hurts, ask for more at once: 128 KiB cost {bulk / one:.1f} times as much "
            "as one byte."
        )

    def counted(self) -> str:
        wanted = {"transport": ("kfusd", "cuse", "eventfd"), "option": None}
        rows = self._counted.rows("transfers", **wanted)
        rows += self._counted.rows("operations", **wanted)
        picture = self._picture("round-trips-kfusd-cuse.svg")
        return picture + table(self._counted, rows)

    def counted_costs(self) -> str:
        says = []
        for size, text in ((1, "one byte"), (131072, "128 KiB")):
            ratios = _ratios(self._counted, "kfusd c", "cuse libfuse", size=size)
            parts = sorted(round(100 * ratio) for ratio in ratios)
            says.append(f"{parts[0]} to {parts[-1]} % of that for {text}")
        return _filled(
            "Of the instructions that libfuse's CUSE driver takes, kfusd needs "
            f"{' and '.join(says)}.".replace("of that for", "for")
        )

    def counted_fuse(self) -> str:
        wanted = {"transport": "fuse", "option": None}
        rows = self._counted.rows("transfers", **wanted)
        return table(self._counted, rows + self._counted.rows("operations", **wanted))

    def clients(self) -> str:
        rows = self._counted.rows("clients")
        return self._picture("clients.svg") + table(self._counted, rows)

    def many(self) -> str:
        rows = self._counted.rows("devices") + self._counted.rows(
            "files", files=_SEVERAL
        )
        return self._picture("devices.svg") + table(self._counted, rows)

    def cores(self) -> str:
        rows = self._here.rows("cores")
        return table(self._here, rows + self._here.rows("spin", driver=("c", "python")))

    def idle(self) -> str:
        return _filled("; ".join(self._here.data["idle"]) + ".")

    def answers(self) -> str:
        rows = self._here.rows("answers") + self._here.rows("errors")
        names = {
            "python": "`return view[:n]`, a view of memory that is there",
            "python filling": "`buf[:] = view[:n]; return n`",
            "python copying": "`return data[:n]`, a new `bytes` object each time",
            "python refusing": "`return -errno.EAGAIN`",
            "python raising": "`raise BlockingIOError(errno.EAGAIN, ...)`",
        }
        sizes = (1, 131072)
        heads = " | ".join(size_text(size) for size in sizes)
        lines = [f"| the callback | {heads} |", "| --- | --- | --- |"]
        for driver, text in names.items():
            found = {row["size"]: row["us"] for row in rows if row["driver"] == driver}
            cells = [f"{found[size]:.1f} µs" if size in found else "" for size in sizes]
            lines.append(f"| {text} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"

    def reach(self) -> str:
        lines = ["| what | limit | measured | |", "| --- | --- | --- | --- |"]
        for results in (self._counted, self._here):
            lines += [
                f"| {row['what']} | {row['limit']} | {row['measured']} "
                f"| {row['verdict']} |"
                for row in results.data["reach"]
            ]
        return "\n".join(lines) + "\n"

    def left_out(self) -> str:
        """Who was not measured, if anybody."""
        absent = {**self._here.data["absent"], **self._counted.data["absent"]}
        if not absent:
            return ""
        missing = "; ".join(f"{who} ({why})" for who, why in sorted(absent.items()))
        return _filled(f"Not measured: {missing}.") + "\n"


def render(page: str, here: Results, counted: Results) -> str:
    """The page with what its marks stand for."""
    blocks = Blocks(here, counted)

    def written(match: re.Match[str]) -> str:
        text = getattr(blocks, match[2].replace("-", "_"))()
        return f"{match[1]}{text.rstrip()}\n{match[3]}"

    return MARK.sub(written, page)


def load(directory: Path, file: str) -> Results:
    return Results(json.loads((directory / file).read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIRECTORY")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="DIRECTORY")
    options = parser.parse_args()
    results = {
        file: load(options.results, file) for file in ("bench.json", "bench-vm.json")
    }
    for picture in PICTURES:
        path = options.docs / "images" / picture.image
        path.write_text(picture.svg(results[picture.file]), encoding="utf-8")
    page = options.docs / PAGE
    text = render(page.read_text(encoding="utf-8"), *results.values())
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
