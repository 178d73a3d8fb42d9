"""The doorbell is a hint: it reaches other processes, and nothing is lost when it is cut."""

from __future__ import annotations

import psycopg

from buildd.store import Store, database_of


def test_a_commit_rings_in_another_process(postgres_url: str) -> None:
    here, there = (Store(database_of(postgres_url)) for _ in range(2))
    # The listener may not be listening yet, so ring until it does.
    while not there.bell.waiting.is_set():
        here.write(lambda _: None).result()
        there.bell.waiting.wait(0.1)
    here.close()
    there.close()


def test_a_cut_line_is_mended(postgres_url: str) -> None:
    here, there = (Store(database_of(postgres_url)) for _ in range(2))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    there.bell.waiting.clear()
    while not there.bell.waiting.is_set():
        here.write(lambda _: None).result()
        there.bell.waiting.wait(0.1)
    here.close()
    there.close()
