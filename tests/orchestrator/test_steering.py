"""An operator steers graphs while their jobs run: cancel, pause, try again, change the plan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.dag.spec import Job, Limits, Retry
from harness_tui.domain.errors import UsageError
from harness_tui.domain.messages import ModelRequest
from harness_tui.engine import worlds
from harness_tui.journal.journal import Journal
from harness_tui.port.commands import (
    CancelAll,
    CancelJob,
    CancelRun,
    PauseDag,
    ReplanDag,
    ResumeDag,
    RetryDag,
    SetBudget,
)
from tests.e2e.shell import say
from tests.models.endpoint_server import serving

from .graphs import COST, MODEL, Says, graph, offline, until

HERE = "tests.orchestrator.effects"


def note(ident: str, *deps: str, **more: Any) -> Job:
    return Job(ident, deps, call=f"{HERE}:note", risk="idempotent", **more)


def slow(ident: str, *deps: str, **more: Any) -> Job:
    return Job(ident, deps, call=f"{HERE}:slow", risk="idempotent", **more)


def asks(ident: str, *deps: str, **more: Any) -> Job:
    return Job(ident, deps, prompt="Say done.", **more)


class Thinks(Says):
    """A model that never answers while it is asked by a task with `think` in it."""

    async def stream(self, request: ModelRequest) -> Any:
        if any("think" in message.text for message in request.messages if message.role == "user"):
            await asyncio.sleep(3600)
        async for each in super().stream(request):
            yield each


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = worlds.model
    offline(Thinks)
    yield
    worlds.model = before


def thinks(ident: str, *deps: str, **more: Any) -> Job:
    return Job(ident, deps, prompt="think", **more)


async def test_a_branch_is_cancelled_while_its_jobs_run_and_the_others_go_on(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(
            note("root"),
            thinks("agent", "root"),
            note("a2", "agent"),
            slow("call", "root"),
            note("c2", "call"),
            Job("gate", ("root",), gate="Go?"),
            note("g2", "gate"),
        )
        await here.reaches("agent", "running")
        await until(lambda: "agent#1" in here.children)
        await until(lambda: "call#1" in here.done())
        await here.send(CancelJob(uid, "agent", "ada", "too slow"))
        await until(lambda: not here.children["agent#1"].open)
        assert here.children["agent#1"].state == "cancelled"
        assert here.job("call").state == "running"
        await here.send(CancelJob(uid, "call", "ada"))
        await here.decide(await here.asked("gate"), "approved")
        row = await here.ended()
        assert await here.states() == {
            **dict.fromkeys(("root", "gate", "g2"), "succeeded"),
            **dict.fromkeys(("agent", "a2", "call", "c2"), "cancelled"),
        }
        assert (row.state, row.exit) == ("failed", 1)
        s = await here.state()
        assert s.jobs["agent"].error == s.jobs["a2"].error == "cancelled by ada: too slow"
        with pytest.raises(UsageError, match="is over"):
            await here.send(CancelJob(uid, "g2", "ada"))
    here.sound()


@pytest.mark.parametrize("word", ["run", "all"])
async def test_a_cancelled_run_ends_with_everything_under_it(home: Paths, tmp_path: Path, word: str) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(thinks("agent"), slow("call"), Job("gate", gate="Go?"), note("last", "agent", "gate"))
        await until(lambda: "agent#1" in here.children and "call#1" in here.done())
        await here.asked("gate")
        await here.send(CancelRun(uid, "ada", "enough") if word == "run" else CancelAll("ada", "enough"))
        row = await here.ended()
        assert (row.state, row.exit, row.reason) == ("cancelled", 8, "cancelled by ada: enough")
        assert set((await here.states()).values()) == {"cancelled"}
        assert not [each for each in await here.engine.approvals() if each.open]
    here.sound()


async def test_an_agent_that_is_cancelled_while_it_starts_does_not_stay(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word comes when its run is written down and not driven yet."""
    append = Journal.append

    async def slowly(journal: Journal, writes: Any, *more: Any, **named: Any) -> Any:
        done = await append(journal, writes, *more, **named)
        if any(isinstance(event, ev.RunStarted) for write in writes for event in write.events):
            await until(lambda: here.job("agent").state == "cancelled")
        return done

    monkeypatch.setattr(Journal, "append", slowly)
    async with graph(home, tmp_path) as here:
        uid = await here.start(thinks("agent"), Job("gate", gate="Go?"))
        await until(lambda: "agent#1" in here.children)
        await here.send(CancelJob(uid, "agent", "ada"))
        await until(lambda: not here.children["agent#1"].open)
        await here.decide(await here.asked("gate"), "approved")
        assert (await here.ended()).state == "failed"
    here.sound()


