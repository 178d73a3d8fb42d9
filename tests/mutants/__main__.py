"""`python -m tests.mutants`: take every guard away in turn, and write down whether a test noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tests.mutants.mutants import ROOT, Fate, fates, mutants, unharmed

_PAGE = ROOT / "docs" / "reference" / "mutants.md"
_HEAD = """# Guards, each taken away

Each line is a guard of the broker and what became of it when it was taken away in a copy of the tree:
*killed* means that the tests named failed, as they must. `make mutants` does it again and writes this page;
the list itself is `tests/mutants/mutants.toml`.

| guard | file | without it | tests |
| --- | --- | --- | --- |
"""


@click.command()
@click.option("--jobs", default=2, show_default=True, help="How many at a time.")
@click.option("--only", default="", help="Guards or files that contain this text.")
def main(jobs: int, only: str) -> None:
    """Ends with 1 if a mutant survived."""
    chosen = [each for each in mutants() if only in each.guard or only in each.file]
    fine = unharmed(chosen)
    if fine.code:
        raise click.ClickException(f"the tests fail without any mutant:\n{fine.said[-3000:]}")
    found = []
    for fate in fates(chosen, jobs):
        found.append(fate)
        click.echo(f"{_said(fate):9} {fate.mutant.guard}")
        if fate.code not in {0, 1}:
            click.echo(fate.said[-1000:])
    survivors = [fate for fate in found if not fate.killed]
    click.echo(f"{len(found) - len(survivors)} of {len(found)} guards killed")
    if not only:
        _PAGE.write_text(_HEAD + "\n".join(map(_row, found)) + f"\n\n{_sum(found)}\n")
    sys.exit(bool(survivors))


def _said(fate: Fate) -> str:
    return "killed" if fate.killed else "SURVIVED" if fate.code == 0 else "BROKEN"


def _row(fate: Fate) -> str:
    tests = ", ".join(
        f"`{Path(test.split('::')[0]).name}{_name(test)}`" for test in fate.mutant.tests
    )
    file = fate.mutant.file.removeprefix("src/buildd/")
    return f"| {fate.mutant.guard} | `{file}` | {_said(fate)} | {tests} |"


def _name(test: str) -> str:
    return "".join(test.partition("[")[0].partition("::")[1:])


def _sum(found: list[Fate]) -> str:
    return f"{sum(fate.killed for fate in found)} of {len(found)} killed."


if __name__ == "__main__":
    main()
