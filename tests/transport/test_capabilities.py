# SPDX-License-Identifier: BSD-3-Clause
"""docs/capabilities.md is what the suite's list says."""

import capabilities
from processes import TOP


def test_the_document_is_up_to_date():
    document = (TOP / "docs" / "capabilities.md").read_text(encoding="utf-8")
    assert document == capabilities.document(), (
        "run: python tests/transport/capabilities.py > docs/capabilities.md"
    )
