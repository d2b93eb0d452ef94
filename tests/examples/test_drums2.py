# SPDX-License-Identifier: BSD-3-Clause
"""drums2: which open file is asked."""

import pytest

from support.example_checks import assert_name_is_not_cut, assert_three_drums
from support.shell import output


def test_drums2_are_devices_of_their_own(start):
    assert_three_drums(start("drums2"), "drums2")


@pytest.mark.parametrize("length", [42, 43, 100])
def test_a_name_is_never_cut(start, length):
    assert_name_is_not_cut(start, "drums2", length)


def test_drums2_give_each_listener_a_bar(start):
    drums = start("drums2")
    bass, snare, _ = (drums.device() for _ in range(3))
    bar = "1 boom\n2 boom\n3 boom\n4 boom\n"
    assert output(f"cat {bass} {bass}") == bar + bar
    assert output(
        f"exec 3<{bass} 4<{snare} 5<{bass}; for fd in 3 4 3 5; do "
        "dd bs=100 count=1 status=none <&$fd; done"
    ) == ("1 boom\n1 tak\n2 boom\n1 boom\n")


def test_drums2_fill_what_is_asked_for_and_no_more(start):
    drums = start("drums2")
    bass, _, _ = (drums.device() for _ in range(3))
    for size, beat in ((8, b"1 boom\n"), (7, b"1 boom\n"), (6, b"1 boom"), (1, b"1")):
        memory = bytearray(b"?" * 16)
        with open(bass, "rb", buffering=0) as client:
            assert client.readinto(memoryview(memory)[:size]) == len(beat)
        assert memory == beat.ljust(16, b"?")
