# SPDX-License-Identifier: BSD-3-Clause
"""What a command prints, and the JSON file that it writes."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from benchmarks import reach
from benchmarks.cases import Case, Group, Subject, size_text
from benchmarks.figures import ratio_rows, rows_of
from benchmarks.measuring import Measured, Series
from benchmarks.modes import GAPS, METHOD, figure_of, ratio_of

_WIDTH = 88
_UNITS = {
    "us": "microseconds a round trip",
    "kinsn": "thousands of instructions a round trip, the whole machine's",
}
#: Drivers that are shown beside others, below a group's figures.
_BESIDE = (
    ("c", "libfuse"),
    ("c", "eventfd"),
    ("python", "c"),
    ("python", "mfusepy"),
    ("python", "pyfuse3"),
    ("asyncio", "python"),
    ("async def", "python"),
)


def _short(case: Case) -> str:
    """A column's two lines."""
    if case.devices > 1 or case.files > 1 or case.clients > 1:
        count = max(case.devices, case.files, case.clients)
        return f"{case.operation}\n{count:,}"
    if case.operation in ("read", "write"):
        cores = "other core" if case.cores == "two" else size_text(case.size)
        return f"{case.operation}\n{cores}"
    return f"{case.operation}\n"


def _print_row(title: str, cells: list[str]) -> None:
    print(f"{title:34}" + "".join(f"{cell:>11}" for cell in cells))


def _subjects(series: Series) -> list[Subject]:
    return list(dict.fromkeys(subject for subject, _ in series))


def _is_beside(of: Subject, to: Subject) -> bool:
    if of.option or to.option or (of.driver, to.driver) not in _BESIDE:
        return False
    # kfusd takes the place of cuse, where libfuse is.
    transports = {of.transport, "cuse" if of.transport == "kfusd" else of.transport}
    if to.driver != "libfuse":
        transports = {of.transport, "eventfd"}
    return to.transport in transports


def pairs_of(subjects: list[Subject]) -> list[tuple[Subject, Subject]]:
    """Who is shown beside whom."""
    return [(of, to) for of in subjects for to in subjects if _is_beside(of, to)]


def print_group(group: Group, series: Series, unit: str) -> None:
    cases = [case for case in group.cases if any(one == case for _, one in series)]
    if not cases:
        return
    print(f"\n{group.title}")
    columns = [_short(case).partition("\n") for case in cases]
    _print_row("", [first for first, _, _ in columns])
    _print_row("", [second for _, _, second in columns])
    for subject in _subjects(series):
        cells = []
        for case in cases:
            values = series.get((subject, case))
            if not values:
                cells.append("-")
                continue
            figure = figure_of(values, GAPS[unit])
            star = "*" if figure.is_bimodal else " "
            cells.append(f"{figure.value:.2f}{star}")
        _print_row(str(subject), cells)
    for of, to in pairs_of(_subjects(series)):
        cells = []
        for case in cases:
            mine, theirs = series.get((of, case)), series.get((to, case))
            if not mine or not theirs:
                cells.append("-")
                continue
            ratio = ratio_of(mine, theirs, GAPS[unit])
            cells.append(f"{ratio.value:.3f}{'*' if ratio.is_bimodal else ' '}")
        if any(cell != "-" for cell in cells):
            _print_row(f"  {of} / {to}", cells)


def print_reach(command: str, results: list[reach.Result]) -> None:
    print("\nto be reached")
    for result in results:
        print(textwrap.fill(result.what, _WIDTH))
        lines = f"limit {result.limit}; measured {result.measured}: {result.verdict}"
        print(
            textwrap.fill(
                lines, _WIDTH, initial_indent="    ", subsequent_indent="    "
            )
        )
    others = reach.elsewhere(command)
    if others:
        other = next(iter({name for row in others for name in row.commands}))
        print(f"Measured by make {other}:")
        for row in others:
            print(
                textwrap.fill(f"{row.what}: {row.limit}", _WIDTH, initial_indent="    ")
            )


def print_all(
    command: str, groups: tuple[Group, ...], measured: Measured, unit: str
) -> None:
    print(f"\n{_UNITS[unit]}")
    print(textwrap.fill(METHOD, _WIDTH))
    for group in groups:
        if group.name in measured.groups:
            print_group(group, measured.groups[group.name], unit)
    for sentence in measured.idle:
        print(f"\n{sentence}")
    if measured.absent:
        print("\nleft out")
        for subject, why in measured.absent.items():
            print(f"    {subject}: {why}")
    print_reach(command, reach.results(command, measured, unit))


def as_json(
    command: str,
    arguments: str,
    machine: str,
    groups: tuple[Group, ...],
    measured: Measured,
    unit: str,
) -> dict[str, Any]:
    rows, ratios = [], []
    for group in groups:
        series = measured.groups.get(group.name)
        if not series:
            continue
        rows += rows_of(group.name, series, unit)
        pairs = tuple(pairs_of(_subjects(series)))
        ratios += [
            {"group": group.name, **row}
            for row in ratio_rows(pairs, group.cases, measured, unit)
        ]
    return {
        "command": f"make {command}{arguments}",
        "machine": machine,
        "unit": unit,
        "method": METHOD,
        "results": rows,
        "ratios": ratios,
        "absent": {str(subject): why for subject, why in measured.absent.items()},
        "idle": measured.idle,
        "reach": [row.as_json() for row in reach.results(command, measured, unit)],
    }


def _lines(value: object, depth: int = 0) -> str:
    """JSON with one row of a list a line, so that changes are easy to read."""
    if depth == 0 and isinstance(value, dict):
        items = (
            f" {json.dumps(key)}: {_lines(item, 1)}" for key, item in value.items()
        )
        return "{\n" + ",\n".join(items) + "\n}\n"
    if depth == 1 and isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n ]"
    return json.dumps(value)


def write_json(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(data), encoding="utf-8")
    print(f"\nwritten to {path}")
