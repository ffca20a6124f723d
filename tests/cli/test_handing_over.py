"""Which secrets a front end hands to the engine with a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.cli.run import command, plain_task
from harness_tui.config.paths import Paths
from harness_tui.config.vault.index import Index

FILE = """\
[model]
url = "http://127.0.0.1:9/v1"
model = "big"
key = "vault:WORK"
fallback = ["spare"]
[models.spare]
url = "http://127.0.0.1:8/v1"
model = "small"
key = "env:SPARE"
[models.judge]
api = "anthropic"
model = "wise"
[budget]
run_tokens = 77
"""


@pytest.fixture(autouse=True)
def _configured(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.home / "config.toml"
    path.write_text(FILE, "utf-8")
    path.chmod(0o600)
    for name in ("WORK", "SPARE", "ANTHROPIC_API_KEY", "OTHER_API_KEY"):
        monkeypatch.setenv(name, f"sk-{name.lower()}")


def test_every_model_of_the_run_gets_its_variable_and_nothing_else_leaves() -> None:
    start = command(plain_task("x"))
    assert start.secrets == {"WORK": "sk-work", "SPARE": "sk-spare", "ANTHROPIC_API_KEY": "sk-anthropic_api_key"}
    assert [fallback.model for fallback in start.spec.model.fallbacks] == ["small"]
    assert {name: role.model for name, role in start.spec.roles.items()} == {"spare": "small", "judge": "wise"}
    assert start.spec.task.budget.tokens == 77


def test_a_key_the_keyring_has_is_left_to_the_keyring(home: Paths) -> None:
    index = Index(home.home / "keys.json")
    index.note("WORK", ["keyring"])
    index.note("ANTHROPIC_API_KEY", ["encrypted file"])
    assert set(command(plain_task("x")).secrets) == {"SPARE", "ANTHROPIC_API_KEY"}
    assert command(plain_task("x"), url="127.0.0.1:9", model="m").spec.model.key == ""


def test_a_task_in_words_has_hands_where_there_is_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {"write_file", "shell_exec", "web_fetch"} <= set(plain_task("x").tools)
    monkeypatch.chdir("/")
    assert plain_task("x").tools == ("web_fetch", "web_search")
