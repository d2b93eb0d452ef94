# SPDX-License-Identifier: BSD-3-Clause
"""Makes a page's list of links its table of contents.

Where the repository is read, a toctree is no link. So a page has a list, which
everybody can follow, after the line "<!-- contents -->", and Sphinx gets the
same pages from it.
"""

from __future__ import annotations

import re
from typing import Any

_MARK = "<!-- contents -->"
_ITEM = re.compile(r"^- \[[^\]]+\]\(([^)]+)\.md\)", re.M)


def add_contents(_app: Any, _page: str, source: list[str]) -> None:
    """Handles Sphinx's event: appends to the text of one page."""
    _, mark, rest = source[0].partition(_MARK)
    if mark:
        pages = "\n".join(_ITEM.findall(rest))
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True}
