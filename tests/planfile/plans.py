"""Plans in both forms, and reading them the way `dag run` does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.planfile import load_plan
from harness_tui.domain.dag.spec import DagSpec, Job
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import BUILT_IN_TOOLS, ModelSpec, ModelTable

MODEL = ModelSpec("stand-in", "scripted")

SMALL = """\
goal = "two steps"

[[jobs]]
id = "a"
wait = 1

[[jobs]]
id = "b"
deps = ["a"]
command = ["make", "test"]

[jobs.retry]
attempts = 2
"""


def models(tables: Mapping[str, ModelTable | None], used: Collection[str]) -> dict[str, ModelSpec]:
    assert used, "a plan that asks no model is not settled"
    return {"main": MODEL} | {name: ModelSpec("", table.model) for name, table in tables.items() if table}


def written(folder: Path, text: str | bytes, name: str = "p.toml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(path: Path, **given: Any) -> tuple[DagSpec, tuple[Job, ...]]:
    return load_plan(path, known_tools=BUILT_IN_TOOLS, **{"models": models, **given})


def refused(path: Path, **given: Any) -> str:
    """The sentence, without the folder."""
    with pytest.raises(UsageError) as caught:
        load(path, **given)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{path.parent}/", "")
