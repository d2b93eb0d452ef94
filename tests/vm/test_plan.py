# SPDX-License-Identifier: BSD-3-Clause
"""What tests/vm/check runs in booted kernels is there: pytest passes over the rest."""

import re

import pytest

from support import TESTS, TOP

NAMED = re.findall(
    r"\btests/[\w/]+(?:\.py)?(?:::\"?\s*\"?\w+)?",
    (TESTS / "vm" / "check").read_text(encoding="utf-8"),
)


@pytest.mark.parametrize("named", NAMED)
def test_what_is_named_to_run_in_a_guest_exists(named):
    path, _, function = named.partition("::")
    assert (TOP / path).exists()
    if function:
        name = re.search(r"\w+", function)[0]
        assert f"def {name}(" in (TOP / path).read_text(encoding="utf-8")
