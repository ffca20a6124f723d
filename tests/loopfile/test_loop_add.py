"""`loop add`: what it asks for, hands over and prints, with a real engine; two patterns from their log to their end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness_tui.cli import loop_add
from harness_tui.cli.output import Format
from harness_tui.clients.read import ReadClient, reading
from harness_tui.config.paths import Paths
from harness_tui.config.settings import load_settings
from harness_tui.daemon.spawn import stop_running
from harness_tui.domain.errors import LinkLost, UsageError
from harness_tui.domain.loop.rows import RoundRow
from harness_tui.domain.loop.spec import LoopSpec
from harness_tui.domain.task import ModelSpec, ModelTable, TaskFile
from harness_tui.port.commands import Decide, RunLoop
from tests.e2e.shell import call, model_server, say

from .files import SMALL, git, written

PATIENCE = 100.0


@pytest.fixture
def engine(home: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """A home whose engine, once one is started, ends with the test. A slow machine may take its time to start it."""
    from harness_tui.daemon import spawn

    started = spawn.start_detached
    monkeypatch.setattr(spawn, "start_detached", lambda paths: started(paths, timeout=PATIENCE))
    yield home
    try:
        stop_running(home, now=True)
    except LinkLost:
        pass


# -- what is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Give either a loop FILE or --pattern NAME. Patterns: changelog_drafter, ci_sweeper, "),
        ({"file": Path("x"), "pattern": "daily_triage"}, "Give either a loop FILE or --pattern NAME."),
        ({"file": Path("x"), "level": "L2"}, '--level is for --pattern. Write level = "L2" into the loop file.'),
        ({"file": Path("x"), "name": "y"}, '--name is for --pattern. Write name = "y" into the loop file.'),
        ({"printed": True}, "--print shows a pattern. Name it: --pattern NAME"),
        ({"file": Path("x"), "printed": True}, "--print shows a pattern."),
        ({"pattern": "ci_sweep"}, "There is no pattern ci_sweep. Did you mean ci_sweeper?"),
        ({"pattern": "ci_sweep", "printed": True}, "There is no pattern ci_sweep. Did you mean ci_sweeper?"),
        ({"file": Path("/nonexistent.toml")}, "There is no loop file /nonexistent.toml. Check the path"),
    ],
)
def test_what_makes_no_sense_starts_nothing(home: Paths, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        loop_add.add(**given)
    assert str(caught.value).startswith(sentence)
    assert not home.lock.exists()


def test_a_key_that_is_nowhere_is_told(
    engine: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    table = '[maker.model]\napi = "stand-in"\nmodel = "scripted"\nkey = "env:NO_SUCH_KEY"\n'
    loop_add.add(written(tmp_path, SMALL + table))
    said = "NO_SUCH_KEY is not set and not kept, and no round can run without: harness-tui key set NO_SUCH_KEY\n"
    assert capsys.readouterr().err == said


def test_a_pattern_is_printed_as_it_would_be_added(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    loop_add.add(pattern="changelog_drafter", level="L2", name="log", workspace=tmp_path, printed=True)
    text = capsys.readouterr().out
    assert '\nname = "log"\n' in text and '\ndo = "commit" # L2\n' in text and f'\nworkspace = "{tmp_path}"\n' in text
    loop_add.add(pattern="changelog_drafter", printed=True, output_format=Format.json)
    document = json.loads(capsys.readouterr().out)
    assert document["exit"] == 0 and '\nname = "changelog_drafter"\n' in document["toml"]


# -- models -----------------------------------------------------------------------------------------------------------


def settled(home: Paths, config: str, tables: dict[str, ModelTable | None], **flags: str) -> dict[str, ModelSpec]:
    home.ensure()
    home.config.write_text(config)
    home.config.chmod(0o600)
    return loop_add.settled(load_settings(home), tables, **flags)


CONFIG = '[model]\nurl = "http://127.0.0.1:9/v1"\nmodel = "big"\n'


def test_a_checker_is_the_configured_judge_or_what_the_maker_is(home: Paths) -> None:
    both: dict[str, ModelTable | None] = {"maker": None, "checker": None}
    alone = settled(home, CONFIG, both)
    assert {role: spec.model for role, spec in alone.items()} == {"maker": "big", "checker": "big"}
    more = f'{CONFIG}[models.judge]\nmodel = "strict"\n[models.compactor]\nmodel = "small"\n'
    judged = settled(home, more, both)
    assert {role: spec.model for role, spec in judged.items()} == {
        "maker": "big",
        "checker": "strict",
        "compactor": "small",
    }
    own = settled(home, more, {"maker": None, "checker": ModelTable(model="mine")})
    assert own["checker"].model == "mine"
    assert "checker" not in settled(home, more, {"maker": ModelTable(model="m")})
    flagged = settled(home, more, both, model="flag")
    assert (flagged["maker"].model, flagged["checker"].model) == ("flag", "strict")


# -- times ------------------------------------------------------------------------------------------------------------


def spec(schedule: str, zone: str = "Europe/Berlin") -> LoopSpec:
    task = TaskFile("x", tools=())
    return LoopSpec("small", "x", task, {"maker": ModelSpec("stand-in", "m")}, "/w", schedule=schedule, zone=zone)


def test_the_next_fire_is_told_in_the_loops_zone() -> None:
    now = datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp()
    assert loop_add.next_fire(spec("daily 09:00"), now) == "2026-03-29T09:00:00+02:00"
    assert loop_add.next_fire(spec("every 10m", "UTC"), now) == "2026-03-28T12:10:00+00:00"
    assert loop_add.next_fire(spec("every 5s", "UTC"), now, fast=True) == "2026-03-28T12:00:05+00:00"
    assert loop_add.next_fire(spec(""), now) is None


def test_one_line_says_what_is_next() -> None:
    said = {"text": "small is registered at L1.", "name": "small", "zone": "Europe/Berlin"}
    timed = {**said, "schedule": "daily 09:00", "next": "2026-03-29T09:00:00+02:00"}
    assert loop_add.sentence(timed) == (
        'small is registered at L1. "daily 09:00" (Europe/Berlin) fires first on 2026-03-29 09:00; '
        "a round now: harness-tui loop run small"
    )
    by_hand = "small is registered at L1. It has no schedule; a round now: harness-tui loop run small"
    assert loop_add.sentence({**said, "schedule": "", "next": None}) == by_hand


def test_the_zone_of_this_machine_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert loop_add.host_zone() == "Asia/Tokyo"
    for odd in ("EST5EDT4,M3.2.0,M11.1.0", "/etc/localtime", "nowhere"):
        monkeypatch.setenv("TZ", odd)
        assert loop_add.host_zone() not in ("", odd)
    monkeypatch.setattr(loop_add, "_zone_names", lambda: [])
    assert loop_add.host_zone() == "UTC"


# -- with an engine ---------------------------------------------------------------------------------------------------


def test_a_loop_is_registered_with_an_engine_that_stays(
    engine: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_KEY", "sk-something-long-enough")
    text = SMALL.replace("[maker]", 'schedule = "daily 09:00"\nzone = "UTC"\n[maker]')
    text += '[maker.model]\napi = "stand-in"\nmodel = "scripted"\nkey = "env:SMALL_KEY"\n'
    path = written(tmp_path, text)
    loop_add.add(path, workspace=tmp_path, output_format=Format.json)
    document = json.loads(capsys.readouterr().out)
    assert {key: document[key] for key in ("name", "level", "schedule", "zone", "workspace", "exit")} == {
        "name": "small",
        "level": "L1",
        "schedule": "daily 09:00",
        "zone": "UTC",
        "workspace": str(tmp_path),
        "exit": 0,
    }
    assert document["next"].endswith("T09:00:00+00:00")
    with reading(engine) as source:
        row = next(row for row in source.loops() if row.id == document["id"])
        pinned = source.loop("small").spec
    assert (row.source, row.digest, row.level) == (str(path), document["digest"], "L1")
    assert pinned.models["maker"].key == "env:SMALL_KEY"
    loop_add.add(path, workspace=tmp_path)
    came = capsys.readouterr()
    assert came.out.startswith("small is registered as it is: nothing has changed. ") and came.out.count("\n") == 1
    assert "SMALL_KEY comes from this shell" in came.err
    assert "sk-something" not in came.out + came.err
    journal = b"".join(each.read_bytes() for each in engine.home.glob("journal.db*"))
    assert b"sk-something" not in journal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose changelog ends one merge ago."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "user.name", "T")
    git(folder, "config", "user.email", "t@example.com")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 1.0\n\n- First.\n")
    (folder / "search.py").write_text("def by_name():\n    return 1\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "First release")
    git(folder, "switch", "--quiet", "--create", "tags")
    (folder / "search.py").write_text("def by_tag():\n    return 2\n\n\ndef unused():\n    return 0\n")
    git(folder, "commit", "--quiet", "--all", "-m", "Search by tag")
    git(folder, "switch", "--quiet", "main")
    git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge branch 'tags'", "tags")
    return folder


def git_read(ident: str, *words: str) -> list[bytes]:
    return call("shell_read", json.dumps({"program": "git", "args": words}), ident)


def verdict(ident: str) -> list[bytes]:
    return call("verdict", json.dumps({"verdict": "clean", "reasons": ["Each line is true."]}), ident)


def until(source: ReadClient, met: Callable[[RoundRow], bool]) -> RoundRow:
    """The newest round once it is so far; a bound, never a measure."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = source.rounds("l1", 1)
        if found and met(found[0]):
            return found[0]
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def tool_results(seen: Any) -> str:
    """What tools answered, of all that the model was sent."""
    return json.dumps(seen, default=lambda each: each.decode() if isinstance(each, bytes) else str(each))


