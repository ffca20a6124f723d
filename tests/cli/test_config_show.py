"""`config show` and what config.toml changes in a run, through the program itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.vault.index import Index
from tests.contracts.test_light_start import HEAVY, PROBE
from tests.models.listing_server import listing, models

from .program import run

JSON = ("--output-format", "json")
FILE = """\
[model]
url = "http://127.0.0.1:9/v1"
model = "big"
key = "vault:WORK"
extra = { service_tier = "sk-canary" }

[models.judge]
api = "anthropic"
model = "wise"

[budget]
run_tokens = 5_000
day_usd = 2.5

[prices.big]
input = 1
output = 2

[keys]
command = ["pass", "show", "{name}"]
"""


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def write(home: Paths, text: str = FILE) -> None:
    path = home.home / "config.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def shown(home: Paths) -> dict[str, Any]:
    document = run(home, "config", "show", *JSON).json
    assert document["exit"] == 0
    return {name: (each["value"], each["origin"]) for name, each in document["settings"].items()}


def test_every_setting_says_where_it_comes_from(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    write(home)
    found = shown(home)
    assert found["home"] == (str(home.home), "HARNESS_TUI_HOME (environment)")
    assert found["model.url"] == ("http://127.0.0.1:9/v1", "config.toml:2")
    assert found["model.api"] == ("openai-chat", "guessed from the url")
    assert found["model.key"] == ("vault:WORK", "config.toml:4")
    assert found["model.extra"] == (["service_tier"], "config.toml:5")
    assert found["model.seed"] == (None, "default")
    assert found["models.judge.key"] == ("vault:ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY (environment)")
    assert found["models.judge.url"] == ("https://api.anthropic.com", "default")
    assert found["budget.run_tokens"] == (5000, "config.toml:12")
    assert found["budget.day_tokens"] == (0, "default")
    assert found["prices.big.output"] == (2, "config.toml:17")
    assert found["keys.command"] == (["pass", "show", "{name}"], "config.toml:20")


def test_the_environment_is_an_origin_too(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:sk-canary@127.0.0.1:9/v1?key=sk-canary")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("GEMINI_API_KEY", "sk-canary")
    found = shown(home)
    assert found["model.url"] == ("http://127.0.0.1:9/v1", "OPENAI_BASE_URL (environment)")
    assert found["model.key"] == ("vault:OPENAI_API_KEY", "OPENAI_API_KEY (environment)")
    said = run(home, "config", "show", "--origin")
    assert "Settings of OpenAI and of Gemini are there; OpenAI is asked." in said.err
    assert "canary" not in said.out + said.err + run(home, "config", "show", *JSON).out


def test_text_is_aligned_and_has_the_origin_when_asked(home: Paths) -> None:
    write(home)
    plain, full = (run(home, "config", "show", *more).out.splitlines() for more in ((), ("--origin",)))
    assert plain[0].split() == ["SETTING", "VALUE"]
    assert full[0].split() == ["SETTING", "VALUE", "ORIGIN"]
    (row,) = [line for line in full if line.startswith("budget.day_usd ")]
    assert row.split() == ["budget.day_usd", "2.5", "config.toml:13"]
    assert row.index("config.toml") == full[0].index("ORIGIN")
    assert len(plain) == len(full) == len(shown(home)) + 1


def test_an_empty_home_shows_the_defaults_and_stays_empty(home: Paths) -> None:
    home.home.rmdir()
    found = shown(home)
    assert found["model.url"] == ("http://127.0.0.1:11434/v1", "default")
    assert found["budget.run_tokens"] == (200_000, "default")
    assert not home.home.exists()


def test_it_starts_light(home: Paths) -> None:
    write(home)
    env = {**os.environ, "HARNESS_TUI_HOME": str(home.home)}
    argv = [sys.executable, "-c", PROBE, "config", "show", "--origin"]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=True)
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0
    assert not [name for name in (*HEAVY, "genai_prices", "keyring", "cryptography") if name in told["modules"]]


@pytest.mark.parametrize("words", [("config", "show"), ("run", "x")])
def test_a_broken_file_is_one_sentence_with_its_line(home: Paths, words: tuple[str, ...]) -> None:
    write(home, FILE.replace("day_usd", "day_us"))
    done = run(home, *words, *JSON)
    sentence = f'{home.home}/config.toml:13: unknown key "day_us" in [budget]; did you mean "day_usd"?'
    assert (done.code, done.json) == (78, {"error": sentence, "exit": 78})
    assert done.err == f"harness-tui: {sentence}\n"


def test_a_run_asks_the_configured_server_and_flags_ask_another(home: Paths, tmp_path: Path) -> None:
    with listing(models("a", "b")) as (address, seen):
        write(home, f'[model]\nurl = "{address}"\n')
        done = run(home, "run", "x", *JSON)
        assert (done.code, done.json["error"]) == (
            2,
            f"No model is named for {address}. Give --model NAME; it has a, b.",
        )
        task = tmp_path / "task.toml"
        task.write_text('prompt = "x"\n[model]\nurl = "http://127.0.0.1:9"\n', "utf-8")
        assert "127.0.0.1:9" in run(home, "run", "--task", str(task), *JSON).json["error"]
        assert f"for {address}" in run(home, "run", "--task", str(task), "--url", address, *JSON).json["error"]
    assert seen == ["/v1/models", "/v1/models"]


def test_a_task_file_in_a_checkout_draws_no_key(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    with listing({}, 401) as (address, seen):
        (tmp_path / "task.toml").write_text(f'prompt = "x"\n[model]\nurl = "{address}"\nmodel = "m"\n', "utf-8")
        (tmp_path / "config.toml").write_text(f'[model]\nurl = "{address}"\nkey = "env:OPENAI_API_KEY"\n', "utf-8")
        monkeypatch.chdir(tmp_path)
        done = run(home, "run", "--task", "task.toml", *JSON)
    assert (done.code, seen) == (7, ["/v1/models"])
    assert f"OPENAI_API_KEY is not sent to {address}: only the task file names that address." in done.json["error"]
    assert "canary" not in done.out + done.err


def test_a_kept_key_is_an_origin_of_its_own(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    Index(home.home / "keys.json").note("ANTHROPIC_API_KEY", ["keyring"])
    assert shown(home)["model.key"] == ("vault:ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY (keyring)")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    assert shown(home)["model.key"][1] == "ANTHROPIC_API_KEY (keyring)", "the keyring is asked first"
    Index(home.home / "keys.json").note("ANTHROPIC_API_KEY", ["encrypted file"])
    assert shown(home)["model.key"][1] == "ANTHROPIC_API_KEY (environment)"
