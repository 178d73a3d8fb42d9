"""What was measured, told to people and to programs: lines, a table in the docs, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from tests.bench.comparing import Measured, Verdict
from tests.bench.plot import ratios_svg

BEGIN, END = "<!-- begin: python -m tests.bench --write -->", "<!-- end -->"
_HEAD = (
    "| # | work | measure | buildd | beside | ratio (of all runs) | goal | met |\n"
    "|---|---|---|---|---|---|---|---|"
)


def as_text(found: Measured) -> str:
    """A row for a terminal."""
    lines = [f"\n{found.row.number}. {found.row.title}"]
    for who, figures in found.medians().items():
        lines.append(f"   {who}: {', '.join(f'{shown(v)} {k}' for k, v in figures.items())}")
    lines += [f"   → {_sentence(each)}" for each in found.verdicts()]
    return "\n".join(lines)


def _sentence(verdict: Verdict) -> str:
    asked = verdict.comparison
    beside = f" / {verdict.other}" if verdict.other else ""
    word = "met" if verdict.met else "MISSED"
    return f"{asked.ours}{beside}, {asked.figure}: {ratio(verdict.ratio)} ({asked.goal}: {word})"


def as_json(found: Sequence[Measured], facts: Mapping[str, str]) -> str:
    """Every figure of every run, for comparing with another day's."""
    rows = [
        {
            "number": each.row.number,
            "title": each.row.title,
            "settings": each.row.settings,
            "samples": each.samples,
            "verdicts": [
                {
                    "ours": verdict.comparison.ours,
                    "other": verdict.other,
                    "figure": verdict.comparison.figure,
                    "ratio": verdict.ratio if isfinite(verdict.ratio) else None,
                    "goal": str(verdict.comparison.goal),
                    "met": verdict.met,
                }
                for verdict in each.verdicts()
            ],
        }
        for each in found
    ]
    told = {"facts": facts, "rows": rows}
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_page(page: Path, found: Sequence[Measured], facts: Mapping[str, str]) -> None:
    """Put the table between the marks of a page, and the plot beside the page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{page.name} has lost its marks"
    plot = page.with_suffix(".svg")
    plot.write_text(ratios_svg([(each.row.number, each.verdicts()) for each in found]))
    picture = f"![Each ratio beside its goal]({plot.name})"
    parts = [BEGIN, _table(found), picture, _facts(found, facts), END]
    page.write_text(before + "\n\n".join(parts) + after)


def _table(found: Sequence[Measured]) -> str:
    return "\n".join([_HEAD, *(line for each in found for line in _lines(each))])


def _lines(found: Measured) -> Iterator[str]:
    for verdict in found.verdicts():
        asked, (least, most) = verdict.comparison, verdict.spread
        beside = "-" if verdict.theirs is None else f"{shown(verdict.theirs)} ({verdict.other})"
        cells = (
            str(found.row.number),
            f"{found.row.title}: {asked.ours}",
            asked.figure,
            shown(verdict.ours),
            beside,
            f"**{ratio(verdict.ratio)}** ({ratio(least)} to {ratio(most)})",
            str(asked.goal),
            "yes" if verdict.met else "**no**",
        )
        yield f"| {' | '.join(cells)} |"


def _facts(found: Sequence[Measured], facts: Mapping[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join(lines + [f"- row {each.row.number}: {each.row.settings}" for each in found])


def ratio(value: float) -> str:
    """A ratio; to a reference that was too small to be measured, none can be told."""
    return f"{value:.2f}" if isfinite(value) else "∞"


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