def test_the_changelog_drafter_reports_at_l1(engine: Paths, project: Path) -> None:
    answers = (
        git_read("c1", "log", "-1", "--format=%H", "--", "CHANGELOG.md"),
        git_read("c2", "log", "--first-parent", "--format=%h%x09%an%x09%s", "HEAD~1..HEAD"),
        git_read("c3", "log", "--format=%h%x09%s", "HEAD^1..HEAD^2"),
        say("### Added\n- You can search by tag."),
        verdict("c4"),
        say("Done."),
    )
    with model_server(*answers) as server:
        flags = {"url": server.url, "api": "openai-chat", "model": "scripted"}
        loop_add.add(pattern="changelog_drafter", workspace=project, **flags)
        with reading(engine) as source:
            source.send(RunLoop("changelog_drafter", "t"))
            row = until(source, lambda each: bool(each.ended))
        sent = tool_results(server.seen)
    assert "Merge branch 'tags'" in sent and "Search by tag" in sent  # the real log
    assert (row.outcome, row.verdict, row.verified, row.change) == ("reported", "clean", True, None)
    assert "You can search by tag." in row.report
    assert git(project, "status", "--porcelain") == ""


def test_the_changelog_drafter_lands_a_commit_at_l2(engine: Paths, project: Path) -> None:
    edit = {
        "path": "CHANGELOG.md",
        "old_string": "## Unreleased\n",
        "new_string": "## Unreleased\n\n- Search by tag.\n",
    }
    read = json.dumps({"path": "CHANGELOG.md"})
    answers = (
        call("read_file", read, "c1"),
        call("edit_file", json.dumps(edit), "c2"),
        say("### Added\n- Search by tag."),
        verdict("c3"),
        say("Done."),
    )
    assert landed(engine, project, "changelog_drafter", answers) == ["CHANGELOG.md"]
    assert "- Search by tag." in (project / "CHANGELOG.md").read_text()


