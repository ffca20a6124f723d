"""Loop files: what is right is pinned whole, and a change of anything shows."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from harness_tui.cli.rehearse import rehearsal
from harness_tui.config import loop_rules
from harness_tui.config.loop_rules import READERS, WRITERS
from harness_tui.config.loopfile import MAX_BYTES, source_state
from harness_tui.config.paths import Paths
from harness_tui.domain.errors import UsageError
from harness_tui.domain.loop.spec import CHANGE_LIFE, LOOP_TOKENS, Caps, LoopSpec, digest
from harness_tui.domain.task import BUILT_IN_TOOLS, Budget, Guardrails, ModelSpec, SandboxTable

from .files import MODEL, SMALL, WHOLE, load, refused, repository, written


def test_a_whole_loop_file_is_pinned(repo: Path) -> None:
    loaded = load(written(repo, WHOLE))
    spec = loaded.spec
    assert loaded.source == str(repo / "l.toml")
    assert (spec.name, spec.intent, spec.level) == ("nightly", "Keep the log short.", "L2")
    assert (spec.schedule, spec.zone, spec.overlap) == ("30 2 * * mon-fri", "Europe/Berlin", "queue")
    assert (spec.missed, spec.missed_limit, spec.pause_after) == ("all", 5, 4)
    assert spec.approval_life == 36 * 3600.0
    assert spec.budget == Caps(100_000, 0.5, 400_000, 2)
    assert spec.workspace == str(repo)
    assert spec.maker.prompt == "Shorten\n[it]."
    assert spec.maker.tools == ("read_file", "edit_file")
    assert spec.maker.guardrails == Guardrails(max_iterations=7)
    assert spec.maker.budget == Budget(tokens=100_000, usd=0.5)
    assert spec.maker.sandbox == SandboxTable(kind="worktree")
    assert spec.models == {"maker": ModelSpec("", "big"), "checker": MODEL}
    assert spec.checker is not None
    assert spec.checker.tools == READERS
    assert spec.checker.guardrails == Guardrails(max_iterations=9)
    assert spec.checker.sandbox == spec.maker.sandbox
    assert (spec.action.kind, spec.action.do, spec.action.branch) == ("shorten", "commit", "short")
    assert spec.gate.paths == ("docs/**", "log.md")
    assert spec.accept is not None
    assert spec.accept.argv == ("make", "test")
    assert spec.promote.days == 3.5
    assert spec.pattern == ""


def test_the_smallest_loop_file_only_looks(tmp_path: Path) -> None:
    spec = load(written(tmp_path, SMALL)).spec
    assert (spec.level, spec.schedule, spec.zone, spec.checker) == ("L1", "", "Europe/Vienna", None)
    assert spec.maker.tools == READERS
    assert spec.maker.sandbox.kind == "auto"  # nothing is written, so no checkout is needed
    assert spec.maker.budget.tokens == LOOP_TOKENS
    assert (spec.action.kind, spec.action.do) == ("report", "report")
    assert spec.approval_life == CHANGE_LIFE
    assert not spec.changes


def test_a_maker_at_l2_may_write_in_a_worktree(repo: Path) -> None:
    spec = load(written(repo, SMALL.replace("[maker]", 'level = "L2"\n[maker]'))).spec
    assert spec.maker.tools == (*READERS, *WRITERS)
    assert spec.maker.sandbox.kind == "worktree"


def test_readers_are_exactly_the_built_in_tools_that_only_read(home: Paths, tmp_path: Path) -> None:
    """What counts as reading here is what the tools themselves say, by which L1 offers them."""
    with rehearsal() as trial:
        risks = {name: spec.risk for name, spec in trial.specs(str(tmp_path)).items()}
    readers = {name for name, risk in risks.items() if risk == "read_only" and name in BUILT_IN_TOOLS}
    assert readers >= set(READERS)
    assert readers == loop_rules._LOOKING.intersection(risks)
    assert not loop_rules._LOOKING.intersection(WRITERS)


def test_a_kind_that_is_not_said_is_what_it_does(repo: Path) -> None:
    spec = load(written(repo, WHOLE.replace('kind = "shorten"\n', "").replace('["shorten"]', '["commit"]'))).spec
    assert spec.action.kind == "commit"


def test_the_configured_run_budget_holds_for_what_the_loop_does_not_say(tmp_path: Path) -> None:
    usual = Budget(5_000, 1.0, 700, 0.1)
    said = load(written(tmp_path, SMALL + "[budget]\nusd = 0.2\n"), budget=usual).spec
    assert said.maker.budget == Budget(LOOP_TOKENS, 0.2, 700, 0.1)
    unsaid = load(written(tmp_path, SMALL), budget=usual).spec
    assert unsaid.maker.budget == Budget(LOOP_TOKENS, 1.0, 700, 0.1)


def test_workspaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    beside = written(tmp_path, SMALL.replace("[maker]", 'workspace = "site"\n[maker]'))
    assert load(beside).spec.workspace == str(tmp_path / "site")
    assert load(written(tmp_path, SMALL), workspace=tmp_path / "site").spec.workspace == str(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    assert load(written(tmp_path, SMALL), workspace=None).spec.workspace == str(tmp_path / "site")
    (tmp_path / "link").symlink_to("site")
    linked = written(tmp_path, SMALL.replace("[maker]", f'workspace = "{tmp_path}/link"\n[maker]'))
    assert load(linked).spec.workspace == str(tmp_path / "site")


def test_a_relative_path_is_made_absolute(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(repo, SMALL)
    monkeypatch.chdir(repo)
    assert load(Path("l.toml"), workspace=None).source == str(repo / "l.toml")


def test_windows_line_ends_and_a_byte_order_mark_are_read(repo: Path) -> None:
    plain = load(written(repo, WHOLE)).spec
    (repo / "l.toml").write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert load(repo / "l.toml").spec == plain


# -- task files ------------------------------------------------------------------------------------------------------

TASKED = 'name = "t"\nintent = "x"\nlevel = "L1"\n[maker]\ntask = "tasks/look.toml"\n'


def test_a_task_file_is_inlined(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "look.toml").write_text(
        'prompt = "Look."\ntools = ["glob"]\nlevel = "L3"\n[budget]\ntokens = 9\n[model]\nmodel = "m"\n'
    )
    spec = load(written(tmp_path, TASKED)).spec
    assert (spec.maker.prompt, spec.maker.tools, spec.maker.level) == ("Look.", ("glob",), "L1")
    assert spec.maker.budget.tokens == 9
    assert spec.models == {"maker": ModelSpec("", "m")}


def test_what_is_wrong_with_a_task_file_is_said_with_its_own_line(tmp_path: Path) -> None:
    missing = 'l.toml:5: there is no task file "tasks/look.toml" beside the loop file.'
    assert refused(tmp_path, TASKED) == missing
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "look.toml").write_text('prompt = "x"\n\ntols = []\n')
    assert refused(tmp_path, TASKED) == 'tasks/look.toml:3: unknown key "tols"; did you mean "tools"?'
    (tmp_path / "tasks" / "look.toml").write_text('prompt = "x"\ntools = ["glob"]\n[sandbox]\nkind = "none"\n')
    shared = "l.toml:5: the task file of [maker] has a [sandbox]: maker and checker share that of the loop file."
    assert refused(tmp_path, TASKED) == shared
    (tmp_path / "tasks" / "look.toml").write_text('prompt = "x"\ntools = ["write_file"]\n')
    offered = 'l.toml:4: none of the "tools" in [maker] only reads, and a maker at L1 is offered no other.'
    assert refused(tmp_path, TASKED) == offered


# -- pinned ----------------------------------------------------------------------------------------------------------


def test_a_pinned_spec_survives_the_journal(repo: Path) -> None:
    spec = load(written(repo, WHOLE)).spec
    again = msgspec.json.decode(msgspec.json.encode(spec), type=LoopSpec)
    assert again == spec
    assert digest(again) == digest(spec)


OTHER = {
    'name = "nightly"': 'name = "daily"',
    'intent = "Keep the log short."': 'intent = "Keep it."',
    'schedule = "30 2 * * mon-fri"': 'schedule = "31 2 * * mon-fri"',
    'zone = "Europe/Berlin"': 'zone = "Europe/Rome"',
    'overlap = "queue"': 'overlap = "cancel"',
    'missed = "all"': 'missed = "one"',
    "missed_limit = 5": "missed_limit = 6",
    "pause_after = 4": "pause_after = 0",
    'approval_life = "36h"': 'approval_life = "37h"',
    "tokens = 100_000": "tokens = 100_001",
    "usd = 0.5": "usd = 0.6",
    "day_tokens = 400_000": "day_tokens = 0",
    "day_usd = 2": "day_usd = 3",
    "max_iterations = 9": "max_iterations = 8",
    "prompt = '''": "prompt = '''Now",
    "tools = [": 'tools = ["glob",',
    "max_iterations = 7": "max_iterations = 6",
    'model = { model = "big", temperature = 0 }': 'model = { model = "small" }',
    'prompt = "Look."': 'prompt = "See."',
    'branch = "short"': 'branch = "shorter"',
    'use = "allowlist"': 'use = "gates:mine"',
    'kinds = ["shorten"]': 'kinds = ["shorten", "other"]',
    'paths = ["docs/**", "log.md"]': 'paths = ["docs/**"]',
    'deny_paths = ["docs/api/**"]': "deny_paths = []",
    "max_files = 3": "max_files = 4",
    "max_lines = 40": "max_lines = 41",
    'argv = ["make", "test"]': 'argv = ["make", "check"]',
    "deadline = 90": "deadline = 91",
    "rounds = 5": "rounds = 6",
    "verified = 0.8": "verified = 0.9",
    "approved = 2": "approved = 3",
    "max_bad = 1": "max_bad = 2",
    "days = 3.5": "days = 4",
    "network = false": "network = true",
}
TOGETHER = {
    'level = "L2"',
    'kind = "shorten"',
    'do = "commit"',
    'kind = "worktree"',
}
"""Lines that can only change together with others."""


def test_every_line_of_the_file_has_another_value_to_try() -> None:
    lines = {line for line in WHOLE.splitlines() if " = " in line}
    assert lines == set(OTHER) | TOGETHER


@pytest.mark.parametrize("line", OTHER)
def test_the_digest_changes_with_every_value(repo: Path, line: str) -> None:
    before = load(written(repo, WHOLE))
    after = load(written(repo, WHOLE.replace(f"{line}\n", f"{OTHER[line]}\n", 1)))
    assert digest(after.spec) != digest(before.spec)
    assert after.source_digest != before.source_digest


def test_the_digest_changes_with_level_kind_and_action(repo: Path) -> None:
    texts = [
        WHOLE,
        WHOLE.replace('do = "commit"\nbranch = "short"', 'do = "patch"'),
        WHOLE.replace('"shorten"', '"cut"'),
        SMALL,
        SMALL.replace("[maker]", 'level = "L2"\n[maker]'),
    ]
    assert len({digest(load(written(repo, text)).spec) for text in texts}) == len(texts)


def test_the_source_is_compared_with_what_was_pinned(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    task = tmp_path / "tasks" / "look.toml"
    task.write_text('prompt = "Look."\ntools = ["glob"]\n')
    path = written(tmp_path, TASKED)
    _, source, pinned = load(path)
    assert source_state(source, pinned) == "same"
    task.write_text('prompt = "Look!"\ntools = ["glob"]\n')
    assert source_state(source, pinned) == "changed"
    task.unlink()
    assert source_state(source, pinned) == "changed"
    task.write_text('prompt = "Look."\ntools = ["glob"]\n')
    assert source_state(source, pinned) == "same"
    path.write_text(TASKED + "\n")
    assert source_state(source, pinned) == "changed"
    path.write_text('task = "not TOML')
    assert source_state(source, pinned) == "changed"
    path.write_bytes(b"task\xff\0")
    assert source_state(source, pinned) == "changed"
    path.write_text('maker = 3\nchecker = ["task"]\n')
    assert source_state(source, pinned) == "changed"
    path.unlink()
    assert source_state(source, pinned) == "missing"
    path.mkdir()
    assert source_state(source, pinned) == "missing"
    assert source_state("a\0b", pinned) == "missing"
    assert source_state("pattern:daily_triage", "whatever") == "same"


def test_bytes_cannot_move_between_files(tmp_path: Path) -> None:
    """The same bytes, cut in another place, are another source."""
    (tmp_path / "tasks").mkdir()
    task = tmp_path / "tasks" / "look.toml"
    task.write_text('#x\nprompt = "Look."\ntools = ["glob"]\n')
    one = load(written(tmp_path, TASKED)).source_digest
    task.write_text('prompt = "Look."\ntools = ["glob"]\n')
    assert load(written(tmp_path, TASKED + "#x\n")).source_digest != one


# -- places ----------------------------------------------------------------------------------------------------------


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no loop file"):
        load(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="Cannot read"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="Cannot read"):
        load(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="larger than 256 KiB"):
        load(tmp_path / "big")
    with pytest.raises(UsageError, match=r"There is no loop file .*\\x1b"):
        load(tmp_path / "\x1b[31mred")


def test_a_loop_that_changes_files_needs_a_checkout_with_a_commit(tmp_path: Path) -> None:
    no_checkout = "HERE is no git checkout, and the maker works in a worktree of one: `git init` it first."
    assert refused(tmp_path, WHOLE) == f"l.toml:60: {no_checkout}"
    (tmp_path / ".git").mkdir()
    assert "is no git checkout" in refused(tmp_path, WHOLE)
    (tmp_path / ".git").rmdir()
    from .files import git

    git(tmp_path, "init", "--quiet")
    no_commit = "HERE has no commit yet, and the maker works in a worktree of the newest one: make one first."
    assert refused(tmp_path, WHOLE) == f"l.toml:60: {no_commit}"
    (tmp_path / "repo").mkdir()
    repository(tmp_path / "repo")
    there = WHOLE.replace('level = "L2"', 'level = "L2"\nworkspace = "repo"')
    assert load(written(tmp_path, there)).spec.workspace == str(tmp_path / "repo")
    nowhere = there.replace('"repo"', '"rope"')
    assert refused(tmp_path, nowhere) == 'l.toml:5: "workspace": there is no directory "rope".'


def test_models_are_asked_last_and_once(repo: Path) -> None:
    asked = []

    def models(tables: object) -> dict[str, ModelSpec]:
        asked.append(tables)
        return {"maker": MODEL, "checker": MODEL}

    with pytest.raises(UsageError):
        load(written(repo, WHOLE.replace("36h", "36 hours")), models=models)
    assert not asked
    load(written(repo, WHOLE), models=models)
    assert len(asked) == 1
