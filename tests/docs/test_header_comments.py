# SPDX-License-Identifier: BSD-3-Clause
"""How the comments of the C headers become text of the manual."""

import sys

import pytest

from support import TOP


@pytest.fixture
def convert(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(TOP / "docs" / "_ext"), *sys.path])
    from header_comments import convert

    def converted(*lines):
        result = list(lines)
        convert(None, result, "header", {})
        return result

    return converted


def test_errors_after_a_sentence_are_a_list(convert):
    assert convert("Only kfusd can. Errors:", "  ENOTTY  others", "  E2BIG  many") == [
        "Only kfusd can.",
        "",
        ":Errors:",
        "    ``ENOTTY``",
        "        others",
        "    ``E2BIG``",
        "        many",
        "",
    ]


def test_errors_in_a_sentence_stay_there(convert):
    assert convert("Errors: those of fusd_register(); E2BIG for", "more.") == [
        ":Errors: those of :c:func:`fusd_register`; ``E2BIG`` for more.",
        "",
    ]


def test_a_number_begins_no_list(convert):
    assert convert("0. Where bytes would be left.") == [
        r"\0. Where bytes would be left.",
        "",
        "",
    ]
