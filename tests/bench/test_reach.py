# SPDX-License-Identifier: BSD-3-Clause
"""The table of what is to be reached: what its rows say of what was measured."""

import pytest

from benchmarks import cases, reach
from benchmarks.cases import Case, on
from benchmarks.measuring import Growth, Measured

(KFUSD_C,) = on("kfusd", cases.C)
READ, WRITE = Case("read"), Case("write")


def measured(**groups):
    return Measured(groups=dict(groups))


def row(what):
    (one,) = (row for row in reach.TABLE if row.what == what)
    return one


def row_of(most, parts):
    return reach.Row("a row", most, "x eventfd", ("bench-vm",), parts)


def beside_eventfd(kfusd, **more):
    series = {(KFUSD_C, READ): [kfusd] * 9, (cases.EVENTFD, READ): [10.0] * 9}
    return Measured(groups={"transfers": series}, **more)


PARTS = reach.ratio_to([(KFUSD_C, cases.EVENTFD)], [READ])


def test_what_is_within_its_limit_is_reached():
    result = row_of(1.08, PARTS).result(beside_eventfd(10.8), "kinsn")
    assert (result.limit, result.verdict) == ("<= 1.08 x eventfd", "reached")
    assert result.measured == "1.08 (kfusd c, read 1 B)"


def test_what_is_above_its_limit_is_missed():
    result = row_of(1.08, PARTS).result(beside_eventfd(10.9), "kinsn")
    assert result.verdict == "missed"


def test_the_worst_case_decides():
    parts = reach.ratio_to([(KFUSD_C, cases.EVENTFD)], [READ, WRITE])
    what = beside_eventfd(10.0)
    what.groups["transfers"][KFUSD_C, WRITE] = [12.0] * 9
    result = row_of(1.08, parts).result(what, "kinsn")
    assert (result.verdict, result.measured) == ("missed", "1.2 (kfusd c, write 1 B)")


def test_what_is_missing_is_named_and_gives_no_verdict():
    what = Measured(absent={KFUSD_C: "the module is not loaded"})
    result = row_of(1.08, PARTS).result(what, "kinsn")
    assert result.measured == "-"
    assert result.verdict == "not measured: kfusd c: the module is not loaded"


def test_a_missing_case_beside_a_measured_one_gives_no_verdict():
    parts = reach.ratio_to([(KFUSD_C, cases.EVENTFD)], [READ, WRITE])
    result = row_of(1.08, parts).result(beside_eventfd(10.0), "kinsn")
    assert result.verdict == "not measured: not in this run"
    assert result.measured == "1 (kfusd c, read 1 B)"


def test_a_difference_is_one():
    series = {(cases.PYTHON, READ): [12.5] * 9, (cases.C, READ): [11.0] * 9}
    parts = reach.above(cases.PYTHON, cases.C, [READ])
    (part,) = parts(measured(transfers=series), "kinsn")
    assert part.value == pytest.approx(1.5)


def test_many_are_compared_with_one_of_the_same_group():
    many = cases.DEVICES[-1]
    groups = {
        "transfers": {(KFUSD_C, READ): [20.0] * 9},
        "devices": {(KFUSD_C, READ): [10.0] * 3, (KFUSD_C, many): [10.2] * 3},
    }
    parts = reach.beside([KFUSD_C], [many], READ)
    (part,) = parts(measured(**groups), "kinsn")
    assert part.value == pytest.approx(1.02)


def test_memory_has_a_verdict_only_after_ten_million_requests():
    memory = row("ten million requests, growth of memory")
    few = Measured(growth=[Growth("fuse c, 100 requests", 0.0, "too few")])
    assert memory.result(few, "us").verdict == "not measured: too few"
    many = Measured(growth=[Growth("fuse c, 10,000,000 requests", 12.0)])
    assert memory.result(many, "us").verdict == "reached"
    grown = Measured(growth=[Growth("fuse c, 10,000,000 requests", 4000.0)])
    assert memory.result(grown, "us").verdict == "missed"


@pytest.mark.parametrize("command", ["bench", "bench-vm"])
def test_each_row_is_a_command_s_or_is_named_as_the_other_one_s(command):
    own = [result.what for result in reach.results(command, Measured(), "us")]
    others = [row.what for row in reach.elsewhere(command)]
    assert len(own) + len(others) == len(reach.TABLE)
    assert own and others
