# SPDX-License-Identifier: BSD-3-Clause
"""docs/capabilities.md is what the suite's list says."""

from support import TOP, capabilities


def test_the_document_is_up_to_date():
    document = (TOP / "docs" / "capabilities.md").read_text(encoding="utf-8")
    assert document == capabilities.document(), (
        "run: python tests/support/capabilities.py > docs/capabilities.md"
    )
