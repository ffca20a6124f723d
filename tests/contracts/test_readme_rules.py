"""The README's file of rules is one, and its examples hold."""

from __future__ import annotations

from pathlib import Path

from harness_tui.config.paths import Paths
from tests.cli.program import run

from .readme import between


def test_the_rules_of_the_readme_can_be_replayed(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(between("rules").strip("`\n"), "utf-8")
    (tmp_path / "infra").mkdir()
    done = run(Paths(tmp_path / "home"), "policy", "replay", str(file), "--output-format", "json")
    assert done.code == 0, done.err