async def test_a_paused_run_starts_nothing_and_goes_on(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(Job("gate", gate="Go?"), note("a", "gate"), note("b", "a"))
        asked = await here.asked("gate")
        await here.send(PauseDag(uid, "ada", "lunch"))
        with pytest.raises(UsageError, match="paused already, by ada"):
            await here.send(PauseDag(uid, "bob"))
        assert here.row.state == "paused"
        await here.decide(asked, "approved")
        await here.reaches("a", "ready")
        await here.restart()
        assert here.row.state == "paused"
        await here.reaches("a", "ready")
        assert here.done() == []
        await here.send(ResumeDag(uid, "ada"))
        assert (await here.ended()).state == "succeeded"
        with pytest.raises(UsageError, match="is over"):
            await here.send(ResumeDag(uid, "ada"))
    here.sound()


async def test_a_paused_branch_stays_so_when_one_of_its_jobs_is_replaced(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(Job("gate", gate="Go?"), note("a", "gate"), note("b", "a"), note("other", "gate"))
        await here.asked("gate")
        await here.send(PauseDag(uid, "ada", job="a"))
        await here.send(ReplanDag(uid, "ada", (note("a", "gate", title="mended"),)))
        await here.decide(await here.asked("gate"), "approved")
        await here.reaches("other", "succeeded")
        assert here.job("a").state == "ready"
        assert here.done() == ["other#1"]
        await here.send(ResumeDag(uid, "ada", "a"))
        assert (await here.ended()).state == "succeeded"
    here.sound()


async def test_a_running_job_is_tried_again_and_its_old_attempt_ended(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(note("root"), thinks("agent", "root"), note("last", "agent"))
        await until(lambda: "agent#1" in here.children)
        await here.send(ReplanDag(uid, "ada", (asks("agent", "root"),), reason="it only has to say so"))
        row = await here.ended()
        assert row.state == "succeeded"
        assert (here.children["agent#1"].state, here.children["agent#2"].state) == ("cancelled", "succeeded")
        s = await here.state()
        assert (s.jobs["agent"].attempts, s.jobs["agent"].by) == (2, "operator:ada")
        await here.send(RetryDag(uid, "ada", "agent", "say it louder"))
        assert (await here.ended()).state == "succeeded"
        s = await here.state()
        assert (s.jobs["agent"].attempts, s.jobs["last"].attempts, s.jobs["root"].attempts) == (3, 1, 1)
        assert s.jobs["last"].reused
        prompt = (await here.engine.events(s.jobs["agent"].child))[0].event.spec.task.prompt
        assert "say it louder" in prompt
        assert row.usage.total >= 2 * COST
    here.sound()


async def test_a_running_job_is_retried_by_a_word(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(slow("call"), note("last", "call"))
        await until(lambda: here.done() == ["call#1"])
        await here.send(RetryDag(uid, "ada", "call"))
        await until(lambda: here.done() == ["call#1", "call#2"])
        assert here.job("call").attempts == 2
        await here.send(CancelRun(uid, "ada", ""))
        assert (await here.ended()).state == "cancelled"
    here.sound()


async def test_an_id_that_was_dropped_and_comes_back_has_attempts_of_its_own(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(note("a"), asks("b"), Job("gate", gate="Go?"))
        await here.reaches("a", "succeeded")
        await here.reaches("b", "succeeded")
        await here.send(ReplanDag(uid, "ada", drop=("a", "b")))
        await here.send(ReplanDag(uid, "ada", (note("a", title="another"), asks("b", title="another"))))
        await here.reaches("a", "succeeded")
        await here.reaches("b", "succeeded")
        await here.decide(await here.asked("gate"), "approved")
        row = await here.ended()
        assert row.state == "succeeded", row.reason
        assert here.done() == ["a#1", "a#2"]
        assert sorted(here.children) == ["b#1", "b#2"]
        s = await here.state()
        assert s.jobs["b"].child == here.children["b#2"].id
    here.sound()


async def test_a_running_job_is_dropped_and_one_is_added(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(thinks("agent"), slow("call"), note("after", "agent"))
        await until(lambda: "agent#1" in here.children and here.done() == ["call#1"])
        with pytest.raises(UsageError, match="after depends on agent"):
            await here.send(ReplanDag(uid, "ada", drop=("agent",)))
        await here.send(ReplanDag(uid, "ada", (note("new"),), drop=("agent", "call", "after")))
        row = await here.ended()
        assert (row.state, row.jobs["all"], row.jobs["succeeded"]) == ("succeeded", 1, 1)
        assert here.children["agent#1"].state == "cancelled"
        assert here.done() == ["call#1", "new#1"]
    here.sound()


async def test_a_gate_sends_back_with_a_reason(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        draft = Job("draft", call=f"{HERE}:draft", risk="idempotent")
        await here.start(draft, Job("gate", ("draft",), gate="Good?"), note("last", "gate"))
        await here.decide(await here.asked("gate"), "pushed_back", reason="too long")
        again = await until(lambda: next((a for a in here.engine.journal.views.approvals.values() if a.open), None))
        assert any("better: too long" in fact.value for fact in again.facts)
        await here.decide(again, "approved")
        assert (await here.ended()).state == "succeeded"
        s = await here.state()
        assert {i: (job.attempts, job.visits) for i, job in s.jobs.items()} == {
            "draft": (2, 2),
            "gate": (2, 1),
            "last": (1, 1),
        }
    here.sound()


async def test_an_agent_has_its_deadline_and_its_tokens_count(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(thinks("agent", deadline=0.3), note("after", "agent"))
        row = await here.ended()
        assert (row.state, row.exit) == ("failed", 1)
        assert "did not end within 0.3 s" in row.reason
        assert here.children["agent#1"].state == "cancelled"
        s = await here.state()
        assert s.jobs["agent"].state == "dead_lettered"
        assert row.usage.total == here.children["agent#1"].usage.total
    here.sound()


# -- money and patience ----------------------------------------------------------------------------------------------


def asked_of(url: str) -> Any:
    return {"main": type(MODEL)("openai-chat", "scripted", url)}


async def test_a_run_that_has_spent_all_is_over_and_says_so(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    worlds.model = REAL
    async with serving(say("done")) as server, graph(home, tmp_path) as here:
        jobs = [asks(f"a{n}", *(f"a{n - 1}" for _ in range(n > 0))) for n in range(40)]
        await here.start(*jobs, note("free"), budget=Limits(tokens=1000), models=asked_of(server.url))
        row = await here.ended()
        assert (row.state, row.exit, row.stopped_by) == ("failed", 3, "budget"), row.reason
        assert "nothing left to spend" in row.reason
        states = await here.states()
        assert states["free"] == "succeeded"
        assert states["a39"] == "cancelled"
        s = await here.state()
        assert row.usage.total == sum(job.tokens for job in s.jobs.values()) <= 1000
    here.sound()


async def test_a_limit_that_no_call_fits_into_ends_the_run_as_spent(home: Paths, tmp_path: Path) -> None:
    worlds.model = REAL
    async with serving(say("done")) as server, graph(home, tmp_path) as here:
        await here.start(asks("a"), note("b", "a"), budget=Limits(tokens=50), models=asked_of(server.url))
        row = await here.ended()
        assert (row.state, row.exit, row.usage.total) == ("failed", 3, 0), row.reason
        assert "r1 has nothing left to spend" in row.reason
    here.sound()


async def test_the_day_has_a_limit_too(home: Paths, tmp_path: Path) -> None:
    worlds.model = REAL
    async with serving(say("done")) as server, graph(home, tmp_path) as here:
        await here.send(SetBudget("day", 30, None, "op"))
        await here.start(asks("a"), note("after", "a"), models=asked_of(server.url))
        row = await here.ended()
        assert (row.state, row.exit) == ("failed", 3), row.reason
        assert "the day has nothing left to spend" in row.reason
    here.sound()


async def test_a_busy_model_is_waited_for_without_a_slot(home: Paths, tmp_path: Path) -> None:
    worlds.model = REAL
    busy = [b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"]
    async with serving(busy, say("done")) as server, graph(home, tmp_path) as here:
        await here.start(asks("a"), note("b"), note("c", "b"), concurrency=1, models=asked_of(server.url))
        await here.reaches("a", "waiting")
        assert here.job("a").waits == "rate_limit"
        await here.reaches("c", "succeeded")
        assert here.job("a").state == "waiting"
        row = await here.ended()
        assert (row.state, row.jobs["succeeded"]) == ("succeeded", 3)
        waits = await here.events(ev.JobWaits)
        assert [each.why for each in waits] == ["rate_limit"]
    here.sound()


async def test_tokens_of_failed_attempts_count(home: Paths, tmp_path: Path) -> None:
    worlds.model = REAL
    broken = [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"]
    async with serving(say(""), say(""), broken, broken, say("done")) as server, graph(home, tmp_path) as here:
        retry = Retry(5, "fixed", 0.01)
        await here.start(asks("a", retry=retry), models=asked_of(server.url))
        row = await here.ended()
        s = await here.state()
        assert row.usage.total == s.jobs["a"].tokens == sum(each.usage.total for each in here.children.values())
        assert len(here.children) == s.jobs["a"].attempts
    here.sound()


REAL = worlds.model
