"""`buildd plugins`: what is installed beside buildd, and whether it fits."""

from __future__ import annotations

import click

from buildd.cli._render import Column

_OFFERS = (
    Column("KIND", lambda each: each.kind or "—"),
    Column("NAME", lambda each: each.name or "—"),
    Column("PLUGIN", lambda each: each.plugin, rank=2),
    Column("FROM", lambda each: " ".join(filter(None, (each.distribution, each.version))), rank=1),
    Column("PROBLEM", lambda each: each.problem or ""),
)


@click.group()
def plugins() -> None:
    """The plugins that are installed here."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List what the installed plugins offer, from which package and version.

    A plugin that does not load is listed with the reason. Uninstall it: it keeps the others from
    loading too.
    """
    from buildd.cli import _render
    from buildd.plugins.survey import survey

    offers = survey()
    if as_json:
        _render.document(offers)
        return
    wrong = any(each.problem for each in offers)
    _render.table(offers, _OFFERS if wrong else _OFFERS[:-1])
