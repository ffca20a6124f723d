"""A loop file with every table, the git repository it works in, and reading it the way `loop add` does."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.loopfile import Given, Loaded, load_loop
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import BUILT_IN_TOOLS, ModelSpec, ModelTable

MODEL = ModelSpec("stand-in", "scripted")

WHOLE = """\
# A comment with "quotes' and [brackets
name = "nightly"
intent = "Keep the log short."
level = "L2"
schedule = "30 2 * * mon-fri"
zone = "Europe/Berlin"
overlap = "queue"
missed = "all"
missed_limit = 5
pause_after = 4
approval_life = "36h"

[budget]
tokens = 100_000
usd = 0.5
day_tokens = 400_000
day_usd = 2

[guardrails]
max_iterations = 9

[maker]
prompt = '''
Shorten
[it].'''
tools = [
    "read_file",
    "edit_file",
]
max_iterations = 7
model = { model = "big", temperature = 0 }

[checker]
prompt = "Look."

[action]
kind = "shorten"
do = "commit"
branch = "short"

[gate]
use = "allowlist"
kinds = ["shorten"]
paths = ["docs/**", "log.md"]
deny_paths = ["docs/api/**"]
max_files = 3
max_lines = 40

[accept]
argv = ["make", "test"]
deadline = 90

[promote]
rounds = 5
verified = 0.8
approved = 2
max_bad = 1
days = 3.5

[sandbox]
kind = "worktree"
network = false
"""
SMALL = 'name = "small"\nintent = "Look."\n[maker]\nprompt = "Look."\n'


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.com")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def repository(folder: Path) -> Path:
    """A git checkout with one commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "begin")
    return folder


def chosen(tables: Mapping[str, ModelTable | None]) -> dict[str, ModelSpec]:
    """Each role's model by its table alone."""
    return {role: ModelSpec(table.api, table.model) if table else MODEL for role, table in tables.items()}


def load(path: Path, **more: Any) -> Loaded:
    return load_loop(path, Given(BUILT_IN_TOOLS, chosen, "Europe/Vienna", path.parent)._replace(**more))


def written(folder: Path, text: str) -> Path:
    path = folder / "l.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, **more: Any) -> str:
    """The sentence it is refused with, without the folder."""
    with pytest.raises(UsageError) as caught:
        load(written(folder, text), **more)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{folder}/", "").replace(str(folder), "HERE")
