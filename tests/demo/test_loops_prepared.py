"""What `demo loops` begins with: a repository no configuration touched, and loops an engine takes, at each level."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness_tui.cli.tours import may_approve_change
from harness_tui.demo import loops
from harness_tui.demo.loops import DemoLoops
from harness_tui.domain.errors import SetupError
from harness_tui.domain.events import Change
from harness_tui.domain.loop import levels
from harness_tui.domain.loop.rows import LoopRow
from harness_tui.domain.schedule import ScheduleError, parse
from harness_tui.domain.views import ApprovalRow

DAY = 24 * 3600


def git(repo: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=repo, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoLoops]:
    """A demo made by an operator whose own configuration of git signs, hooks and rewrites."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "commit-msg", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/betrayed\n")
        (hooks / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n\thooksPath = {hooks}\n[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = {hooks}/pre-commit\n"
        f"[init]\n\ttemplateDir = {hooks}\n\tdefaultBranch = trunk\n[user]\n\tname = Op\n\temail = op@example.org\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody else")
    monkeypatch.setattr(loops.tempfile, "tempdir", str(tmp_path))
    yield loops.prepare()
    assert not (tmp_path / "betrayed").exists(), "nothing an operator configured was run"


def test_the_repository_has_a_history_of_its_own(made: DemoLoops) -> None:
    assert git(made.repo, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(made.repo, "rev-parse", "HEAD") == made.base
    authors = git(made.repo, "log", "--format=%an <%ae> %cn").splitlines()
    assert set(authors) == {"Demo <demo@harness-tui.invalid> Demo"}
    assert 5 <= len(authors) <= 6
    assert git(made.repo, "status", "--porcelain") == ""
    assert os.stat(made.repo.parent).st_mode & 0o077 == 0, "nobody else looks in"


def test_what_the_loops_are_to_find_is_there(made: DemoLoops) -> None:
    assert git(made.repo, "grep", "-l", "-e", "TODO", "-e", "FIXME") == "words.py"
    assert git(made.repo, "grep", "-l", "-E", r"[[:blank:]]+$") == "notes/setup.txt"
    assert git(made.repo, "branch", "--list", "--merged", "main", "old-parser")
    written = git(made.repo, "log", "-1", "--format=%H", "--", "CHANGELOG.md")
    assert len(git(made.repo, "log", "--format=%s", f"{written}..HEAD").splitlines()) == 4
    compile((made.repo / "words.py").read_text(), "words.py", "exec")


def test_there_is_one_loop_at_each_level_and_the_third_is_raised_through_a_drill(made: DemoLoops) -> None:
    specs = {spec.name: spec for spec in made.loops}
    assert {name: spec.level for name, spec in specs.items()} == {
        "demo-tidy": "L2",
        "demo-triage": "L1",
        "demo-changelog": "L2",
    }
    tidy = specs[made.promoted]
    drill = levels.drill(tidy)
    assert drill.passed, drill.checks
    row = LoopRow("l1", tidy.name, level="L2", drilled=drill.digest)
    assert levels.missing(levels.may_promote(tidy, row, "L3", time.time_ns() // 1000)) == ""
    for spec in made.loops:
        parse(spec.schedule, name=spec.name, fast=True)
        with pytest.raises(ScheduleError):
            parse(spec.schedule, name=spec.name)
        assert spec.models["maker"].api == spec.models["checker"].api == "stand-in"
        assert 0 < spec.budget.tokens < spec.budget.day_tokens
        assert "shell_exec" not in spec.maker.tools


def test_without_git_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(loops.child, "PATH", str(tmp_path))
    with pytest.raises(SetupError, match="needs git"):
        loops.prepare()


def test_repositories_of_removed_loops_go_after_a_day_and_no_other_folder_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops.tempfile, "tempdir", str(tmp_path))
    repo = loops.prepare().repo
    own = tmp_path / "own" / "words"
    own.mkdir(parents=True)
    row = LoopRow("l1", "demo-tidy", workspace=str(repo), source=loops.SOURCE, state="removed", added=0)
    rows = [
        replace(row, state="active"),
        replace(row, source="/somewhere/loop.toml"),
        replace(row, added=10 * DAY * 1_000_000),
        replace(row, workspace=str(own)),
    ]
    assert loops.cleanup_old(rows, now=10.5 * DAY) == 0
    assert repo.exists()
    assert own.exists()
    assert loops.cleanup_old([row], now=10.5 * DAY) == 1
    assert not repo.parent.exists()
    assert loops.cleanup_old([row], now=10.5 * DAY) == 0


@pytest.mark.parametrize(
    ("request_", "loop", "may"),
    [
        ({}, {}, True),
        ({"kind": "action"}, {}, False),
        ({"kind": "in_doubt"}, {}, False),
        ({"change": None}, {}, False),
        ({"edited": "op"}, {}, False),
        ({}, {"source": "/somewhere/loop.toml"}, False),
        ({}, {"workspace": "/srv/site"}, False),
        ({}, None, False),
    ],
    ids=["own", "action", "in doubt", "no change", "edited", "operator's loop", "other repository", "unknown loop"],
)
def test_yes_approves_the_demos_own_changes_alone(
    request_: dict[str, object], loop: dict[str, str] | None, may: bool
) -> None:
    change = Change("b", "main", "loops/x-1", "c", "t", "d", ("CHANGELOG.md",))
    asked = replace(ApprovalRow("A-1", "l1/1", "l1/1", kind="change", change=change), **request_)
    row = None if loop is None else replace(LoopRow("l1", "x", workspace="/repo", source=loops.SOURCE), **loop)
    assert may_approve_change(asked, row, Path("/repo")) is may