def test_the_post_merge_cleanup_lands_a_commit_at_l2(engine: Paths, project: Path) -> None:
    edit = {"path": "search.py", "old_string": "\n\ndef unused():\n    return 0\n", "new_string": ""}
    answers = (
        git_read("c1", "log", "--first-parent", "-10", "--format=%h%x09%cr%x09%s"),
        git_read("c2", "branch", "--list", "--merged", "HEAD", "-v"),
        git_read("c3", "grep", "-n", "-w", "unused"),
        call("read_file", json.dumps({"path": "search.py"}), "c4"),
        call("edit_file", json.dumps(edit), "c5"),
        say("Dead code\n- search.py: unused() had no caller; removed."),
        verdict("c6"),
        say("Done."),
    )
    assert landed(engine, project, "post_merge_cleanup", answers) == ["search.py"]
    assert "unused" not in (project / "search.py").read_text()


def test_the_post_merge_cleanup_is_quiet_when_there_is_nothing(engine: Paths, project: Path) -> None:
    with model_server(git_read("c1", "branch", "--list", "--merged", "HEAD", "-v"), say("NOTHING TO DO")) as server:
        flags = {"url": server.url, "api": "openai-chat", "model": "scripted"}
        loop_add.add(pattern="post_merge_cleanup", workspace=project, **flags)
        with reading(engine) as source:
            source.send(RunLoop("post_merge_cleanup", "t"))
            row = until(source, lambda each: bool(each.ended))
        assert "tags" in tool_results(server.seen)
    assert (row.outcome, row.quiet, row.checker) == ("reported", True, "")


def landed(engine: Paths, project: Path, pattern: str, answers: tuple[list[bytes], ...]) -> list[str]:
    """Run it at L2, approve its change, and answer the files of the commit that came of it."""
    before = git(project, "rev-parse", "HEAD")
    with model_server(*answers) as server:
        flags = {"url": server.url, "api": "openai-chat", "model": "scripted"}
        loop_add.add(pattern=pattern, level="L2", workspace=project, **flags)
        with reading(engine) as source:
            source.send(RunLoop(pattern, "t"))
            row = until(source, lambda each: bool(each.ended))
            assert (row.outcome, row.verified) == ("escalated", True), row
            assert git(project, "rev-parse", "HEAD") == before  # nothing without a decision
            asked = next(each for each in source.approvals() if each.id == row.approval)
            source.send(Decide(asked.id, asked.digest, "approved", "t"))
            row = until(source, lambda each: each.receipt is not None)
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "rev-list", "--count", f"{before.strip()}..HEAD").strip() == "1"
    return git(project, "show", "--name-only", "--format=", "HEAD").split()
