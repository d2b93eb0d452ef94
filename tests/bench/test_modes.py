# SPDX-License-Identifier: BSD-3-Clause
"""The arithmetic of the benchmarks: modes, figures, ratios."""

import pytest

from benchmarks.modes import figure_of, modes_of, ratio_of

GAP = 0.03
LOW = [10.0, 10.1, 10.2, 10.1]
HIGH = [13.0, 13.1, 13.2, 13.0, 13.1]


def test_values_without_a_gap_are_one_mode():
    assert modes_of([10.2, 10.0, 10.1], GAP) == [[10.0, 10.1, 10.2]]


def test_values_with_a_gap_are_two_modes_the_lower_first():
    assert modes_of([*HIGH, *LOW], GAP) == [sorted(LOW), sorted(HIGH)]


def test_one_low_value_is_no_mode():
    assert modes_of([8.0, *LOW], GAP) == [[8.0, *sorted(LOW)]]


def test_one_high_value_is_no_mode():
    assert modes_of([*LOW, 50.0], GAP) == [[*sorted(LOW), 50.0]]


def test_a_mode_has_a_tenth_of_many_values():
    values = [10.0] * 3 + [13.0] * 37
    assert modes_of(values, GAP) == [values]
    values = [10.0] * 4 + [13.0] * 36
    assert modes_of(values, GAP) == [[10.0] * 4, [13.0] * 36]


def test_the_figure_of_one_mode_is_the_median_of_all():
    figure = figure_of([10.0, 10.1, 10.2, 50.0, 10.0], GAP)
    assert (figure.value, figure.is_bimodal, figure.pairs) == (10.1, False, 5)


def test_the_figure_of_two_modes_is_the_lower_one_s_median():
    figure = figure_of([*HIGH, *LOW], GAP)
    assert (figure.value, figure.is_bimodal) == (pytest.approx(10.1), True)


def test_a_ratio_is_the_median_of_those_of_the_same_rounds():
    # The machine was half as fast in the second round.
    ratio = ratio_of([10.0, 20.0, 10.0], [5.0, 10.0, 4.0], gap=2)
    assert (ratio.value, ratio.is_bimodal) == (2.0, False)


def test_a_ratio_of_modes_is_that_of_the_lower_ones():
    ratio = ratio_of([*HIGH, *LOW], [5.05] * 9, GAP)
    assert (ratio.value, ratio.is_bimodal) == (pytest.approx(2.0), True)


def test_one_value_is_a_figure_too():
    assert figure_of([3.0], GAP).value == 3.0
