"""The kill switch through the real engine: runs in every state end, and nothing happens once it has answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Delta, ModelRequest
from harness_tui.domain.task import ModelSpec, RunSpec, Service, TaskFile
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import CancelAll, SetBudget, StartRun
from tests.agent.worlds import Cents, FakeWorld, ScriptedModel, call, say

from .test_engine import asked, decide, until


class Floor:
    """What all runs of one test do, by their prompt; `gate` holds whoever is in a model call or in a tool."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.called: list[str] = []
        self.done: list[str] = []
        self.began = 0

    def model(self, spec: RunSpec, *_: Any) -> ScriptedModel:
        kind = spec.task.prompt

        async def held(request: ModelRequest) -> Answer:
            self.began += 1
            await self.gate.wait()
            return call("look")

        def busy(request: ModelRequest) -> Answer:
            raise ModelError("The endpoint is busy.", kind="retry", retry_after=2.0 if kind == "retrying" else 600.0)

        script = {
            "in a model call": [held],
            "waiting for an approval": [call("poke")],
            "in a tool": [call("look")],
            "in a consequential tool": [call("poke")],
        }.get(kind, [busy])
        first = script[0]

        async def counted(request: ModelRequest) -> Answer:
            self.called.append(kind)
            result = first(request) if callable(first) else first
            return await result if asyncio.iscoroutine(result) else result

        return ScriptedModel(counted, say("over"), price=Cents())

    def environment(self, spec: RunSpec, session: str, *_: Any, **__: Any) -> FakeWorld:
        async def perform(_: Any) -> None:
            self.began += 1
            await self.gate.wait()
            self.done.append(spec.task.prompt)

        return FakeWorld(session, {"perform": perform})


@pytest.fixture
def floor(monkeypatch: pytest.MonkeyPatch) -> Floor:
    made = Floor()
    monkeypatch.setattr(worlds, "model", made.model)
    monkeypatch.setattr(worlds, "environment", made.environment)
    return made


KINDS = (
    "in a model call",
    "waiting for an approval",
    "in a tool",
    "in a consequential tool",
    "retrying",
    "waiting for the model",
)


async def busy(engine: Engine, floor: Floor) -> dict[str, str]:
    """One run of each kind, brought to where its name says; the id by kind."""
    runs = {}
    for kind in KINDS:
        task = TaskFile(kind, tools=("look", "poke"))
        runs[kind] = (await engine.send(StartRun(RunSpec(task, ModelSpec("test", "scripted"))))).id

    async def arrived() -> bool:
        for request in await engine.approvals():
            if request.run == runs["in a consequential tool"]:
                await engine.send(decide(request))
        rows = {row.id: row for row in await engine.runs()}
        states = [rows[runs[kind]].state for kind in KINDS]
        return floor.began == 3 and states[1] == "waiting" and states[4:] == ["retrying", "waiting"]

    await until(arrived)
    return runs


def held(engine: Engine) -> list[int]:
    views, accounts = engine.journal.views, engine._ledger.accounts
    rows = [amount for row in views.budgets.values() for amount in (row.held, row.usd_held)]
    return [*rows, *(amount for a in accounts.values() for amount in (a.held, a.usd_held))]


async def quiet() -> None:
    for _ in range(200):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


