"""Which models a plan gets: flags, its own tables, the configuration; and none at all when it asks none."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from harness_tui.cli import dag_plan
from harness_tui.cli.dag_plan import settled, start_of
from harness_tui.config.paths import Paths
from harness_tui.config.planfile import Given
from harness_tui.config.settings import load_settings
from harness_tui.domain.dag.state import DagState
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import ModelSpec, ModelTable

FLAGS = ("http://127.0.0.1:9/v1", "openai-chat", "big")
CONFIG = """\
[model]
url = "http://127.0.0.1:8/v1"
api = "openai-chat"
model = "configured"

[models.near]
model = "near"

[models.far]
url = "http://127.0.0.1:7/v1"
api = "openai-chat"
model = "far"
"""


def choose(
    home: Paths, tables: dict[str, ModelTable | None], used: Collection[str], flags: Any
) -> dict[str, ModelSpec]:
    return settled(load_settings(home), tables, used, flags)


def test_flags_then_the_plan_then_the_configuration(home: Paths) -> None:
    home.config.write_text(CONFIG)
    home.config.chmod(0o600)
    plain = choose(home, {"main": None}, ["main"], ("", "", ""))
    assert {name: (spec.model, spec.url[-4:-3]) for name, spec in plain.items()} == {
        "main": ("configured", "8"),
        "near": ("near", "8"),
        "far": ("far", "7"),
    }
    flagged = choose(home, {"main": None}, ["main", "far"], FLAGS)
    assert set(flagged) == {"main", "far"}, "the other one is at the configured server, which flags have left"
    with pytest.raises(UsageError, match="near is at another server than main"):
        choose(home, {"main": None}, ["main", "near"], FLAGS)
    named = choose(home, {"main": ModelTable(model="planned")}, ["main"], ("", "", ""))
    assert (named["main"].model, named["main"].url) == ("planned", plain["main"].url)


def test_a_model_of_the_plan_without_a_server_is_at_mains(home: Paths) -> None:
    tables: dict[str, ModelTable | None] = {
        "main": ModelTable(model="big", temperature=0.5, max_tokens=100),
        "small": ModelTable(model="small", max_tokens=50),
        "own": ModelTable(url="http://127.0.0.1:5/v1", api="openai-chat", model="own"),
    }
    found = choose(home, tables, ["main", "small", "own"], FLAGS)
    assert (found["small"].url, found["small"].model) == (found["main"].url, "small")
    assert (found["small"].options.temperature, found["small"].options.max_tokens) == (0.5, 50)
    assert found["own"].url.startswith("http://127.0.0.1:5/")


def test_a_plan_that_asks_no_model_asks_for_none(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_plan, "settled", None)
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"jobs": [{"id": "a", "command": ["true"]}, {"id": "b", "verify": ["true"]}]}))
    start = start_of(path, ("", "", ""), Given())
    assert (start.spec.models, start.secrets, start.spec.source) == ({}, {}, str(path))


def test_the_key_of_a_model_is_handed_over(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "not-a-real-value")
    path = tmp_path / "p.json"
    model = {"url": FLAGS[0], "api": FLAGS[1], "model": "big", "key": "env:MY_KEY"}
    path.write_text(json.dumps({"model": model, "jobs": [{"id": "a", "prompt": "x"}]}))
    start = start_of(path, ("", "", ""), Given())
    assert start.secrets == {"MY_KEY": "not-a-real-value"}
    assert start.spec.models["main"].key == "env:MY_KEY"
    assert "not-a-real-value" not in repr(start.spec)


def test_a_run_without_a_model_is_not_given_a_prompt(home: Paths, tmp_path: Path) -> None:
    path = tmp_path / "patch.json"
    path.write_text(json.dumps({"jobs": [{"id": "a", "prompt": "x"}]}))
    with pytest.raises(UsageError, match="r1 was started without a model, and a asks one"):
        dag_plan.patch_of(path, DagState("r1"), "me")
