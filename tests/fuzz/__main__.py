"""`make fuzz`: 20,000 requests and more, by an administrator and three tenants, on each database."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from tests.fuzz.campaign import faults, fuzz, served
from tests.postgres import Postgres


@click.command()
@click.option(
    "--examples", default=12, show_default=True, help="Per operation, caller and kind of data."
)
@click.option("--seed", default=1, show_default=True)
def main(examples: int, seed: int) -> None:
    """Fuzz the whole API. Ends with 1 if anything was wrong."""
    postgres = Postgres()
    postgres.sql("CREATE DATABASE fuzz")
    wrong = ""
    with tempfile.TemporaryDirectory() as name:
        for database in (f"sqlite:///{name}/buildd.db", postgres.url("fuzz")):
            kind = database.partition(":")[0]
            directory = Path(name, kind)
            directory.mkdir()
            with served(database, directory) as server:
                runs = [
                    fuzz(server, caller, directory, f"--max-examples={examples}", f"--seed={seed}")
                    for caller in server.keys
                ]
            for run in runs:
                click.echo(f"{kind} {run.caller}: {run.cases} requests, {run.failures} at fault")
            click.echo(f"{kind}: {sum(run.cases for run in runs)} requests, no 5xx")
            wrong += faults(runs)
    postgres.close()
    if wrong:
        sys.exit(wrong)


if __name__ == "__main__":
    main()