async def test_cancel_all_ends_runs_in_every_state(
    tmp_path: Path, floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_tui.agent.driver.SETTLE_GRACE", 0.05)
    engine = await Engine.open(Paths(tmp_path / "h"))
    try:
        runs = await busy(engine, floor)
        reply = await engine.send(CancelAll("me", "enough"))
        assert reply.text == "6 runs are being cancelled."
        calls, done = list(floor.called), list(floor.done)
        floor.gate.set()

        async def over() -> bool:
            return all(not row.open for row in await engine.runs())

        await until(over)
        await quiet()
        rows = {row.id: row for row in await engine.runs()}
        assert {kind: (rows[uid].state, rows[uid].exit) for kind, uid in runs.items()} == dict.fromkeys(
            KINDS, ("cancelled", 8)
        )
        assert (floor.called, floor.done) == (calls, done) == (calls, []), "nothing happens after the answer"
        assert not any(held(engine)), "every hold is settled or released"
        doubts = [a for a in await engine.approvals() if a.kind == "in_doubt"]
        assert [a.run for a in await engine.approvals() if a.kind != "in_doubt"] == []
        assert [a.run for a in doubts] in ([], [runs["in a consequential tool"]])
        assert (await engine.send(CancelAll("me"))).text == "No run is open."
    finally:
        await engine.close(now=True)


async def test_a_stop_now_halts_everything_and_the_next_engine_goes_on(tmp_path: Path, floor: Floor) -> None:
    paths = Paths(tmp_path / "h")
    engine = await Engine.open(paths)
    runs = await busy(engine, floor)
    calls = list(floor.called)
    await engine.close(now=True)
    floor.gate.set()
    await quiet()
    assert floor.called == calls
    assert floor.done == [], "no effect outlives the engine that started it"
    assert [row.open for row in engine.journal.views.runs.values() if row.kind == "agent"] == [True] * len(runs)
    again = await Engine.open(paths)
    try:
        rows = {row.id: row for row in await again.runs()}
        assert set(rows) == set(runs.values())

        async def doubted() -> Any:
            return [a for a in await again.approvals() if a.kind == "in_doubt"]

        (doubt,) = await until(doubted)
        assert doubt.run == runs["in a consequential tool"], "an effect without a result is never repeated by itself"
        await again.send(CancelAll("me"))

        async def over() -> bool:
            return all(not row.open for row in await again.runs())

        await until(over)
        assert not any(held(again))
    finally:
        await again.close(now=True)


async def test_a_run_that_cannot_be_set_up_does_not_hold_the_switch(
    tmp_path: Path, floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its service is gone, so it was halted before it was even loaded; it is cancelled like every other."""
    paths = Paths(tmp_path / "h")
    engine = await Engine.open(paths)
    spec = RunSpec(TaskFile("waiting for an approval", tools=("poke",)), ModelSpec("test", "scripted"))
    await engine.send(StartRun(spec))
    await asked(engine)
    await engine.close(now=True)
    broken = RunSpec(spec.task, spec.model, service=Service(("/nonexistent/site",), "http://127.0.0.1:9/"))

    async def spec_of(self: Any, uid: str) -> RunSpec:
        return broken

    monkeypatch.setattr("harness_tui.engine.supervisor.Supervisor._spec", spec_of)
    monkeypatch.setattr("harness_tui.engine.supervisor.RETRY_HALTED", 0.01)
    again = await Engine.open(paths)
    try:
        async with asyncio.timeout(60):
            assert (await again.send(CancelAll("me"))).text == "1 run is being cancelled."

        async def over() -> bool:
            return all(not row.open for row in await again.runs())

        await until(over)
    finally:
        await again.close(now=True)


async def test_at_whatever_moment_it_comes_nothing_follows_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy run is killed after each number of its events, at once and a step of the event loop or two later."""
    did: list[str] = []

    class Restless(ScriptedModel):
        async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
            did.append("model")
            await asyncio.sleep(0)
            yield call("look")

    world = {"perform": lambda _: did.append("tool")}
    monkeypatch.setattr(worlds, "model", lambda *_: Restless(price=Cents()))
    monkeypatch.setattr(worlds, "environment", lambda spec, session, *_, **__: FakeWorld(session, world))
    engine = await Engine.open(Paths(tmp_path / "h"))
    spec = RunSpec(TaskFile("x", tools=("look",)), ModelSpec("test", "scripted"))
    try:
        for events in range(2, 22):
            for steps in range(3):
                run = (await engine.send(StartRun(spec))).id
                while engine.journal.head(f"{run}/1") < events:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                for _ in range(steps):
                    await asyncio.sleep(0)
                await engine.send(CancelAll("me"))
                before = list(did)

                async def over(run: str = run) -> bool:
                    return not (await engine.run(run)).open

                await until(over)
                assert did == before, (events, steps)
                assert (await engine.run(run)).state == "cancelled", (events, steps)
                assert not any(held(engine)), (events, steps)
        assert {"model", "tool"} <= set(did)
    finally:
        await engine.close(now=True)


async def test_a_run_that_is_still_starting_is_ended_too(
    tmp_path: Path, floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await Engine.open(Paths(tmp_path / "h"))
    up, starting = asyncio.Event(), asyncio.Event()

    async def ensure(run: str, service: Any) -> None:
        starting.set()
        await up.wait()

    monkeypatch.setattr(engine._services, "ensure", ensure)
    try:
        task = asyncio.create_task(engine.send(StartRun(RunSpec(TaskFile("in a tool"), ModelSpec("test", "scripted")))))
        await starting.wait()
        assert (await engine.send(CancelAll("me"))).text == "No run is open."
        up.set()
        run = (await task).id

        async def over() -> bool:
            return (await engine.run(run)).state == "cancelled"

        await until(over)
        assert floor.called == []
    finally:
        await engine.close(now=True)


async def test_limits_set_while_a_run_waits_hold_for_its_next_call(tmp_path: Path, floor: Floor) -> None:
    engine = await Engine.open(Paths(tmp_path / "h"))
    try:
        await busy(engine, floor)
        snapshot = await engine.snapshot()
        assert "day" not in {row.scope for row in snapshot.budgets}
        await engine.send(SetBudget("day", 5_000_000, None, "me"))
        limits = {row.scope: (row.limit, row.by) for row in (await engine.snapshot()).budgets if row.scope[:3] == "day"}
        assert set(limits.values()) == {(5_000_000, "me")}
        assert "day" in limits, "the limits of days to come are in the picture a console starts from"
    finally:
        await engine.close(now=True)
