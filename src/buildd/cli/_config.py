"""Where settings come from: the environment, `.env`, and the config file, in this order.

Flags come before all of them: click takes what is found here for the options' defaults. Commands
of other packages, the server's among them, find what the files say in the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from buildd.errors import ConfigError

DEFAULT_SERVER = "http://127.0.0.1:3000"
DEFAULT_DATABASE = "sqlite:///buildd.db"
DEFAULT = "default"
DOTENV = ".env"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PASSED_ON = ("ANTHROPIC_API_KEY",)
_LAUNCH = "BUILDD_LAUNCH"
"""The directory that a runner has made for an agent; it is in no one else's repository."""


class Setting(NamedTuple):
    """One thing that can be set, by `BUILDD_<NAME>` and by its name in the config file."""

    name: str
    meaning: str
    default: str | None = None
    secret: bool = False
    fallback: str | None = None
    """Another system's variable, read when nothing else sets this one."""

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return f"BUILDD_{self.name.upper()}"

    @property
    def file_variable(self) -> str | None:
        """The variable that may name a file with it, as systemd's and Docker's secrets are; for secrets."""
        return f"{self.variable}_FILE" if self.secret or self.name == "database" else None


SETTINGS = (
    Setting("server", "the server's URL, or a database URL to work without one", DEFAULT_SERVER),
    Setting("api_key", "who you are to the server; none in local mode", secret=True),
    Setting("workspace", "the workspace that commands are about"),
    Setting(
        "database",
        "where the server keeps everything",
        DEFAULT_DATABASE,
        fallback="DATABASE_URL",
    ),
    Setting("admin_key", "a key that the server takes for an administrator's", secret=True),
    Setting("secret", "what the server's stored key digests are made with", secret=True),
    Setting("host", "the address the server listens on"),
    Setting("port", "the port the server listens on"),
    Setting("public_url", "the URL at which agents that the server starts elsewhere reach it"),
    Setting("hooks_allow", "networks of your own that hooks may lead into"),
    Setting("rate_limit", "requests per second that the server takes of one key (0: any)", "100"),
    Setting("trusted_proxies", "networks of proxies that the server believes whom they speak for"),
    Setting("lease_ttl", "how many seconds a silent agent keeps its task"),
    Setting("keep_events_days", "how many days the server keeps events (0: for ever)", "30"),
    Setting("keep_tasks_days", "how many days it keeps closed tasks (not set: for ever)"),
    Setting("blobs", "where the bytes of files are kept (beside the SQLite file if not set)"),
    Setting("max_file_mb", "how many megabytes one uploaded file may have", "100"),
    Setting("max_worker_mb", "how many megabytes all files of a worker may have", "1024"),
    Setting("max_worker_files", "how many files a worker may have", "1000"),
    Setting("github_token", "what the server opens pull requests with", secret=True),
    Setting("github_app_id", "the GitHub App that the server is, instead of a token"),
    Setting("github_app_key_file", "where that App's private key is (PEM)"),
    Setting("github_api", "GitHub's API, if it is an installation of your own"),
    Setting("github_oidc_issuer", "who signs for the runs of an installation of your own"),
    Setting("log_level", "what the server logs: debug, info, warning or error", "info"),
    Setting("log_format", "how it logs: json or text (text at a terminal, else json, if not set)"),
    Setting("max_tasks", "how many tasks an agent works on at once"),
    Setting("executor", "what does an agent's work"),
    Setting("command", "the program of the `command` executor"),
    Setting("template", "the known program of the `command` executor"),
    Setting("handler", "the function of the `function` executor"),
    Setting("model", "the model that works, in executors that have one"),
    Setting("max_turns", "how many replies of the model an attempt may take"),
    Setting("prices", "a file with prices of models, for the `claude` executor"),
    Setting("permission_mode", "what the `claude-code` executor may do unasked"),
    Setting("state_dir", "where an agent keeps its worktrees and clones"),
    Setting("drain_timeout", "how many seconds an agent may take to stop"),
    Setting("active", 'when an agent works, such as "Mon-Fri 19:00-08:00, Sat, Sun"'),
    Setting("on_battery", "whether an agent works while the machine is on battery: yes or no"),
    Setting("debug", "1 has an agent log more, and a fault in buildd tell where it happened"),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Found(NamedTuple):
    """A setting's value and the place it came from."""

    value: str
    source: str


@dataclass(frozen=True)
class Settings:
    """What is set, and where. An empty value counts as not set."""

    found: Mapping[str, Found]
    passed_on: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """A setting's value, or None."""
        found = self.found.get(name)
        return found.value if found else None

    def default_map(self) -> dict[str, str]:
        """What is set, by name: click's defaults for the options called the same. No secrets."""
        return {
            name: found.value for name, found in self.found.items() if not _BY_NAME[name].secret
        }

    def key_for(self, server: str) -> str | None:
        """The API key to use with a server.

        A `.env` comes with a directory, perhaps with somebody else's repository: a key from another
        place is not sent to a remote server that only a `.env` names.
        """
        key, address = self.found.get("api_key"), self.found.get("server")
        if key is None or address is None:
            return key.value if key else None
        strange = address.source == DOTENV and address.value == server
        if strange and key.source != address.source and not _is_local(server):
            raise ConfigError(
                f"{address.source} names the server {server}, but your API key is in {key.source}: "
                f"set BUILDD_API_KEY in {DOTENV}, or BUILDD_SERVER where the key is"
            )
        return key.value

    def export(self) -> None:
        """Put what files say into this process's environment, where options and libraries look."""
        named = {
            _BY_NAME[name].variable: found.value
            for name, found in self.found.items()
            if found.source != DEFAULT
        }
        for variable, value in {**self.passed_on, **named}.items():
            if not os.environ.get(variable):
                os.environ[variable] = value


def prepare(*, lenient: bool) -> Settings:
    """Load the settings and export them, before a command reads its options.

    A malformed file is an error, but not to those who only ask for help: they are `lenient`.
    """
    try:
        settings = load()
    except ConfigError:
        if not lenient:
            raise
        settings = Settings({}, {})
    settings.export()
    return settings


def load(environ: Mapping[str, str] = os.environ, directory: Path | None = None) -> Settings:
    """Read all settings. Raises `ConfigError` naming file and line for a file that is malformed."""
    dotenv = _read_dotenv((directory or Path()) / DOTENV)
    file = config_file(environ)
    written = _read_toml(file)
    found: dict[str, Found] = {}
    for setting in SETTINGS:
        places = [
            Found(environ.get(setting.variable, ""), f"the environment ({setting.variable})"),
            Found(_read_secret(setting, environ), f"the file in {setting.file_variable}"),
            Found(dotenv.get(setting.variable, ""), DOTENV),
            Found(written.get(setting.name, ""), str(file)),
        ]
        if setting.fallback:
            outside = environ.get(setting.fallback, "")
            places.append(Found(outside, f"the environment ({setting.fallback})"))
            places.append(Found(dotenv.get(setting.fallback, ""), f"{DOTENV} ({setting.fallback})"))
        places.append(Found(setting.default or "", DEFAULT))
        first = next((place for place in places if place.value), None)
        if first:
            found[setting.name] = first
    _check_github(found)
    return Settings(found, _passed_on(environ, dotenv, directory or Path()))


def _read_secret(setting: Setting, environ: Mapping[str, str]) -> str:
    path = environ.get(setting.file_variable or "", "")
    if not path or environ.get(setting.variable):
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or "is not text"
        raise ConfigError(f"{setting.file_variable}: cannot read {path}: {why}") from None


def _passed_on(
    environ: Mapping[str, str], dotenv: Mapping[str, str], directory: Path
) -> dict[str, str]:
    """What a `.env` may say to libraries: little, unless whoever started us named its directory."""
    launch = environ.get(_LAUNCH)
    ours = launch is not None and Path(launch) == directory.resolve()
    return {name: text for name, text in dotenv.items() if text and (ours or name in _PASSED_ON)}


def _check_github(found: Mapping[str, Found]) -> None:
    """A `.env`, perhaps somebody else's, does not say where credentials from elsewhere are sent."""
    api = found.get("github_api")
    if api is None or api.source != DOTENV:
        return
    for name in ("github_token", "github_app_key_file"):
        if name in found and found[name].source != DOTENV:
            raise ConfigError(
                f"{DOTENV} names BUILDD_GITHUB_API, but {_BY_NAME[name].variable} is in "
                f"{found[name].source}: set both in one place"
            )


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the config file is, or would be."""
    chosen = environ.get("BUILDD_CONFIG_DIR")
    if chosen:
        return Path(chosen) / "config.toml"
    home = environ.get("XDG_CONFIG_HOME") or environ.get("HOME", "")
    middle = "" if environ.get("XDG_CONFIG_HOME") else ".config"
    return Path(home) / middle / "buildd" / "config.toml"


def masked(setting: Setting, value: str) -> str:
    """A value as it may be shown: no keys, and no password of a database."""
    if setting.secret:
        return f"{value[:10]}…" if value.startswith("buildd_") else "…"
    return hide_password(value)


def hide_password(url: str) -> str:
    """A URL as it may be shown: without its password."""
    url = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:…@", url)
    return re.sub(r"(?i)(?<=[?&]password=)[^&]*", "…", url)


def is_server(url: str) -> bool:
    """Whether a URL is a server's, not a database's."""
    return url.lower().startswith(("http://", "https://"))


def _is_local(server: str) -> bool:
    try:
        return not is_server(server) or urlsplit(server).hostname in _LOOPBACK
    except ValueError:
        return False


def _read_dotenv(path: Path) -> dict[str, str]:
    text = _read(path)
    return dict(_bindings(path, text)) if text else {}


def _bindings(path: Path, text: str) -> Iterator[tuple[str, str]]:
    import io

    # The parser alone: `dotenv_values` only logs a malformed line, and would expand ${…} in keys.
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text)):
        original = binding.original
        if binding.error:
            blank = len(original.string) - len(original.string.lstrip())
            line = original.line + original.string[:blank].count("\n")
            raise ConfigError(f"{path} line {line}: is not of the form NAME=value")
        if binding.key is not None:
            yield binding.key, binding.value or ""


def _read_toml(path: Path) -> dict[str, str]:
    text = _read(path)
    if not text:
        return {}
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: is not valid TOML: {problem}") from None
    return {name: _scalar(path, name, value) for name, value in values.items()}


def _scalar(path: Path, name: str, value: object) -> str:
    if name not in _BY_NAME:
        known = ", ".join(_BY_NAME)
        raise ConfigError(f"{path}: there is no setting {name!r}; there are {known}")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConfigError(f"{path}: {name} must be a string or a number")
    return str(value)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except OSError as problem:
        raise ConfigError(f"{path}: {problem.strerror}") from None
