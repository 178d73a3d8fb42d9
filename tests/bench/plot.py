"""Bars as SVG, drawn by hand: each ratio of the table beside its goal, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import log10

from tests.bench.comparing import Verdict

WIDTH, LINE, LABELS = 900, 26, 430
LEAST, MOST = 0.1, 100.0
"""The ends of the scale."""
MET, MISSED, QUIET = "#2e7d32", "#c62828", "#767676"


def ratios_svg(rows: Sequence[tuple[int, Sequence[Verdict]]]) -> str:
    """One bar for each verdict that is a ratio, and a mark where its goal is."""
    lines = [(number, each) for number, verdicts in rows for each in verdicts if each.other]
    height = LINE * (len(lines) + 1)
    box = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box} fill="{QUIET}">',
        "<title>Ratios to the references, with the goals</title>",
        *_scale(height),
        *(part for at, line in enumerate(lines) for part in _bar(at * LINE, *line)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(height: int) -> Iterator[str]:
    for value in (LEAST, 1.0, 10.0, MOST):
        x = _x(value)
        yield f'<line x1="{x}" y1="0" x2="{x}" y2="{height - LINE}" stroke="#c8c8c8"/>'
        yield f'<text x="{x}" y="{height - 8}" text-anchor="middle">{value:g}</text>'


def _bar(y: int, number: int, verdict: Verdict) -> Iterator[str]:
    asked = verdict.comparison
    colour = MET if verdict.met else MISSED
    end, goal, top = _x(verdict.ratio), _x(asked.goal.bound), y + 5
    label = escape(f"{number}. {asked.ours}, {asked.figure}")
    yield f'<text x="{LABELS - 10}" y="{y + 17}" text-anchor="end">{label}</text>'
    yield f'<rect x="{LABELS}" y="{top}" width="{end - LABELS}" height="16" fill="{colour}"/>'
    yield f'<line x1="{goal}" y1="{y + 2}" x2="{goal}" y2="{y + 24}" stroke="#000" stroke-width="2"/>'
    tip = f"{verdict.ratio:.2f} ({asked.goal})"
    yield f'<text x="{max(end, goal) + 6}" y="{y + 17}">{tip}</text>'


def _x(value: float) -> int:
    """Where a ratio is on the scale, in pixels."""
    along = log10(min(max(value, LEAST), MOST) / LEAST) / log10(MOST / LEAST)
    return round(LABELS + along * (WIDTH - LABELS - 110))
