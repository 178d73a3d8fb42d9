"""The locks must work with any package index, and pin everything that a command installs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
WEB = REQUIREMENTS / "web"
LOCKS = ["bootstrap.txt", "run.txt", "server.txt", "dev.txt", "real.txt", "bench.txt"]
OF_NPM = [f"{of}/{name}.json" for of in ("bench", "web") for name in ("package", "package-lock")]


@pytest.mark.parametrize("name", [*LOCKS, *OF_NPM])
def test_a_lock_names_no_host(name: str) -> None:
    assert "://" not in (REQUIREMENTS / name).read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (REQUIREMENTS / name).read_text().strip())
    assert entries
    for entry in entries:
        assert re.match(r"[\w.\[\],-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_tests_run_on_the_versions_the_demo_installs() -> None:
    def pins(name: str) -> set[str]:
        return set(
            re.findall(r"^[\w.\[\]-]+==\S+", (REQUIREMENTS / name).read_text(), re.MULTILINE)
        )

    run, server, dev, real = (
        {pin.split("[")[0] for pin in pins(f"{name}.txt")}
        for name in ("run", "server", "dev", "real")
    )
    assert run <= server <= dev <= real


def test_npm_is_told_every_version_and_hash() -> None:
    asked = json.loads((WEB / "package.json").read_text())
    for version in [*asked["devDependencies"].values(), *asked["optionalDependencies"].values()]:
        assert re.fullmatch(r"[\d.]+", version), version
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    ours = packages.pop("")
    assert {key: ours[key] for key in asked.keys() & ours.keys()}.items() <= asked.items()
    assert len(packages) >= len(asked["devDependencies"]) + len(asked["optionalDependencies"])
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "hasInstallScript" not in package, name
