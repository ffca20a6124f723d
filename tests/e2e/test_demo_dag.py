"""`demo dag` as an operator has it: to its end by itself, decided elsewhere, refused, left, killed and resumed."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.cli import tours
from harness_tui.clients.read import reading
from harness_tui.config.paths import Paths
from harness_tui.demo import dag
from harness_tui.port.commands import StartDag
from tests.cli.program import PATIENCE, Done, Running, run
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.timeout(4 * PATIENCE)

JSON = ("--output-format", "json")
JOBS = ["notion", "airtable", "coda", "compare", "grist", "compare-all", *dag.PUBLISHING]
OF_RUN = {"run", "state", "answer", "claim", "verified", "reason", "stopped_by", "attempts", "iterations", "tools"}
FIELDS = OF_RUN | {"tokens", "usd", "exit", "error", "demo", "jobs", "goal", "replans", "reused", "folder", "published"}


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of demos lie below the test's own, and the stand-in takes no time."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HARNESS_TUI_STAND_IN_PACE", "0")


@pytest.fixture
def stopped(home: Paths) -> Iterator[None]:
    """No engine is left behind."""
    yield
    run(home, "engine", "stop", "--now")


@pytest.fixture
def demo(home: Paths, stopped: None) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*words: str) -> Running:
        started.append(Running.start(home, "demo", "dag", "--headless", *words))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()


def next_asked(running: Running, before: str) -> tuple[str, str]:
    """The request after `before`: (id, digest)."""
    number = int(before.partition("-")[2]) + 1
    found = running.told(rf"decide with: harness-tui approvals approve (A-{number}) --digest (\w+)")
    return found[1], found[2]


def decided(home: Paths, verb: str, approval: str, digest: str, *words: str) -> None:
    done = run(home, "approvals", verb, approval, "--digest", digest, *words)
    assert done.code == 0, done.err


def whole(done: Done) -> dict[str, Any]:
    """The document of a demo that came to its end as it is meant to."""
    assert done.code == 0, done.err
    told: dict[str, Any] = done.json
    assert (told["state"], told["verified"], told["error"]) == ("succeeded", True, None)
    assert {ident: job["state"] for ident, job in told["jobs"].items()} == dict.fromkeys(JOBS, "succeeded")
    assert Path(told["published"]).read_text().strip() == told["answer"]
    for name in ("Notion", "Airtable", "Coda", "Grist"):
        assert f"\n- {name}: " in told["answer"]
    return told


def test_yes_comes_to_its_end_and_its_figures_are_those_of_the_record(home: Paths) -> None:
    told = whole(run(home, "demo", "dag", "--headless", "--yes"))
    assert set(told) == FIELDS
    assert (told["demo"], told["run"], told["replans"], told["reused"]) == ("dag", "r1", 2, 0)
    assert "not by a model" in told["answer"]
    jobs = told["jobs"]
    assert [ident for ident, job in jobs.items() if job["attempts"] != 1] == ["airtable"]
    assert jobs["airtable"]["attempts"] == 2
    assert jobs["airtable"]["finished"] - jobs["airtable"]["started"] > 1, "it has waited before it was tried again"
    for ident, before in (("compare", "airtable"), ("grist", "compare"), ("publish", "sign-off"), ("check", "publish")):
        assert jobs[ident]["started"] >= jobs[before]["finished"], ident
    with reading(home) as source:
        rows = source.runs()
        asked = source.approvals(all=True)
    under = [row for row in rows if row.parent == "r1"]
    assert sum(row.state == "failed" for row in under) == 1
    assert told["tokens"]["input"] == sum(row.usage.input for row in under) > 0, "also of what failed, and the planner"
    assert told["tokens"]["output"] == sum(row.usage.output for row in under) > 0
    assert told["usd"] == 0
    assert {row.api for row in under} == {"stand-in", "script"}
    assert [(row.kind, row.state, row.by) for row in asked] == [
        ("plan", "approved", "--yes"),
        ("gate", "approved", "--yes"),
    ]
    again = whole(run(home, "demo", "dag", "--headless", "--yes", *JSON))
    assert again["answer"] == told["answer"]
    assert again["folder"] != told["folder"]
    assert again["run"] != told["run"]
    assert run(home, "doctor").code == 0, "the journal is whole"


def test_as_text_the_jobs_are_a_table_and_the_answer_has_lines(home: Paths) -> None:
    done = run(home, "demo", "dag", "--yes", "--output-format", "text")
    assert done.code == 0, done.err
    assert re.search(r"^airtable +succeeded +2 ", done.out, re.MULTILINE)
    assert re.search(r"^- Grist: .*own server: yes$", done.out, re.MULTILINE)
    assert "verified: all 9 jobs succeeded" in done.err
    assert re.search(r"retry +dag +airtable.*stumbled here on purpose", done.err)


def test_another_shell_decides_with_what_it_was_shown(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    plan, digest = running.asked()
    shown = run(home, "approvals", "show", plan, *JSON).json
    assert "harness_tui.demo.dag:publish" in shown["diff"]
    decided(home, "approve", plan, digest)
    gate, digest = next_asked(running, plan)
    facts = run(home, "approvals", "show", gate).out
    assert "Of 4 tools Grist runs" in facts, "a gate shows what it is about"
    decided(home, "approve", gate, digest)
    whole(running.end())


def test_a_plan_that_is_denied_publishes_nothing_and_ends_with_four(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    decided(home, "deny", *running.asked(), "--reason", "not on this machine")
    done = running.end()
    assert (done.code, done.json["exit"], done.json["published"], done.json["answer"]) == (4, 4, None, "")
    assert "was refused by" in done.json["error"]
    assert "not on this machine" in done.json["error"]
    assert list(done.json["jobs"]) == JOBS[:6]
    assert not list(Path(done.json["folder"]).glob("*.md"))


def test_a_gate_that_is_denied_publishes_nothing_and_ends_with_four(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    plan, digest = running.asked()
    decided(home, "approve", plan, digest)
    decided(home, "deny", *next_asked(running, plan), "--reason", "too short")
    done = running.end()
    assert (done.code, done.json["state"], done.json["published"]) == (4, "failed", None)
    assert "too short" in done.json["error"]
    assert {ident: done.json["jobs"][ident]["state"] for ident in dag.PUBLISHING} == {
        "sign-off": "dead_lettered",
        "publish": "cancelled",
        "check": "cancelled",
    }


def test_pushed_back_the_comparison_is_done_anew_with_the_words(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    plan, digest = running.asked()
    decided(home, "approve", plan, digest)
    gate, digest = next_asked(running, plan)
    decided(home, "pushback", gate, digest, "--reason", "Say what they cost.")
    decided(home, "approve", *next_asked(running, gate))
    told = whole(running.end())
    assert "Asked of me: Say what they cost. A script cannot do that." in told["answer"]
    assert (told["jobs"]["compare-all"]["attempts"], told["jobs"]["grist"]["attempts"]) == (2, 1)


def test_no_wait_leaves_it_and_it_can_be_decided_later(home: Paths, demo: Callable[..., Running]) -> None:
    done = demo("--no-wait").end()
    assert (done.code, done.json["exit"], done.json["published"]) == (4, 4, None)
    assert done.json["error"].endswith("is needed; the run waits for it.")
    (waiting,) = run(home, "approvals", "list", *JSON).json
    running = Running.start(home, "dag", "resume", done.json["run"], *JSON)
    plan, digest = running.asked()
    assert plan == waiting["id"]
    decided(home, "approve", plan, digest)
    decided(home, "approve", *next_asked(running, plan))
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.json["verified"] is True
    assert dag.published(Path(done.json["folder"]))


def test_killed_it_goes_on_and_does_nothing_twice(home: Paths, demo: Callable[..., Running]) -> None:
    running = demo()
    running.told(r"compare succeeded")
    running.send(signal.SIGKILL)
    running.end()
    running = Running.start(home, "dag", "resume", "r1", *JSON)
    plan, digest = running.asked()
    decided(home, "approve", plan, digest)
    decided(home, "approve", *next_asked(running, plan))
    done = running.end()
    assert done.code == 0, done.err
    attempts = {ident: job["attempts"] for ident, job in done.json["jobs"].items()}
    assert list(attempts) == JOBS
    assert {ident: attempts[ident] for ident in JOBS[:4]} == {"notion": 1, "airtable": 2, "coda": 1, "compare": 1}


def test_an_interrupt_cancels_it(demo: Callable[..., Running]) -> None:
    running = demo()
    running.asked()
    running.send(signal.SIGINT)
    done = running.end()
    assert (done.code, done.json["state"], done.json["published"]) == (8, "cancelled", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "dag", "--headless", "--stage", "2"), "has no stages"),
        (("demo", "graph", "--headless"), "Choose one of: upvote, loops, dag."),
    ],
)
def test_what_it_does_not_know_is_a_sentence(home: Paths, words: tuple[str, ...], said: str) -> None:
    done = run(home, *words, *JSON)
    assert done.code == 2
    assert said in done.json["error"]
    assert not home.journal.exists(), "nothing was started"


# -- at a terminal ------------------------------------------------------------------------------------------------


def test_at_a_terminal_it_begins_in_pane_3_and_goes_on_when_the_operator_leaves(home: Paths, stopped: None) -> None:
    argv = (sys.executable, "-m", "harness_tui", "demo", "dag")
    with Terminal(*argv, cols=80, rows=24, env={"HARNESS_TUI_HOME": str(home.home)}) as screen:
        screen.wait_for("r1 Compare the tools")
        screen.wait_for("after 2 tries")
        screen.wait_for("waits for you  A-1")
        screen.send("q")
        assert screen.wait_end() == 0
    with reading(home) as source:
        (asked,) = source.approvals()
        (row,) = (row for row in source.runs() if row.kind == "dag")
    assert (asked.id, asked.kind, row.open) == ("A-1", "plan", True)


def test_a_console_starts_it_by_the_same_name(home: Paths) -> None:
    start = tours.command(home, "dag")
    assert isinstance(start, StartDag)
    assert [job.id for job in start.jobs] == JOBS[:4]
    assert list(start.spec.models) == ["main"]
    assert start.secrets == {}
