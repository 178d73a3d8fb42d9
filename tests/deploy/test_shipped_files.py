"""The files in examples/deploy say what is so: paths, commands, settings and secrets that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from buildd.cli import _config
from buildd.errors import ConfigError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
READ = (ROOT / "src/buildd_server/settings.py").read_text()


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Dockerfile").read_text()).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def one(name: str) -> str:
    return next(rest for each, rest in instructions() if each == name)


def test_the_images_are_small_pinned_to_a_version_and_name_no_registry() -> None:
    images = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert set(images) == {"python:3.13-slim"}


def test_it_runs_as_nobody_who_may_do_anything() -> None:
    user, group = one("USER").split(":")
    assert int(user) > 1000
    assert int(group) > 1000


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored
    assert one("CMD") == '["server"]'


def test_only_what_is_locked_is_installed() -> None:
    commands = " && ".join(rest for name, rest in instructions() if name == "RUN")
    for command in commands.split("&&"):
        if "pip install" in command:
            assert "--require-hashes" in command or "--no-deps --no-build-isolation" in command


def test_the_settings_that_files_name_exist() -> None:
    known = {setting.variable for setting in _config.SETTINGS}
    known |= {setting.file_variable or "" for setting in _config.SETTINGS}
    for file in DEPLOY.iterdir():
        for name in re.findall(r"\bBUILDD_[A-Z_]+", file.read_text()):
            assert name in known or f'"{name}"' in READ, f"{file.name}: {name}"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_has_no_password_and_every_secret_it_uses() -> None:
    file = compose()
    used = {each for service in file["services"].values() for each in service["secrets"]}
    assert used == file["secrets"].keys()
    for service in file["services"].values():
        for name, value in service["environment"].items():
            if name.endswith("_FILE"):
                assert Path(value).parent == Path("/run/secrets")
                assert Path(value).name in service["secrets"]
            else:
                assert not re.search("PASSWORD|KEY|SECRET|TOKEN", name)
    volumes = {
        each.partition(":")[0]
        for service in file["services"].values()
        for each in service["volumes"]
    }
    assert volumes == file["volumes"].keys()


def test_the_compose_file_lets_the_server_write_only_where_the_image_says() -> None:
    service = compose()["services"]["buildd"]
    assert service["read_only"] is True
    assert [each.partition(":")[2] for each in service["volumes"]] == [one("VOLUME")]
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]) == DEPLOY / "Dockerfile"
    assert all(each.startswith("127.0.0.1:") for each in service["ports"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "buildd.service"
    text = (DEPLOY / "buildd.service").read_text()
    unit.write_text(text.replace("/opt/buildd/bin/buildd", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    # What it does not know it only tells.
    assert [line for line in done.stderr.splitlines() if "buildd.service" in line] == []
    assert done.returncode == 0, done.stderr
    command = shlex.split(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1])  # type: ignore[index]
    assert command[1:] == ["server"]


def test_a_secret_is_read_from_the_file_that_is_named(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2 hunter2\n")
    environ = {"BUILDD_SECRET_FILE": str(file), "HOME": str(tmp_path)}
    assert _config.load(environ, tmp_path).get("secret") == "hunter2 hunter2"
    assert _config.load({**environ, "BUILDD_SECRET": "x"}, tmp_path).get("secret") == "x"
    file.unlink()
    with pytest.raises(ConfigError, match="BUILDD_SECRET_FILE: cannot read"):
        _config.load(environ, tmp_path)
