# SPDX-License-Identifier: BSD-3-Clause
"""From many values to one figure, or one ratio.

Two processes that wake each other have a few ways to take turns: in one of them
a pair, or a phase of it, takes longer than in another. So values fall into modes,
and a median says which one was more frequent: the figure is the lowest mode's.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

#: The units, and how far apart two modes are, as a part of the lower one.
GAPS = {"us": 0.15, "kinsn": 0.03}
#: How many pairs a lowest mode takes.
LEAST_PAIRS = 9
#: What a mode is of all values, at least.
LEAST_PART = 0.1

METHOD = (
    "A pair is a fresh client of a driver, which takes turns with the other drivers "
    "and is a fresh one in each round; it measures many windows of a few round trips. "
    f"Where the windows of a pair, or {LEAST_PAIRS} or more pairs (*), fall into "
    "modes, the lowest mode counts; else the median does, and for a ratio the median "
    "of the ratios of pairs of the same round."
)


@dataclass
class Figure:
    value: float
    is_bimodal: bool
    pairs: int


def modes_of(values: list[float], gap: float) -> list[list[float]]:
    """The values in groups, between which there is a gap; the lowest first.

    Less than a tenth of all, or one alone, are outliers: they are of the group
    above, or else below, them.
    """
    least = max(2, len(values) * LEAST_PART)
    groups: list[list[float]] = []
    for value in sorted(values):
        is_new = not groups or value > groups[-1][-1] * (1 + gap)
        if is_new and (not groups or len(groups[-1]) >= least):
            groups.append([value])
        else:
            groups[-1].append(value)
    if len(groups) > 1 and len(groups[-1]) < least:
        last = groups.pop()
        groups[-1] += last
    return groups


def figure_of(values: list[float], gap: float) -> Figure:
    groups = modes_of(values, gap)
    if len(groups) > 1:
        return Figure(statistics.median(groups[0]), True, len(values))
    return Figure(statistics.median(values), False, len(values))


def ratio_of(of: list[float], to: list[float], gap: float) -> Figure:
    """How much longer the one takes than the other, which had the same rounds."""
    mine, theirs = figure_of(of, gap), figure_of(to, gap)
    if mine.is_bimodal or theirs.is_bimodal or len(of) != len(to):
        return Figure(mine.value / theirs.value, True, len(of))
    ratios = [one / other for one, other in zip(of, to)]
    return Figure(statistics.median(ratios), False, len(of))
