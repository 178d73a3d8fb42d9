"""The ratios of the table as SVG, drawn by hand: each with its spread and its goal, on a logarithmic scale.

A picture in a page cannot know the page's colours, only whether its reader likes them light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain
from math import ceil, floor, isfinite, log10

from tests.bench.comparing import Verdict

WIDTH, LINE, HEAD = 980, 36, 34
LABELS, TIPS = 450, 150
"""What is left of the scale and right of it, in pixels."""
LEAST, MOST = 0.01, 100.0
"""The ends of the longest scale; what is beyond is drawn at the end."""
STYLE = """
  svg { font: 13px sans-serif; background: #fff; }
  text { fill: #1f2328; } .quiet { fill: #59636e; font-size: 11px; }
  .scale { stroke: #d1d9e0; } .one { stroke: #818b98; } .goal { stroke: #1f2328; stroke-width: 2; }
  path { fill: none; } .met { stroke: #1a7f37; fill: #1a7f37; } .missed { stroke: #cf222e; fill: #fff; }
  .spread { stroke-width: 3; stroke-opacity: 0.45; } circle { stroke-width: 2.5; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .scale { stroke: #3d444d; } .one { stroke: #9198a1; } .goal { stroke: #f0f6fc; }
    .met { stroke: #3fb950; fill: #3fb950; } .missed { stroke: #f85149; fill: #0d1117; }
  }
"""


@dataclass(frozen=True)
class Scale:
    """Whole powers of ten."""

    first: int
    last: int

    def x(self, value: float) -> float:
        """Where a ratio is, in pixels."""
        exponent = log10(value) if value > 0 else self.first
        along = (min(max(exponent, self.first), self.last) - self.first) / (self.last - self.first)
        return round(LABELS + along * (WIDTH - LABELS - TIPS), 1)


def ratios_svg(rows: Sequence[tuple[int, Sequence[Verdict]]]) -> str:
    """A line for each verdict that is a ratio."""
    lines = [(number, each) for number, verdicts in rows for each in verdicts if each.other]
    scale, height = _scale([each for _, each in lines]), HEAD + LINE * len(lines) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height}">',
        "<title>Ratios to the references, with their goals</title>",
        f"<style>{STYLE}</style>",
        *_legend(),
        *_axis(scale, height),
        *(part for at, line in enumerate(lines) for part in _line(scale, at, *line)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(verdicts: Sequence[Verdict]) -> Scale:
    drawn = chain.from_iterable(
        (each.ratio, *each.spread, each.comparison.goal.bound) for each in verdicts
    )
    within = [min(max(each, LEAST), MOST) for each in drawn if isfinite(each)]
    first, last = floor(log10(min(within, default=1))), ceil(log10(max(within, default=1)))
    return Scale(min(first, -1), max(last, 1))


def _legend() -> Iterator[str]:
    yield '<circle class="met" cx="16" cy="16" r="5"/><text class="quiet" x="27" y="20">met</text>'
    yield '<circle class="missed" cx="66" cy="16" r="5"/><text class="quiet" x="77" y="20">missed</text>'
    yield '<path class="goal" d="M132 8v16m0 -8h7m-3 -3l3 3l-3 3"/>'
    told = "goal, and the side to be on; a dot is the median of all turns, a bar their spread"
    yield f'<text class="quiet" x="146" y="20">{told}</text>'


def _axis(scale: Scale, height: int) -> Iterator[str]:
    for exponent in range(scale.first, scale.last + 1):
        x, kind = scale.x(10.0**exponent), "scale" if exponent else "scale one"
        yield f'<line class="{kind}" x1="{x}" y1="{HEAD}" x2="{x}" y2="{height - 22}"/>'
        yield f'<text class="quiet" x="{x}" y="{height - 7}" text-anchor="middle">{10.0**exponent:g}</text>'


def _line(scale: Scale, at: int, number: int, verdict: Verdict) -> Iterator[str]:
    asked, middle = verdict.comparison, HEAD + at * LINE + LINE // 2
    x, goal = scale.x(verdict.ratio), scale.x(asked.goal.bound)
    least, most = map(scale.x, verdict.spread)
    state, way = "met" if verdict.met else "missed", 1 if asked.goal.more_is_better else -1
    what, beside = escape(f"{number} · {asked.ours}: {asked.figure}"), escape(verdict.other or "")
    yield f'<text x="{LABELS - 14}" y="{middle - 1}" text-anchor="end">{what}</text>'
    yield f'<text class="quiet" x="{LABELS - 14}" y="{middle + 13}" text-anchor="end">beside {beside}</text>'
    arrow = f"M{goal} {middle - 9}v18m0 -9h{7 * way}m{-3 * way} -3l{3 * way} 3l{-3 * way} 3"
    yield f'<path class="goal" d="{arrow}"/>'
    yield f'<line class="spread {state}" x1="{least}" y1="{middle}" x2="{most}" y2="{middle}"/>'
    yield f'<circle class="{state}" cx="{x}" cy="{middle}" r="5"/>'
    told = f"{verdict.ratio:.2f}" if isfinite(verdict.ratio) else "∞"
    yield f'<text x="{WIDTH - TIPS + 16}" y="{middle + 5}">{told}'
    yield f'<tspan class="quiet" dx="8">goal {asked.goal}</tspan></text>'
