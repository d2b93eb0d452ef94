# SPDX-License-Identifier: BSD-3-Clause
"""What is to be reached: each row with what was measured, and the verdict.

A row compares the worst of its cases with its limit. A row that something is
missing for has no verdict, and says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from benchmarks import cases
from benchmarks.cases import KIB, MIB, Case, Subject, on, with_option
from benchmarks.measuring import Measured
from benchmarks.modes import GAPS, figure_of, ratio_of

REACHED, MISSED, OPEN = "reached", "missed", "not measured"


@dataclass
class Part:
    """One case of a row; why is what keeps it from a verdict."""

    what: str
    value: float | None
    why: str = ""


@dataclass
class Result:
    """A row, measured."""

    what: str
    limit: str
    measured: str
    verdict: str
    parts: list[Part] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "limit": self.limit,
            "measured": self.measured,
            "verdict": self.verdict,
            "parts": {
                part.what: part.why if part.value is None else round(part.value, 3)
                for part in self.parts
            },
        }


@dataclass
class Row:
    what: str
    most: float
    #: Behind the limit: "x eventfd", "kinsn".
    unit: str
    #: The commands that measure it.
    commands: tuple[str, ...]
    parts: Callable[[Measured, str], Iterable[Part]]
    #: Something to say beside the figure, from what was measured.
    remark: Callable[[Measured], str] = lambda measured: ""

    @property
    def limit(self) -> str:
        return f"<= {self.most:g} {self.unit}".rstrip()

    def result(self, measured: Measured, unit: str) -> Result:
        parts = list(self.parts(measured, unit))
        missing = [part.why for part in parts if part.why]
        known = [part for part in parts if part.value is not None]
        if known:
            worst = max(known, key=lambda part: part.value or 0)
            text = f"{worst.value:.3g} ({worst.what})"
        else:
            text = "-"
        remark = self.remark(measured)
        if remark:
            text += f"; {remark}"
        if missing:
            verdict = f"{OPEN}: {missing[0]}"
        else:
            verdict = REACHED if (worst.value or 0) <= self.most else MISSED
        return Result(self.what, self.limit, text, verdict, parts)


def _why(measured: Measured, *subjects: Subject) -> str:
    for subject in subjects:
        if subject in measured.absent:
            return f"{subject}: {measured.absent[subject]}"
    return "not in this run"


def ratio_to(
    pairs: Iterable[tuple[Subject, Subject]], of_cases: Iterable[Case]
) -> Callable[[Measured, str], Iterable[Part]]:
    """Each subject beside another one, in each case."""

    def parts(measured: Measured, unit: str) -> Iterable[Part]:
        for of, to in pairs:
            for case in of_cases:
                floor = Case("read") if to.driver == "eventfd" else case
                mine, theirs = measured.find(of, case), measured.find(to, floor)
                what = f"{of}, {case}"
                if mine and theirs:
                    yield Part(what, ratio_of(mine, theirs, GAPS[unit]).value)
                else:
                    missing = () if mine else (of,)
                    yield Part(what, None, _why(measured, *missing, to))

    return parts


def above(
    of: Subject, to: Subject, of_cases: Iterable[Case]
) -> Callable[[Measured, str], Iterable[Part]]:
    """How much more one takes than the other."""

    def parts(measured: Measured, unit: str) -> Iterable[Part]:
        for case in of_cases:
            mine, theirs = measured.find(of, case), measured.find(to, case)
            value, why = None, _why(measured, of, to)
            if mine and theirs:
                mine_figure = figure_of(mine, GAPS[unit]).value
                value = mine_figure - figure_of(theirs, GAPS[unit]).value
            yield Part(f"{case}", value, "" if value is not None else why)

    return parts


def figure(
    of: Subject, of_cases: Iterable[Case]
) -> Callable[[Measured, str], Iterable[Part]]:
    def parts(measured: Measured, unit: str) -> Iterable[Part]:
        for case in of_cases:
            values = measured.find(of, case)
            value = figure_of(values, GAPS[unit]).value if values else None
            yield Part(f"{case}", value, "" if values else _why(measured, of))

    return parts


def beside(
    subjects: Iterable[Subject], of_cases: Iterable[Case], base: Case
) -> Callable[[Measured, str], Iterable[Part]]:
    """A case of a subject beside another case of the same."""

    def parts(measured: Measured, unit: str) -> Iterable[Part]:
        for subject in subjects:
            for case in of_cases:
                mine = measured.find_beside(subject, case, base)
                what = f"{subject}, {case}"
                if mine:
                    yield Part(what, ratio_of(*mine, GAPS[unit]).value)
                else:
                    yield Part(what, None, _why(measured, subject))

    return parts


def _grown(measured: Measured, unit: str) -> Iterable[Part]:
    if not measured.growth:
        yield Part("memory", None, "not in this run")
    for growth in measured.growth:
        yield Part(growth.what, growth.kib, growth.why)


def _idle(measured: Measured) -> str:
    return "; ".join(measured.idle)


BOTH, HERE, COUNTED = ("bench", "bench-vm"), ("bench",), ("bench-vm",)
_ONE = (Case("read"), Case("write"))
_PAGE = (Case("read", 4 * KIB), Case("write", 4 * KIB))
_SMALL = (*_ONE, *_PAGE)
_BULK = (Case("read", 128 * KIB), Case("write", 128 * KIB))
_MOST = (Case("read", MIB), Case("write", MIB))
_MANY = (Case("read", clients=32),)
_FAR = (Case("read", cores="two"), Case("write", cores="two"))

_C, _PYTHON = on("kfusd", cases.C, cases.PYTHON)
(_BIG_C,) = with_option(cases.MAX_TRANSFER, _C)
(_CUSE,) = on("cuse", cases.LIBFUSE)


def _beside_cuse(of: Subject, text: str, most: float, sizes: Iterable[Case]) -> Row:
    parts = ratio_to([(of, _CUSE)], sizes)
    return Row(f"kfusd, C, {text}", most, "x libfuse CUSE", COUNTED, parts)


def _in_flight(of: Subject, text: str, most: float) -> Row:
    what = f"kfusd, {text}, 1 B, 32 clients in flight on one CPU, per request"
    return Row(what, most, "kinsn", COUNTED, figure(of, _MANY))


def _counted_fuse(of: Subject, to: Subject, text: str, most: float) -> Row:
    what = f"fuse, {text}, instructions, 1 B to 4 KiB"
    return Row(what, most, "", COUNTED, ratio_to([(of, to)], _SMALL))


def _asyncio(transport: str, commands: tuple[str, ...]) -> Row:
    run, *others = on(transport, cases.PYTHON, cases.ASYNCIO, cases.COROUTINES)
    what = f"{transport}, asyncio and async def that does not wait / run()"
    return Row(
        what, 1.15, "", commands, ratio_to([(one, run) for one in others], _SMALL)
    )


def _spinning() -> Row:
    pairs = [(with_option(cases.SPIN, one)[0], one) for one in (cases.C, cases.PYTHON)]
    parts = ratio_to(pairs, _FAR)
    return Row("fuse, two cores, spin on", 0.6, "x spin off", HERE, parts, _idle)


TABLE = (
    Row(
        "kfusd, C, 1 B",
        1.08,
        "x eventfd",
        COUNTED,
        ratio_to([(_C, cases.EVENTFD)], _ONE),
    ),
    _beside_cuse(_C, "1 B", 0.62, _ONE),
    _beside_cuse(_C, "4 KiB", 0.62, _PAGE),
    _beside_cuse(_C, "128 KiB", 0.40, _BULK),
    _beside_cuse(_BIG_C, "1 MiB", 0.30, _MOST),
    _in_flight(_C, "C", 7.0),
    _in_flight(_PYTHON, "Python", 9.5),
    Row(
        "kfusd, Python above C, 1 B",
        1.9,
        "kinsn",
        COUNTED,
        above(_PYTHON, _C, _ONE),
    ),
    _counted_fuse(cases.C, cases.LIBFUSE, "C / libfuse", 1.0),
    _counted_fuse(cases.PYTHON, cases.MFUSEPY, "Python / mfusepy", 0.62),
    _counted_fuse(cases.PYTHON, cases.PYFUSE3, "Python / pyfuse3", 0.14),
    Row(
        "fuse, Python / mfusepy, microseconds, one core, 1 B and 4 KiB",
        0.80,
        "",
        HERE,
        ratio_to([(cases.PYTHON, cases.MFUSEPY)], _SMALL),
    ),
    Row(
        "fuse, C / libfuse, microseconds, one core, each size",
        1.05,
        "",
        HERE,
        ratio_to([(cases.C, cases.LIBFUSE)], cases.TRANSFERS),
    ),
    _asyncio("fuse", BOTH),
    _asyncio("kfusd", COUNTED),
    _spinning(),
    Row(
        "1,000 devices",
        1.03,
        "x one",
        COUNTED,
        beside((_C, _PYTHON), cases.DEVICES[-1:], cases.DEVICES[0]),
    ),
    Row(
        "10,000 open files",
        1.03,
        "x one",
        COUNTED,
        beside((_C, _PYTHON, cases.C), cases.FILES[-1:], cases.FILES[0]),
    ),
    Row("ten million requests, growth of memory", 64, "KiB", BOTH, _grown),
)


def results(command: str, measured: Measured, unit: str) -> list[Result]:
    return [row.result(measured, unit) for row in TABLE if command in row.commands]


def elsewhere(command: str) -> list[Row]:
    """The rows that the other command measures."""
    return [row for row in TABLE if command not in row.commands]
