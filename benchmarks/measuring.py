# SPDX-License-Identifier: BSD-3-Clause
"""Rounds in which the subjects of a group take turns.

Each round has drivers of its own, and each measurement a client of its own: who
of two processes that wake each other goes first is settled anew with each pair.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks import drivers
from benchmarks.cases import Case, Group, Subject, window_of
from benchmarks.modes import GAPS, figure_of
from benchmarks.processes import (
    Device,
    NotOffered,
    Place,
    Plan,
    measure,
    start_driver,
)

#: What was measured of whom, one value for each pair.
Series = dict[tuple[Subject, Case], list[float]]


@dataclass
class Growth:
    """By how many KiB a driver's memory has grown, or why there is no verdict."""

    what: str
    kib: float | None
    why: str = ""


@dataclass
class Measured:
    """All that a command has measured, and why the rest is missing."""

    groups: dict[str, Series] = field(default_factory=dict)
    absent: dict[Subject, str] = field(default_factory=dict)
    growth: list[Growth] = field(default_factory=list)
    #: What drivers cost that nobody, or hardly anybody, asks: sentences.
    idle: list[str] = field(default_factory=list)

    def find(self, subject: Subject, case: Case) -> list[float]:
        """The values of the first group that has them; none if it is missing."""
        for series in self.groups.values():
            if (subject, case) in series:
                return series[subject, case]
        return []

    def find_beside(
        self, subject: Subject, case: Case, base: Case
    ) -> tuple[list[float], list[float]] | None:
        """The values of two cases, of the group that has both."""
        for series in self.groups.values():
            if (subject, case) in series and (subject, base) in series:
                return series[subject, case], series[subject, base]
        return None


@dataclass
class Setting:
    """How thoroughly, and where."""

    unit: str
    #: Of cases.window_of().
    windows: dict[int, int]
    #: How long a client measures, in microseconds; and before that does not, at
    #: least and at most.
    time_us: int
    warm_us: tuple[int, int]
    driver_core: int = 0
    other_core: int = 0
    say: Callable[[str], None] = print


class Progress:
    """One line that changes, on a terminal; else a line now and then."""

    def __init__(self, name: str, seconds: float = 15) -> None:
        self._name = name
        self._is_terminal = sys.stderr.isatty()
        self._seconds = seconds
        self._last = time.monotonic()

    def __call__(self, text: str) -> None:
        if self._is_terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif text and time.monotonic() > self._last + self._seconds:
            self._last = time.monotonic()
            print(f"{self._name}: {text}", file=sys.stderr, flush=True)


def _rotated(subjects: Iterable[Subject], number: int) -> list[Subject]:
    """Each comes first, second ... equally often."""
    order = list(subjects)
    first = number % len(order) if order else 0
    return [*order[first:], *order[:first]]


class Rounds:
    """Groups that are measured together: a round has one driver of a kind for all."""

    def __init__(
        self,
        groups: Iterable[Group],
        where: Place,
        setting: Setting,
        measured: Measured,
        progress: Callable[[str], None],
    ) -> None:
        self._groups = list(groups)
        self._where = where
        self._setting = setting
        self._measured = measured
        self._progress = progress
        for group in self._groups:
            measured.groups[group.name] = {}

    def run(self) -> None:
        """Measures them all."""
        rounds = max((group.rounds for group in self._groups), default=0)
        for number in range(rounds):
            self._progress(f"round {number + 1} of {rounds}")
            for work in self._layouts(number):
                with ExitStack() as stack:
                    devices = self._start_all(stack, work)
                    for group, case in work:
                        self._progress(
                            f"round {number + 1} of {rounds}: {group.title}: {case}"
                        )
                        for again in range(group.clients_each):
                            pair = number * group.clients_each + again
                            self._measure_case(group, case, pair, devices)
        self._progress("")

    def _layouts(self, number: int) -> list[list[tuple[Group, Case]]]:
        """What a round measures; what one driver can serve is together."""
        layouts: dict[tuple[int, bool], list[tuple[Group, Case]]] = {}
        for group in self._groups:
            if number >= group.rounds:
                continue
            for case in dict.fromkeys((*group.cases, *group.option_cases)):
                layout = (case.devices, case.is_polled)
                layouts.setdefault(layout, []).append((group, case))
        return list(layouts.values())

    def _start_all(
        self, stack: ExitStack, work: list[tuple[Group, Case]]
    ) -> dict[Subject, Device]:
        subjects = {
            subject: case
            for group, case in work
            for subject in group.subjects
            if case in group.cases_of(subject) and not drivers.lacks(subject, case)
        }
        devices = {}
        for subject, case in subjects.items():
            if subject in self._measured.absent:
                continue
            problem = drivers.problem(subject)
            try:
                if not problem:
                    core = self._setting.driver_core
                    devices[subject] = start_driver(
                        stack, self._where, core, subject, case
                    )
            except NotOffered:
                problem = "not offered by this build"
            if problem:
                self._measured.absent[subject] = problem
                self._setting.say(f"{subject} is left out: {problem}")
        return devices

    def _measure_case(
        self, group: Group, case: Case, pair: int, devices: dict[Subject, Device]
    ) -> None:
        setting = self._setting
        pairs = group.rounds * group.clients_each
        least, most = setting.warm_us
        plan = Plan(
            core=setting.other_core if case.cores == "two" else setting.driver_core,
            count=window_of(case, setting.windows),
            time_us=setting.time_us * (4 if case.clients > 1 else 1),
            # Not the same each time: where all is counted, all would be the same.
            warm_us=least + (most - least) * pair // pairs,
        )
        series = self._measured.groups[group.name]
        for subject in _rotated(group.subjects, pair):
            if (
                subject not in devices
                or case not in group.cases_of(subject)
                or drivers.lacks(subject, case)
            ):
                continue
            values = measure(self._where, devices[subject], case, plan)
            figure = figure_of(values, GAPS[setting.unit])
            series.setdefault((subject, case), []).append(figure.value)
