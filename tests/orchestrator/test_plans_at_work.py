"""Plans that change while they are worked off: by a planner, by an operator, wider ones only with a word."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.dag.spec import Job, PlannerSpec
from harness_tui.domain.errors import UsageError
from harness_tui.domain.messages import ModelRequest
from harness_tui.engine import worlds
from harness_tui.port.commands import CancelRun, ReplanDag

from .graphs import MODEL, Says, graph, offline, until

HERE = "tests.orchestrator.effects"
WIDER = PlannerSpec(call=f"{HERE}:wants_more")


def note(ident: str, *deps: str, **more: Any) -> Job:
    return Job(ident, deps, call=f"{HERE}:note", risk="idempotent", **more)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("word", ["approved", "denied"])
async def test_a_wider_plan_waits_for_a_word(home: Paths, tmp_path: Path, word: str, restarted: bool) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(note("a"), planner=WIDER)
        asked = await here.asked("plan")
        assert asked.risk == "high"
        assert any("wider" in fact.value for fact in asked.facts)
        assert asked.paper
        if restarted:
            await here.restart()
            again = await here.asked("plan")
            assert (again.id, again.digest) == (asked.id, asked.digest)
        assert here.done() == ["a#1"]
        await here.decide(asked, word, reason="because")
        row = await here.ended()
        assert (row.state, row.exit) == ("succeeded", 0), row.reason
        assert here.done() == (["a#1", "wider#1"] if word == "approved" else ["a#1"])
        s = await here.state()
        assert s.replans <= 2 + (word == "denied")
        if word == "denied":
            assert [each.reason for each in await here.events(ev.PlanRefused)] == ["because"]
    here.sound()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_wider_plan_expires(home: Paths, tmp_path: Path, restarted: bool) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(note("a"), planner=WIDER, approval_life=0.6)
        await here.asked("plan")
        if restarted:
            await here.restart()
        row = await here.ended()
        assert row.state == "succeeded"
        assert [each.reason for each in await here.events(ev.PlanRefused)] == ["nobody decided in time"]
        assert here.done() == ["a#1"]
    here.sound()


async def test_a_wider_plan_is_withdrawn_when_the_run_ends(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(note("a"), planner=WIDER)
        asked = await here.asked("plan")
        await here.send(CancelRun(uid, "ada", "enough"))
        row = await here.ended()
        assert (row.state, row.exit) == ("cancelled", 8)
        assert here.engine.journal.views.approvals[asked.id].state == "withdrawn"
    here.sound()


async def test_a_planner_is_asked_as_often_as_it_may_be(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        await here.start(note("a"), planner=PlannerSpec(call=f"{HERE}:never_content"), max_replans=3)
        row = await here.ended()
        assert (row.state, row.jobs["all"]) == ("succeeded", 4)
        assert here.done() == ["a#1", "more2#1", "more1#1", "more0#1"]
        assert [each.number for each in await here.events(ev.PlannerStarted)] == [1, 2, 3]
    here.sound()


async def test_what_an_operator_put_there_no_planner_changes(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(note("a"), Job("gate", gate="Go?"), planner=PlannerSpec(call=f"{HERE}:meddles"))
        await here.reaches("a", "succeeded")
        await here.send(ReplanDag(uid, "ada", (note("mine", "gate", title="as I want it"),)))
        await here.send(ReplanDag(uid, "ada"))
        await until(lambda: here.engine._dags.driver(uid) and not here.engine._dags.driver(uid).state.planning)
        assert here.job("mine").spec.title == "as I want it"
        await here.decide(await here.asked("gate"), "approved")
        row = await here.ended()
        s = await here.state()
        assert s.jobs["mine"].spec.title == "as I want it"
        assert s.jobs["mine"].by == "operator:ada"
        ends = [each.error for each in await here.events(ev.PlannerEnded) if each.error]
        assert ends and "operator:ada" in ends[0]
        assert row.jobs["succeeded"] == 3
    here.sound()


async def test_only_one_change_at_a_time_and_none_that_cannot_be(home: Paths, tmp_path: Path) -> None:
    async with graph(home, tmp_path) as here:
        uid = await here.start(Job("gate", gate="Go?"), note("a", "gate"), planner=WIDER)
        gate = await here.asked("gate")
        await here.send(ReplanDag(uid, "ada"))
        asked = await here.asked("plan")
        for word in (ReplanDag(uid, "ada"), ReplanDag(uid, "ada", (note("b"),))):
            with pytest.raises(UsageError, match="being changed already"):
                await here.send(word)
        await here.decide(asked, "denied")
        for jobs, said in (
            ((note("b", "nowhere"),), "depends on nowhere"),
            ((note("gate", "a"),), "circle"),
            ((note("b", uses={"db": 5}),), "could never start"),
        ):
            with pytest.raises(UsageError, match=said):
                await here.send(ReplanDag(uid, "ada", jobs))
        with pytest.raises(UsageError, match="no job b"):
            await here.send(ReplanDag(uid, "ada", drop=("b",)))
        await here.decide(gate, "approved")
        assert (await here.ended()).state == "succeeded"
        assert here.done() == ["a#1"]
    here.sound()


class Plans(Says):
    """A planner of the kind that never comes to an end."""

    async def stream(self, request: ModelRequest) -> Any:
        await asyncio.sleep(3600)
        async for each in super().stream(request):
            yield each


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_agent_that_plans_ends_with_its_run(home: Paths, tmp_path: Path, restarted: bool) -> None:
    before = worlds.model
    offline(Plans)
    try:
        async with graph(home, tmp_path) as here:
            uid = await here.start(note("a"), planner=PlannerSpec(prompt="Plan."), models={"main": MODEL})
            await until(lambda: "@planner#1" in here.children)
            if restarted:
                await here.restart()
            await here.send(CancelRun(uid, "ada", "enough"))
            row = await here.ended()
            assert (row.state, row.exit) == ("cancelled", 8)
            assert here.children["@planner#1"].state == "cancelled"
            assert list(here.children) == ["@planner#1"]
        here.sound()
    finally:
        worlds.model = before
