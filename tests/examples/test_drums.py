# SPDX-License-Identifier: BSD-3-Clause
"""drums: which device is asked."""

import pytest

from support.example_checks import assert_name_is_not_cut, assert_three_drums
from support.shell import output


def test_drums_are_devices_of_their_own(start):
    assert_three_drums(start("drums"), "drums")


@pytest.mark.parametrize("length", [42, 43, 100])
def test_a_name_is_never_cut(start, length):
    assert_name_is_not_cut(start, "drums", length)


def test_drums_never_end(start):
    drums = start("drums", "my/drums")
    bass, snare, cymbal = (drums.device() for _ in range(3))
    assert output(f"head -n 3 {bass}") == "boom\nboom\nboom\n"
    assert output(f"head -n 2 {snare}; head -n 1 {cymbal}") == "tak\ntak\ncrash\n"
