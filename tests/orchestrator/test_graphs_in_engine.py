"""Graphs in a real engine: restarted while they wait, retried when they are over, raced at their end."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.dag.spec import Job, PlannerSpec, Retry
from harness_tui.domain.errors import ApprovalError, UsageError
from harness_tui.journal.reader import Reader
from harness_tui.orchestrator.driver import DagDriver
from harness_tui.port.commands import CancelJob, PauseDag, ReplanDag, RetryDag

from .graphs import graph, until

ALL = bool(os.environ.get("HARNESS_TESTS_CRASHES"))
"""HARNESS_TESTS_CRASHES=1 for as many as a day's work has."""
HERE = "tests.orchestrator.effects"


def note(ident: str, *deps: str, **more: object) -> Job:
    return Job(ident, deps, call=f"{HERE}:note", risk="idempotent", **more)  # type: ignore[arg-type]


async def test_a_run_that_is_tried_again_is_open_in_its_row_and_in_the_table(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(
            note("a"), Job("b", ("a",), call=f"{HERE}:flaky"), note("c", "b"), Job("g", ("c",), gate="?")
        )
        row = await here.ended()
        assert (row.state, row.exit) == ("failed", 1)
        assert row.jobs == {"all": 4, "succeeded": 1, "dead_lettered": 1, "cancelled": 2}
        assert row.ended
        await here.send(RetryDag(uid, "op"))
        asked = await here.asked("gate")
        assert (here.row.state, here.row.ended, here.row.exit, here.row.error) == ("running", 0, 0, "")
        with Reader(home.journal) as reader:
            kept = reader.run(uid)
            assert kept and (kept.state, kept.ended, kept.exit) == ("running", 0, 0)
            assert kept.jobs["succeeded"] == 3
        await here.restart()
        assert (here.row.state, here.row.ended) == ("running", 0)
        await here.decide(asked, "approved")
        row = await here.ended()
        assert (row.state, row.exit, row.reason) == ("succeeded", 0, "all 4 jobs succeeded")
        assert {word: count for word, count in row.jobs.items() if count} == {"all": 4, "succeeded": 4}
        assert here.done() == ["a#1", "b#1", "b#2", "c#1"], "what stood is not done again"
    here.sound()


async def test_a_gate_waits_over_restarts_and_expires_by_its_own_clock(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(Job("g", gate="Go?", deadline=0.4), note("after", "g"))
        asked = await here.asked("gate")
        await here.restart()
        assert [row.id for row in await here.engine.approvals()] in ([asked.id], [])
        row = await here.ended()
        assert (row.state, row.exit) == ("failed", 4)
        assert "nobody decided in time" in row.reason
        assert await here.states() == {"g": "dead_lettered", "after": "cancelled"}
    here.sound()


async def test_two_operators_decide_one_gate_and_the_loser_is_told_who_won(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(Job("g", gate="Go?"), note("after", "g"))
        asked = await here.asked("gate")
        said = await asyncio.gather(
            here.decide(asked, "approved", "ada"), here.decide(asked, "denied", "bob"), return_exceptions=True
        )
        lost = [each for each in said if each]
        assert len(lost) == 1
        assert isinstance(lost[0], ApprovalError)
        row = here.engine.journal.views.approvals[asked.id]
        assert f"already decided by {row.by}" in str(lost[0])
        assert (row.by, row.state) == ("ada", "approved")
        await here.ended()
        assert await here.states() == {"g": "succeeded", "after": "succeeded"}
    here.sound()


async def test_two_who_try_a_run_again_at_once_get_one_run(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(note("a"), note("b", "a"))
        await here.ended()
        said = await asyncio.gather(
            *(here.engine.send(RetryDag(uid, by, "a")) for by in ("ada", "bob")), return_exceptions=True
        )
        assert all(not isinstance(each, BaseException) or isinstance(each, UsageError) for each in said), said
        assert any(not isinstance(each, BaseException) for each in said)
        row = await here.ended()
        assert row.state == "succeeded"
        s = await here.state()
        assert s.jobs["a"].attempts in (2, 3)
        assert here.done().count("a#2") == 1
        assert len(here.done()) == len(set(here.done()))
    here.sound()


@pytest.mark.parametrize("word", ["retry", "cancel", "edit", "ask", "pause"])
async def test_a_word_in_the_moment_a_run_ends_is_refused_or_carried_out(
    home: Paths, tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while the last append of the run is being written, and waits for that."""
    append, said = DagDriver._append, list[Any]()

    async def slowly(driver: DagDriver, *args: Any) -> None:
        if driver.state.finished and not said:
            said.append(asyncio.ensure_future(here.engine.send(words[word])))
            await asyncio.sleep(0.05)
        await append(driver, *args)

    monkeypatch.setattr(DagDriver, "_append", slowly)
    async with graph(home, tmp_path) as here:
        planner = PlannerSpec(call=f"{HERE}:content") if word == "ask" else None
        uid = await here.start(note("a"), note("b", "a"), planner=planner)
        words: dict[str, Any] = {
            "retry": RetryDag(uid, "op", "b"),
            "cancel": CancelJob(uid, "b", "op"),
            "edit": ReplanDag(uid, "op", (note("c"),)),
            "ask": ReplanDag(uid, "op"),
            "pause": PauseDag(uid, "op"),
        }
        await until(lambda: said and said[0].done())
        row = await here.ended()
        error = said[0].exception()
        s = await here.state()
        if word == "retry":
            assert error is None
            assert s.jobs["b"].attempts == 2
        else:
            assert isinstance(error, UsageError)
            assert "is over" in str(error)
            assert set(s.jobs) == {"a", "b"}
        assert (row.state, s.left, s.planning) == ("succeeded", 0, False)
    here.sound()


async def test_a_plan_nobody_could_ever_start_is_refused_or_ends(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(Job("a", wait=0.0, uses={"db": 2}), resources={"db": 1})
        row = await here.ended()
        assert (row.state, row.exit) != ("succeeded", 0)


async def test_waiting_for_a_person_or_for_backoff_holds_no_slot(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(
            Job("g", gate="Go?"),
            Job("r", call=f"{HERE}:broken", risk="idempotent", retry=Retry(2, "fixed", 3600.0)),
            note("a"),
            note("b", "a"),
            concurrency=1,
        )
        await here.reaches("b", "succeeded")
        assert here.job("g").state == "waiting"
        assert here.job("r").state == "retrying"
        await here.decide(await here.asked("gate"), "approved")
        await here.send(CancelJob(here.uid, "r", "op"))
        row = await here.ended()
        assert row.jobs["succeeded"] == 3
    here.sound()


async def test_many_commands_in_one_workspace(home: Paths, tmp_path: Path) -> None:
    many = 300 if ALL else 60
    async with graph(home, tmp_path) as here:
        jobs = [Job(f"c{n}", command=("bash", "-c", f"echo {n} > {n}.txt")) for n in range(many)]
        await here.start(*jobs, concurrency=8)
        row = await here.ended()
        assert (row.state, row.jobs["succeeded"]) == ("succeeded", many), row.reason
        files = {file.name: file.read_text() for file in here.workspace.iterdir()}
        assert files == {f"{n}.txt": f"{n}\n" for n in range(many)}
        s = await here.state()
        assert {job.attempts for job in s.jobs.values()} == {1}
        assert most_at_once([(job.bars[0].start, job.bars[0].end) for job in s.jobs.values()]) <= 8
        assert len(here.children) == many
        assert len(await here.events(ev.JobBound)) == many
    here.sound()


def most_at_once(spans: list[tuple[int, int]]) -> int:
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _at, step in steps:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("by", ["word", "restart"])
async def test_gates_wait_side_by_side_and_hold_no_slot(home: Paths, tmp_path: Path, by: str) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(Job("g1", gate="One?"), Job("g2", gate="Two?"), note("a"), concurrency=1)
        await here.reaches("a", "succeeded")
        await here.reaches("g2", "waiting")
        if by == "restart":
            await here.restart()
        for row in await here.engine.approvals():
            await here.decide(row, "approved")
        assert (await here.ended()).state == "succeeded"
    here.sound()


async def test_an_attempt_that_ends_while_its_job_is_set_back_does_not_answer_for_the_next_one(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = DagDriver._append

    async def slowly(driver: DagDriver, events: Any, *args: Any) -> None:
        if any(isinstance(event, ev.JobsReset) for event in events):
            await until(lambda: not driver.attempts.has(driver.state.jobs["b"]))
            await asyncio.sleep(0.3)
        await append(driver, events, *args)

    monkeypatch.setattr(DagDriver, "_append", slowly)
    async with graph(home, tmp_path) as here:
        work = {"fails": 0, "seconds": 0.1}
        uid = await here.start(Job("a", call=f"{HERE}:work", arguments=work, risk="idempotent"), note("b", "a"))
        await until(lambda: here.done() == ["a#1"])
        await here.send(RetryDag(uid, "op", "a"))
        row = await here.ended()
        assert row.state == "succeeded", row.reason
        assert here.done() == ["a#1", "a#2", "b#1"]
        stream = [each.event for each in await here.engine.journal.stream(f"{uid}/a#2")]
        assert [type(each) for each in stream] == [ev.TaskFinished]
        assert stream[0].value == 2
    here.sound()


async def test_an_attempt_that_is_ended_before_it_began_holds_up_nothing(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(Job("gate", gate="Go?"), *(note(f"n{number}") for number in range(40)), concurrency=50)
        driver = here.engine._dags.driver(uid)
        assert driver
        await here.asked("gate")
        words = [RetryDag(uid, "op", f"n{number}") for number in range(40) for _ in range(3)]
        await asyncio.gather(*(here.engine.send(word) for word in words), return_exceptions=True)
        await here.decide(await here.asked("gate"), "approved")
        assert (await here.ended()).state == "succeeded"
        assert set(Counter(here.done()).values()) == {1}
    here.sound()
