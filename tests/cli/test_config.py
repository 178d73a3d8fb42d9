"""Where settings come from, which one wins, and what a malformed file says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildd.cli import _config
from buildd.cli._config import SETTINGS, hide_password, load, masked
from buildd.errors import ConfigError
from buildd_server import settings as server_settings

NAMED = {setting.name: setting for setting in SETTINGS}


class Place:
    """A working directory, a config directory and an environment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "here"
        self.directory.mkdir()
        self.environ = {"BUILDD_CONFIG_DIR": str(directory / "config")}

    def dotenv(self, text: str) -> None:
        (self.directory / ".env").write_text(text, encoding="utf-8")

    def toml(self, text: str) -> Path:
        path = _config.config_file(self.environ)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self) -> _config.Settings:
        return load(self.environ, self.directory)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_environment_beats_dotenv_which_beats_the_config_file(place: Place) -> None:
    assert place.load().found["server"] == (_config.DEFAULT_SERVER, "default")
    path = place.toml('server = "http://file"\nport = 4000\n')
    assert place.load().found["server"] == ("http://file", str(path))
    assert place.load().get("port") == "4000"
    place.dotenv("BUILDD_SERVER=http://dotenv\n")
    assert place.load().found["server"] == ("http://dotenv", ".env")
    place.environ["BUILDD_SERVER"] = "http://environment"
    assert place.load().found["server"].value == "http://environment"


def test_dotenv_does_not_say_where_credentials_from_elsewhere_are_sent(place: Place) -> None:
    place.dotenv("BUILDD_GITHUB_API=https://github.evil.example\n")
    assert place.load().get("github_api")
    place.environ |= {"BUILDD_GITHUB_TOKEN": "ghp_a_token"}
    with pytest.raises(ConfigError, match="BUILDD_GITHUB_TOKEN is in the environment") as caught:
        place.load()
    assert "ghp_a_token" not in str(caught.value)
    place.environ["BUILDD_GITHUB_API"] = "https://github.example.com/api/v3"
    assert place.load().get("github_api") == "https://github.example.com/api/v3"


def test_an_empty_value_is_not_set(place: Place) -> None:
    place.dotenv("BUILDD_API_KEY=\nBUILDD_SERVER=''\n")
    place.environ["BUILDD_SERVER"] = ""
    assert place.load().get("api_key") is None
    assert place.load().get("server") == _config.DEFAULT_SERVER


def test_another_systems_database_is_only_the_last_resort(place: Place) -> None:
    place.environ["DATABASE_URL"] = "postgresql://elsewhere/app"
    assert place.load().get("database") == "postgresql://elsewhere/app"
    place.toml('database = "sqlite:///mine.db"')
    assert place.load().get("database") == "sqlite:///mine.db"


def test_what_the_files_say_is_exported_without_overriding(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.dotenv("BUILDD_SECRET=s\nANTHROPIC_API_KEY=a\nBUILDD_PORT=1\nOTHER=x\n")
    for name in ("BUILDD_SECRET", "ANTHROPIC_API_KEY", "OTHER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUILDD_PORT", "2")
    place.load().export()
    assert (os.environ["BUILDD_SECRET"], os.environ["ANTHROPIC_API_KEY"]) == ("s", "a")
    assert os.environ["BUILDD_PORT"] == "2"
    assert "OTHER" not in os.environ
    assert "BUILDD_DATABASE" not in os.environ


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A=1\n\n'x\n", ".env line 3: is not of the form NAME=value"),
        ('A="open\n', ".env line 1: is not of the form NAME=value"),
    ],
)
def test_a_malformed_dotenv_names_the_line(place: Place, text: str, complaint: str) -> None:
    place.dotenv(text)
    with pytest.raises(ConfigError, match=complaint):
        place.load()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\nserver = x", r"config\.toml: is not valid TOML: .*line 2"),
        ('sever = "x"', r"config\.toml: there is no setting 'sever'; there are server, "),
        ("port = true", r"config\.toml: port must be a string or a number"),
        ("[server]\nport = 1", r"config\.toml: server must be a string or a number"),
    ],
)
def test_a_malformed_config_file_says_what_is_wrong(
    place: Place, text: str, complaint: str
) -> None:
    place.toml(text)
    with pytest.raises(ConfigError, match=complaint):
        place.load()


def test_a_file_that_is_not_text_says_so(place: Place) -> None:
    (place.directory / ".env").write_bytes(b"A=\xff")
    with pytest.raises(ConfigError, match=r"\.env: is not UTF-8 text"):
        place.load()


def test_a_key_does_not_follow_a_strangers_dotenv(place: Place) -> None:
    place.toml('api_key = "secret"')
    place.dotenv("BUILDD_SERVER=https://evil.example\n")
    with pytest.raises(ConfigError, match=r"\.env names the server https://evil\.example") as said:
        place.load().key_for("https://evil.example")
    assert "secret" not in str(said.value)
    assert place.load().key_for("https://typed.by.hand.example") == "secret"
    place.dotenv("BUILDD_SERVER=http://127.0.0.1:3000\n")
    assert place.load().key_for("http://127.0.0.1:3000") == "secret"
    place.dotenv("BUILDD_SERVER=https://ours.example\nBUILDD_API_KEY=ours\n")
    assert place.load().key_for("https://ours.example") == "ours"


def test_what_is_shown_hides_what_is_secret() -> None:
    assert masked(NAMED["api_key"], "buildd_abcdefgh") == "buildd_abc…"
    assert masked(NAMED["admin_key"], "a-plain-passphrase") == "…"
    assert hide_password("postgresql://me:pw@host/db") == "postgresql://me:…@host/db"
    assert hide_password("postgres:///db?user=a&password=pw") == "postgres:///db?user=a&password=…"
    assert hide_password("sqlite:////data/team.db") == "sqlite:////data/team.db"


def test_how_long_the_server_keeps_things_is_a_setting(place: Place) -> None:
    kept = server_settings.DEFAULT_KEEP_EVENTS_DAYS
    assert float(place.load().get("keep_events_days") or 0) == kept
    assert place.load().get("keep_tasks_days") is None
    place.toml("keep_events_days = 7\nkeep_tasks_days = 90")
    assert place.load().get("keep_events_days") == "7"
    assert place.load().get("keep_tasks_days") == "90"
    assert NAMED["keep_tasks_days"].variable == "BUILDD_KEEP_TASKS_DAYS"
