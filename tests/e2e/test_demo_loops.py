"""Loops as an operator has them: by shell, on real git, with the stand-in as maker and checker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness_tui.clients.read import reading
from harness_tui.config.paths import Paths
from harness_tui.demo import loops
from harness_tui.domain.events import MessageAdded
from harness_tui.domain.loop.rows import RoundRow
from harness_tui.domain.views import ApprovalRow
from tests.cli.program import PATIENCE, Running, run
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.timeout(4 * PATIENCE)

T = TypeVar("T")
FIELDS = {"demo", "repo", "loops", "approved", "commits", "exit", "error"}
STAND_IN = ("--api", "stand-in", "--model", "stand-in")


def git(repo: str | Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=repo, check=True, capture_output=True, text=True).stdout.strip()


def until(what: Callable[[], T | None]) -> T:
    """What it answers once that is not nothing."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
    return found


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repositories of demos lie below the test's own folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(loops.tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def stopped(home: Paths) -> Iterator[None]:
    """No engine is left behind."""
    yield
    run(home, "engine", "stop", "--now")


@pytest.fixture
def demo(home: Paths, stopped: None) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*words: str) -> Running:
        started.append(Running.start(home, "demo", "loops", "--headless", *words))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()


def test_yes_lands_a_commit_at_l2_and_one_at_l3(home: Paths) -> None:
    done = run(home, "demo", "loops", "--headless", "--yes")
    assert done.code == 0, done.err
    told = done.json
    assert set(told) == FIELDS
    found = {each["name"]: each for each in told["loops"]}
    assert {name: each["level"] for name, each in found.items()} == {
        "demo-triage": "L1",
        "demo-changelog": "L2",
        "demo-tidy": "L3",
    }
    assert "proceeded" in found["demo-tidy"]["outcomes"]
    assert "escalated" in found["demo-changelog"]["outcomes"]
    assert found["demo-triage"]["outcomes"][:1] in ([], ["reported"])
    assert len(told["approved"]) == 1
    log = [line.split(" ", 1) for line in git(told["repo"], "log", "--reverse", "--format=%H %s", "main").splitlines()]
    assert [[each["sha"], each["subject"]] for each in told["commits"]] == log[6:]
    assert git(told["repo"], "status", "--porcelain") == ""
    tidied, drafted = (each["sha"] for each in told["commits"])
    assert git(told["repo"], "show", "--format=", "--name-only", tidied) == "notes/setup.txt"
    assert git(told["repo"], "show", "--format=", "--name-only", drafted) == "CHANGELOG.md"
    assert "- Add a count of lines" in Path(told["repo"], "CHANGELOG.md").read_text()
    assert run(home, "loop", "list", "--output-format", "json").json == [], "they are off the schedule"
    decided = {
        each["id"]: each["state"] for each in run(home, "approvals", "list", "--all", "--output-format", "json").json
    }
    assert decided.pop(told["approved"][0]) == "done"
    assert set(decided.values()) <= {"pushed_back"}, "on a slow machine the base may have moved first"
    assert run(home, "doctor").code == 0, "the journal is whole"


