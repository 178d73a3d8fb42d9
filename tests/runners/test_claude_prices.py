from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from buildd.errors import ConfigError
from buildd_runners.claude.prices import Prices, Tokens
from buildd_runners.claude.settings import MAX_TURNS, MODEL, ClaudeSettings

KEY = {"ANTHROPIC_API_KEY": "sk-ant-any"}
ROW = "input = 1\noutput = 2\ncache_write_5m = 3\ncache_write_1h = 4\ncache_read = 5\n"
MILLION = 1_000_000


def test_a_request_costs_what_each_kind_of_token_costs() -> None:
    price = Prices.load().of("claude-opus-5-5")
    assert price.of(Tokens(input=MILLION)) == Decimal("4.00")
    assert price.of(Tokens(output=MILLION)) == Decimal("20.00")
    assert price.of(Tokens(cache_write_5m=MILLION, cache_write_1h=MILLION)) == Decimal("13.00")
    assert price.of(Tokens(cache_read=MILLION)) == Decimal("0.20")
    assert price.of(Tokens(input=100, output=20)) == Decimal("0.000800")
    assert price.of(Tokens()) == 0


def test_a_long_prompt_can_be_billed_otherwise() -> None:
    price = Prices.load().of("claude-haiku-5-5")
    assert price.of(Tokens(input=50_000, cache_read=50_000)) == Decimal("0.0055")
    assert price.of(Tokens(input=50_001, cache_read=50_000)) == Decimal("0.0275005")


def test_a_dated_snapshot_costs_what_its_model_costs_and_a_newer_model_does_not() -> None:
    prices = Prices.load()
    assert prices.of("claude-haiku-4-5-20251001") == prices.of("claude-haiku-4-5")
    for unknown in ("claude-opus-5-9", "claude-opus", "gpt", "claude-opus-5-5-fast"):
        with pytest.raises(ConfigError, match=f"the price of the model {unknown!r} is not known"):
            prices.of(unknown)


def test_rows_of_ones_own_come_over_the_table(tmp_path: Path) -> None:
    more = tmp_path / "prices.toml"
    more.write_text(f"[models.claude-opus-5-5]\n{ROW}\n[models.house-model]\n{ROW}")
    prices = Prices.load(more)
    assert prices.of("claude-opus-5-5").of(Tokens(input=MILLION)) == 1
    assert prices.of("house-model").of(Tokens(cache_read=MILLION)) == 5
    assert prices.of("claude-sonnet-5-5") == Prices.load().of("claude-sonnet-5-5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models = [", "is not valid TOML"),
        ("", "models: Field required"),
        ("[models.m]\ninput = 1", "models.m.output: Field required"),
        (f"[models.m]\n{ROW}fee = 1", "models.m.fee: Extra inputs are not permitted"),
        (f"[models.m]\n{ROW}above = 1", "`above` and `long` belong together"),
        (f"[models.m]\n{ROW}".replace("input = 1", "input = -1"), "models.m.input: "),
    ],
)
def test_what_is_wrong_with_a_table_is_told_by_file_and_field(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as told:
        Prices.load(file)
    assert told.value.message.startswith(f"--prices {file}: ")
    assert said in told.value.message


def test_the_defaults_can_work() -> None:
    settings = ClaudeSettings.load({}, KEY)
    assert (settings.model, settings.max_turns) == (MODEL, MAX_TURNS)
    assert settings.api.url == "https://api.anthropic.com"
    assert "sk-ant" not in repr(settings)


def test_a_token_of_a_gateway_will_do() -> None:
    environ = {"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
    settings = ClaudeSettings.load({}, environ)
    assert (settings.api.api_key, settings.api.auth_token) == (None, "t")
    assert settings.api.url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("config", "environ", "said"),
    [
        ({}, {}, "ANTHROPIC_API_KEY is not set"),
        ({}, {"ANTHROPIC_API_KEY": " "}, "ANTHROPIC_API_KEY is not set"),
        ({"model": 5}, KEY, "model must be"),
        ({"model": "gpt"}, KEY, "the price of the model 'gpt' is not known"),
        ({"max_turns": 0}, KEY, "max_turns must be"),
        ({"max_turns": True}, KEY, "max_turns must be"),
        ({"prices": "/nowhere.toml"}, KEY, "--prices /nowhere.toml: No such file"),
        ({"pass_env": "HOME"}, KEY, "pass_env must be a list"),
        ({"pass_env": ["ANTHROPIC_API_KEY"]}, KEY, "ANTHROPIC_API_KEY is never passed"),
        ({"pass_env": ["BUILDD_API_KEY"]}, KEY, "BUILDD_API_KEY is never passed"),
    ],
)
def test_what_is_missing_or_wrong_is_told_before_any_task_is_claimed(
    config: dict[str, object], environ: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ClaudeSettings.load(config, environ)
