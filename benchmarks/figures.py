# SPDX-License-Identifier: BSD-3-Clause
"""What was measured, as rows of JSON."""

from __future__ import annotations

from benchmarks.cases import Case, Subject
from benchmarks.measuring import Measured, Series
from benchmarks.modes import GAPS, figure_of, ratio_of


def describe(subject: Subject, case: Case) -> dict[str, object]:
    """How a figure is identified in JSON."""
    return {
        "driver": subject.driver,
        "transport": subject.transport,
        **({"option": subject.option} if subject.option else {}),
        "operation": case.operation,
        "size": case.size,
        **({"clients": case.clients} if case.clients > 1 else {}),
        **({"devices": case.devices} if case.devices > 1 else {}),
        **({"files": case.files} if case.files > 1 else {}),
        **({"cores": case.cores} if case.cores != "one" else {}),
    }


def rows_of(group: str, series: Series, unit: str) -> list[dict[str, object]]:
    """The figures of a group, as JSON has them."""
    rows = []
    for (subject, case), values in series.items():
        figure = figure_of(values, GAPS[unit])
        row = {"group": group, **describe(subject, case), "pairs": figure.pairs}
        row[unit] = round(figure.value, 3)
        if figure.is_bimodal:
            row["bimodal"] = True
        rows.append(row)
    return rows


def ratio_rows(
    pairs: tuple[tuple[Subject, Subject], ...],
    cases: tuple[Case, ...],
    measured: Measured,
    unit: str,
) -> list[dict[str, object]]:
    """The ratios of pairs of subjects, as JSON has them."""
    rows = []
    for of, to in pairs:
        for case in cases:
            mine, theirs = measured.find(of, case), measured.find(to, case)
            if not mine or not theirs:
                continue
            ratio = ratio_of(mine, theirs, GAPS[unit])
            row = {"of": str(of), "to": str(to), "operation": case.operation}
            row |= {"size": case.size, "ratio": round(ratio.value, 3)}
            if ratio.is_bimodal:
                row["bimodal"] = True
            rows.append(row)
    return rows