def test_another_shell_decides_and_a_denial_ends_it(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    approval, digest = running.asked()
    repo = running.told(r"three loops work on (\S+)")[1]
    assert run(home, "approvals", "deny", approval, "--digest", digest, "--reason", "not now").code == 0
    done = running.end()
    assert (done.code, done.json["exit"]) == (4, 4), done.err
    assert f"{approval} was denied by" in done.json["error"]
    assert done.json["approved"] == []
    assert (Path(repo) / "CHANGELOG.md").read_text().count("Unreleased") == 0
    assert run(home, "loop", "list", "--output-format", "json").json == []


def test_no_wait_leaves_the_change_which_lands_days_later_as_it_was_shown(
    home: Paths, demo: Callable[..., Running]
) -> None:
    done = demo("--no-wait").end()
    assert done.code == 4, done.err
    (waiting,) = run(home, "approvals", "list", "--output-format", "json").json
    assert waiting["summary"] == "draft: CHANGELOG.md +12 -0"
    repo = done.json["repo"]
    before = git(repo, "rev-parse", "main")
    assert run(home, "engine", "start").code == 0
    assert run(home, "loop", "list", "--output-format", "json").json == [], "nothing fires any more"
    with reading(home) as source:
        (asked,) = source.approvals()
        assert asked.change is not None
        shown = source.blob(asked.change.diff).decode()
    done = run(home, "approvals", "approve", waiting["id"], "--digest", waiting["digest"][:12])
    assert done.code == 0, done.err
    after = until(lambda: (now := git(repo, "rev-parse", "main")) != before and now)
    assert git(repo, "diff", "--binary", "--full-index", before, str(after)) == shown.strip()


def test_an_interrupt_takes_its_loops_off_the_schedule(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    running.told("demo-tidy is at L3")
    running.send(signal.SIGINT)
    assert running.end().code == 130
    assert run(home, "loop", "list", "--output-format", "json").json == []


def test_a_loop_that_somebody_removes_ends_the_demo(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    running.told("demo-tidy is at L3")
    assert run(home, "loop", "remove", "demo-triage").code == 0
    done = running.end()
    assert (done.code, "demo-triage was removed by" in done.json["error"]) == (1, True), done.out
    assert run(home, "loop", "list", "--output-format", "json").json == []


def test_without_an_enforced_sandbox_l3_does_nothing_and_it_says_so(home: Paths) -> None:
    """On a machine without bubblewrap: L2 is as it was, a person decides there."""
    code = """if True:
        import sys
        from harness_tui.sandbox import bubblewrap
        bubblewrap.PLACES, bubblewrap.program.__defaults__ = (), ((),)
        bubblewrap.Bubblewrap.__init__.__kwdefaults__["places"] = ()
        from harness_tui.cli.main import main
        sys.argv = ["harness-tui", "demo", "loops", "--headless", "--yes"]
        main()
    """
    env = {**os.environ, "HARNESS_TUI_HOME": str(home.home)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 6, done.stderr
    told = json.loads(done.stdout)
    assert "Nothing was done at L3" in told["error"]
    assert "bubblewrap is not installed" in told["error"]
    assert len(told["approved"]) == 1
    assert [each["subject"].partition(":")[0] for each in told["commits"]] == ["demo-changelog"]


def test_stages_are_not_for_loops(home: Paths) -> None:
    done = run(home, "demo", "loops", "--headless", "--stage", "1")
    assert (done.code, "no stages" in done.json["error"]) == (2, True)


# -- at a terminal ------------------------------------------------------------------------------------------------


def terminal(home: Paths, *words: str) -> Terminal:
    return Terminal(
        sys.executable, "-m", "harness_tui", *words, cols=120, rows=40, env={"HARNESS_TUI_HOME": str(home.home)}
    )


def test_at_a_terminal_it_begins_in_pane_7_and_ends_with_the_console(home: Paths, stopped: None) -> None:
    with terminal(home, "demo", "loops") as screen:
        for name in ("demo-changelog", "demo-tidy", "demo-triage"):
            screen.wait_for(name)
        screen.wait_for("r run now")
        screen.send("q")
        assert screen.wait_end() == 0
        assert b"demo: its loops are removed" in screen.output
    assert run(home, "loop", "list", "--output-format", "json").json == []


def entered(screen: Terminal) -> bool:
    """Enter, on its own: what is pasted starts nothing, and a busy console may take two keys for a paste."""
    for seconds in (0.5, 0.5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            screen.pump()
        if ":demo loops_" not in screen.text:
            return True
        screen.send("\r")
    return False


def test_a_console_starts_it_too_and_again_in_place_of_the_old_one(home: Paths, stopped: None) -> None:
    def three(besides: set[str]) -> list[tuple[str, str, str]] | None:
        with reading(home) as source:
            found = [(row.id, row.name, row.level) for row in source.loops()]
        fresh = len(found) == 3 and {"L1", "L2", "L3"} == {level for *_, level in found}
        return found if fresh and not besides & {ident for ident, *_ in found} else None

    seen: set[str] = set()
    with terminal(home) as screen:
        screen.wait_for("No runs yet")
        for _ in range(2):
            screen.send(":demo loops")
            screen.wait_for(":demo loops_")
            until(lambda: entered(screen))
            found = until(partial(three, seen))
            seen |= {ident for ident, *_ in found}
        screen.send("q")
        assert screen.wait_end() == 0
    assert [rest for _, *rest in found] == [["demo-changelog", "L2"], ["demo-tidy", "L3"], ["demo-triage", "L1"]]
    assert len(seen) == 6


# -- patterns -----------------------------------------------------------------------------------------------------


class Loop:
    """A pattern on a fresh repository, added by shell."""

    def __init__(self, home: Paths, pattern: str, *words: str) -> None:
        self.home, self.name, self.repo = home, pattern, loops.prepare().repo
        given = ("--pattern", pattern, "--workspace", str(self.repo), *STAND_IN, *words)
        self.say("loop", "add", *given)

    def say(self, *words: str) -> None:
        done = run(self.home, *words)
        assert done.code == 0, done.err

    def run(self, number: int) -> RoundRow:
        self.say("loop", "run", self.name)
        return self.ended(number)

    def ended(self, number: int) -> RoundRow:
        with reading(self.home) as source:
            return until(lambda: next((r for r in source.rounds("l1") if r.number == number and r.ended), None))

    def asked(self) -> tuple[ApprovalRow, str]:
        """What waits, and its diff as it is shown."""
        with reading(self.home) as source:
            row = until(lambda: next(iter(source.approvals()), None))
            assert row.change is not None
            return row, source.blob(row.change.diff).decode()

    def decide(self, verb: str, row: ApprovalRow, *words: str) -> None:
        self.say("approvals", verb, row.id, "--digest", row.digest[:12], *words)

    def told(self, round: RoundRow) -> str:
        """The maker's prompt."""
        with reading(self.home) as source:
            events = [each.event for each in source.events(round.maker)]
        return next(e.message.text for e in events if isinstance(e, MessageAdded) and e.source == "task")

    def approve(self) -> str:
        """Approve what waits, and check that what landed is exactly what was shown; its commit."""
        row, shown = self.asked()
        before = git(self.repo, "rev-parse", "main")
        assert not git(self.repo, "status", "--porcelain")
        self.decide("approve", row)
        after = str(until(lambda: (now := git(self.repo, "rev-parse", "main")) != before and now))
        assert row.change is not None
        assert (after, git(self.repo, "rev-parse", f"{after}~1")) == (row.change.commit, before)
        assert git(self.repo, "diff", "--binary", "--full-index", before, after) == shown.strip()
        until(lambda: not git(self.repo, "status", "--porcelain"))
        return after


@pytest.mark.parametrize(
    ("pattern", "there"), [("changelog_drafter", "- Add a count of lines ("), ("post_merge_cleanup", "- words.py:7 ")]
)
def test_a_pattern_reports_from_the_real_log_and_names_the_stand_in(
    home: Paths, stopped: None, pattern: str, there: str
) -> None:
    loop = Loop(home, pattern)
    done = loop.run(1)
    assert (done.outcome, done.verdict, done.level) == ("reported", "clean", "L1"), done.report
    assert "stand-in (stand-in)" in done.report
    assert "Written by a scripted stand-in, not by a model." in done.report
    assert there in done.report
    assert git(loop.repo, "rev-parse", "--short=7", "HEAD") in done.report
    shown: Any = run(home, "loop", "show", pattern, "--round", "1", "--output-format", "json").json
    assert shown["report"] == done.report
    again = loop.run(2)
    assert (again.outcome, again.quiet) == ("reported", True), "the same again is no news"


@pytest.mark.parametrize(
    ("pattern", "path"), [("changelog_drafter", "CHANGELOG.md"), ("post_merge_cleanup", "notes/setup.txt")]
)
def test_at_l2_an_approved_change_is_the_commit_that_was_shown(
    home: Paths, stopped: None, pattern: str, path: str
) -> None:
    loop = Loop(home, pattern, "--level", "L2")
    done = loop.run(1)
    assert (done.outcome, done.verified) == ("escalated", True), done.report
    commit = loop.approve()
    assert git(loop.repo, "show", "--format=", "--name-only", commit) == path
    assert git(loop.repo, "show", "-s", "--format=%an", commit) == "harness-tui"
    again = loop.run(2)
    assert (again.outcome, again.quiet) == ("reported", True), again.report


def test_a_denial_is_read_by_the_next_maker_and_a_push_back_starts_a_round(home: Paths, stopped: None) -> None:
    loop = Loop(home, "changelog_drafter", "--level", "L2")
    loop.run(1)
    row, diff = loop.asked()
    assert "+- Add notes on setting up" in diff
    loop.decide("deny", row, "--reason", "we write it before a release")
    second = loop.run(2)
    assert "we write it before a release" in loop.told(second)
    assert (second.outcome, second.quiet) == ("reported", True), "it does not ask for the same again"
    (loop.repo / "words.py").write_text("print('new')\n")
    git(loop.repo, "-c", "user.name=Op", "-c", "user.email=op@example.org", "commit", "-qam", "Add a greeting")
    loop.run(3)
    row, diff = loop.asked()
    assert "+- Add a greeting" in diff
    loop.decide("pushback", row, "--reason", "leave out notes")
    fourth = loop.ended(4)
    assert (fourth.trigger, fourth.about, fourth.feedback) == ("push_back", "l1/3", "leave out notes")
    told = loop.told(fourth)
    assert "leave out notes" in told
    assert "+- Add notes on setting up" in told, "it is shown the change it is about"
    assert "notes" not in loop.asked()[1]
    loop.approve()
    written = (loop.repo / "CHANGELOG.md").read_text()
    assert "- Add a greeting (" in written
    assert "notes" not in written


def test_a_moved_base_is_told_and_a_push_back_proposes_on_the_new_one(home: Paths, stopped: None) -> None:
    loop = Loop(home, "changelog_drafter", "--level", "L2")
    loop.run(1)
    row, _ = loop.asked()
    git(loop.repo, "-c", "user.name=Op", "-c", "user.email=op@example.org", "commit", "-qm", "Fix it", "--allow-empty")
    refused = run(home, "approvals", "approve", row.id, "--digest", row.digest[:12])
    assert refused.code == 4
    assert "main moved on by 1 commit" in refused.err
    loop.decide("pushback", row, "--reason", "the base moved")
    assert loop.ended(2).outcome == "escalated"
    commit = loop.approve()
    assert "+- Fix it (" in git(loop.repo, "show", commit)


def test_git_of_the_repository_runs_nothing_of_its_own(home: Paths, stopped: None, tmp_path: Path) -> None:
    """Hooks that somebody left in the workspace betray themselves."""
    loop = Loop(home, "changelog_drafter", "--level", "L2")
    for name in ("pre-commit", "post-commit", "reference-transaction", "post-checkout", "post-merge", "post-rewrite"):
        hook = loop.repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/betrayed\n")
        os.chmod(hook, 0o755)
    loop.run(1)
    loop.approve()
    assert not (tmp_path / "betrayed").exists()
