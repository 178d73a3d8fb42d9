"""`python -m tests.chaos`: campaigns with real processes, and a table of what they found.

Ends with 1 if any promise was broken. Takes a few minutes for each database unless told otherwise; the
same seed chooses the same faults, though never the same moments.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.campaign import Campaign, Outcome, Plan
from tests.chaos.parts import MortalPostgres
from tests.chaos.table import table


@click.command()
@click.option("--database", "databases", multiple=True, type=click.Choice(["sqlite", "postgres"]))
@click.option("--seconds", default=Plan.seconds, show_default=True, help="How long things break.")
@click.option("--rate", default=Plan.rate, show_default=True, help="Tasks created each second.")
@click.option("--processes", default=Plan.processes, show_default=True, help="Agent processes.")
@click.option("--agents", default=Plan.agents, show_default=True, help="Agents in each process.")
@click.option("--ttl", default=Plan.ttl, show_default=True, help="Seconds a lease lives.")
@click.option("--seed", default=Plan.seed, show_default=True, help="Chooses the faults.")
def main(databases: tuple[str, ...], **sizes: float) -> None:
    """Break a real installation, heal it, and compare what everybody was told with what is there."""
    outcomes = [
        run(Plan(database, **sizes))  # type: ignore[arg-type]
        for database in databases or ("sqlite", "postgres")
    ]
    click.echo(table(outcomes))
    sys.exit(not all(outcome.verdict.clean for outcome in outcomes))


def run(plan: Plan) -> Outcome:
    """One campaign in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="buildd-chaos-") as directory:
        if plan.database == "sqlite":
            return Campaign(plan, Path(directory), None).run()
        postgres = MortalPostgres()
        try:
            postgres.sql("CREATE DATABASE chaos")
            return Campaign(plan, Path(directory), postgres).run()
        finally:
            postgres.close()


if __name__ == "__main__":
    main()
