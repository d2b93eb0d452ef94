# SPDX-License-Identifier: BSD-3-Clause
"""Draws figures as pictures: bars in SVG, one panel for each case.

A picture follows the reader's choice of a light or a dark screen: its colours
are in a style sheet, which has both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

#: Each colour on a light screen, and on a dark one.
COLORS = {
    "page": ("#ffffff", "#14181d"),
    "text": ("#1d2630", "#e6eaef"),
    "c": ("#1f4e79", "#7fb2e5"),
    "python": ("#2e7d32", "#7cc182"),
    "asyncio": ("#82bd86", "#42804a"),
    "peer": ("#c77700", "#e0a458"),
    "floor": ("#8b95a1", "#77818c"),
}
WIDTH = 460  # pixels: also on a phone its text can be read
_NAMES, _FIGURES = 128, 52  # the columns beside the bars
_BAR, _PITCH, _HEADING, _MARGIN = 13, 17, 30, 10
_BASELINE = 11  # of a bar's text, below the bar's top


@dataclass(frozen=True)
class Bar:
    name: str
    value: float
    #: A key of COLORS.
    color: str


@dataclass(frozen=True)
class Panel:
    """Bars that are compared; each panel has a scale of its own."""

    heading: str
    bars: tuple[Bar, ...]


def _style() -> str:
    light = " ".join(f"--{name}: {one};" for name, (one, _) in COLORS.items())
    dark = " ".join(f"--{name}: {two};" for name, (_, two) in COLORS.items())
    return (
        "<style>\n"
        f":root {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        "text { font: 12px sans-serif; fill: var(--text); }\n"
        ".heading { font-weight: bold; }\n"
        ".name { text-anchor: end; }\n"
        "</style>\n"
    )


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>\n'


def _bars(panel: Panel, top: float) -> str:
    longest = max(bar.value for bar in panel.bars)
    room = WIDTH - _NAMES - _FIGURES - 2 * _MARGIN
    svg = ""
    for number, bar in enumerate(panel.bars):
        y = top + number * _PITCH
        width = max(1, room * bar.value / longest)
        left = _MARGIN + _NAMES
        svg += _text("name", left - 6, y + _BASELINE, bar.name)
        svg += (
            f'<rect x="{left}" y="{y:g}" width="{width:.1f}" height="{_BAR}" '
            f'style="fill: var(--{bar.color})"/>\n'
        )
        figure = f"{bar.value:.1f}"
        svg += _text("figure", round(left + width + 5, 1), y + _BASELINE, figure)
    return svg


def draw(title: str, unit: str, panels: Iterable[Panel]) -> str:
    """The picture, as the text of an SVG file."""
    body, y = "", _MARGIN + 14
    body += _text("unit", _MARGIN, y, unit)
    y += 8
    for panel in panels:
        y += _HEADING
        body += _text("heading", _MARGIN, y - 7, panel.heading)
        body += _bars(panel, y)
        y += len(panel.bars) * _PITCH
    height = y + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n{_style()}"
        f'<rect width="{WIDTH}" height="{height}" style="fill: var(--page)"/>\n'
        f"{body}</svg>\n"
    )
