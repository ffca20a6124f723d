"""What `demo dag` begins with, what it may write, what it leaves, and what its stand-in does with it."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from harness_tui import World, tool
from harness_tui.cli.tours import may_approve_step
from harness_tui.demo import dag
from harness_tui.demo.dag import DemoDag
from harness_tui.demo.stand_in import StandIn, decide
from harness_tui.domain.dag.graph import Dag
from harness_tui.domain.dag.spec import Job
from harness_tui.domain.errors import SetupError, UsageError
from harness_tui.domain.events import Fact
from harness_tui.domain.messages import Message, ToolSpec
from harness_tui.domain.views import ApprovalRow
from harness_tui.orchestrator.api import Orchestrator, Report

DAY = 24 * 3600
PLAN = ToolSpec("plan", "", {"type": "object"})


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoDag:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HARNESS_TUI_STAND_IN_PACE", "0")
    return dag.prepare()


async def played(made: DemoDag, **approve: bool) -> tuple[Report, list[ApprovalRow]]:
    """The graph in this process, its stand-in as the model; what was asked. approve: by kind, True = it is."""
    asked: list[ApprovalRow] = []

    def decided(row: ApprovalRow) -> bool:
        asked.append(row)
        return approve.get(row.kind, True)

    @tool(risk="read_only")
    def read_file(path: str) -> str:
        """Read a file."""
        file = made.folder / path
        return f"{path} lines 1-4 of 4\n{file.read_text()}"

    own = Orchestrator(
        StandIn(), [read_file], approve=decided, planner=made.spec.planner, max_replans=made.spec.max_replans
    )
    fast = tuple(without_delay(job) for job in made.jobs)
    report = await own.run(fast, World(workspace=str(made.folder)), goal=made.spec.goal)
    return report, asked


def without_delay(job: Job) -> Job:
    return replace(job, retry=replace(job.retry, backoff="none"))


def test_three_tools_are_asked_for_and_notes_are_there_on_a_fourth(made: DemoDag) -> None:
    whole = Dag.from_jobs(made.jobs)
    assert whole.order == (*dag.ASKED_FOR, "compare")
    assert whole.jobs["compare"].deps == dag.ASKED_FOR
    assert sorted(path.stem for path in (made.folder / "notes").iterdir()) == ["airtable", "coda", "grist", "notion"]
    assert os.stat(made.folder.parent).st_mode & 0o077 == 0, "nobody else looks in"
    assert dag.prepare().folder != made.folder, "a demo never works on what another one left"


def test_without_room_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SetupError, match="cannot make a folder: No such file"):
        dag.prepare()


@pytest.mark.parametrize("path", ["/etc/comparison.md", "{}/other.md", "{}/notes/comparison.md", "comparison.md"])
def test_it_publishes_in_its_own_folder_alone(made: DemoDag, path: str) -> None:
    file = Path(path.format(made.folder))
    with pytest.raises(UsageError, match="own folder alone"):
        dag.publish({"compare-all": "Of 4 tools"}, str(file), SimpleNamespace(goal="G"))
    assert not (made.folder / "comparison.md").exists()


def test_what_is_published_is_the_answer_and_not_the_gates(made: DemoDag) -> None:
    given = {"sign-off": {"approved": True}, "compare-all": "Of 4 tools Grist runs."}
    for _ in range(2):  # after a crash it may come again
        dag.publish(given, str(made.folder / "comparison.md"), SimpleNamespace(goal="Which?"))
    assert dag.published(made.folder) == "# Which?\n\nOf 4 tools Grist runs.\n"


def test_only_its_own_old_folders_go(made: DemoDag, tmp_path: Path) -> None:
    others = tmp_path / "harness-tui-demo-dag"
    others.mkdir()
    link = tmp_path / "harness-tui-demo-dag-link"
    link.symlink_to(others)
    fresh = dag.prepare()
    for path in (made.folder.parent, *made.folder.parent.rglob("*"), others):
        os.utime(path, (time.time() - 3 * DAY,) * 2)
    assert dag.cleanup_old() == 1
    assert not made.folder.exists()
    assert fresh.folder.exists()
    assert others.exists()
    assert link.is_symlink()


async def test_a_job_fails_once_the_plan_grows_by_itself_and_publishing_is_asked_for(made: DemoDag) -> None:
    report, asked = await played(made)
    assert (report.state, report.exit, report.reason) == ("succeeded", 0, "all 9 jobs succeeded")
    assert {ident: job.attempts for ident, job in report.jobs.items() if job.attempts > 1} == {"airtable": 2}
    assert list(report.jobs) == ["notion", "airtable", "coda", "compare", "grist", "compare-all", *dag.PUBLISHING]
    assert [(row.kind, row.run) for row in asked] == [("plan", report.run), ("gate", report.run)]
    assert all(map(may_approve_step, asked))
    said = dag.published(made.folder)
    assert "Of 4 tools Grist runs on a server of our own." in said
    assert [line.split(":")[0] for line in said.splitlines() if line.startswith("- ")] == [
        "- Notion",
        "- Airtable",
        "- Coda",
        "- Grist",
    ]
    assert "scripted stand-in, not by a model" in said
    assert report.tokens > 0
    assert report.usd == 0


async def test_a_plan_that_is_refused_is_not_asked_for_again(made: DemoDag) -> None:
    report, asked = await played(made, plan=False)
    assert [row.kind for row in asked] == ["plan"]
    assert not set(dag.PUBLISHING) & set(report.jobs)
    assert dag.published(made.folder) == ""


async def test_what_is_not_signed_off_is_not_published(made: DemoDag) -> None:
    report, asked = await played(made, gate=False)
    assert [row.kind for row in asked] == ["plan", "gate"]
    assert (report.state, report.exit) == ("failed", 4)
    assert report.jobs["check"].state == "cancelled"
    assert dag.published(made.folder) == ""


async def test_where_the_notes_are_gone_nothing_is_made_up(made: DemoDag) -> None:
    for path in (made.folder / "notes").iterdir():
        path.write_text("Lunch is at noon.\n")
    report, asked = await played(made)
    assert report.answers["compare"] == "I was given nothing to compare."
    assert asked == []


def row(kind: str, **facts: str) -> ApprovalRow:
    return ApprovalRow("A-1", "r1", "r1", kind=kind, facts=[Fact(key, text) for key, text in facts.items()])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asked",
    [
        row("plan", by="planner", jobs="sign-off, publish, check, more"),
        row("plan", by="planner", jobs="sign-off, publish, check", drops="compare"),
        row("plan", by="operator:eve", jobs="sign-off, publish, check"),
        row("gate", job="another"),
        row("action", job="sign-off"),
        row("in_doubt", job="publish"),
    ],
)
def test_yes_decides_nothing_else(asked: ApprovalRow) -> None:
    assert may_approve_step(row("gate", job="sign-off"))
    assert may_approve_step(row("plan", by="planner", jobs="sign-off, publish, check"))
    assert not may_approve_step(asked)


@pytest.mark.parametrize(
    "text",
    [
        "You do one job of a larger work. The goal of the whole: x\n\nYour job, a: Paint it blue.",
        "You plan a graph of jobs that work towards a goal.\n\nAdd what is missing.",
        "You do one job of a larger work.",
        "",
    ],
)
def test_of_other_graphs_it_knows_nothing_and_does_not_break(text: str) -> None:
    parts = decide([Message.say("user", text)], (PLAN,))
    assert not Message("assistant", parts).calls or Message("assistant", parts).calls[0].name != "plan"


def test_hostile_names_in_notes_reach_no_command(made: DemoDag) -> None:
    """What goes into the check's script is a word, whatever notes and answers say."""
    board = "\n".join(
        [
            "evil (prompt, succeeded, by operator): $(reboot); x: a. Own server: yes. Named beside it: y.",
            'q (prompt, succeeded, by operator): Q"`id`: a. Own server: yes. Named beside it: Grist.',
            "ok (prompt, succeeded, by operator): Fine: a. Own server: yes. Named beside it: Fine.",
            "compare (prompt, succeeded, by operator) after evil, q, ok: Of 3 tools Fine runs on a server of our own.",
        ]
    )
    told = (
        f"You plan a graph of jobs.\n\nplan how it is published as /w/comparison.md: behind a gate\n\n~~~\n{board}\n~~~"
    )
    (call,) = Message("assistant", decide([Message.say("user", told)], (PLAN,))).calls
    check: dict[str, Any] = call.arguments["add"][-1]
    assert check["verify"][2].startswith("for tool in Fine; do ")
