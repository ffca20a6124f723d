"""Budgets through the real engine: many runs race one day's limit; limits and the kill switch outlive the engine."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.errors import UsageError
from harness_tui.domain.messages import Answer, Usage
from harness_tui.domain.money import NANO
from harness_tui.domain.task import Budget, ModelSpec, RunSpec, TaskFile
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import CancelAll, SetBudget, StartRun
from tests.agent.worlds import Cents, call, say

from .test_engine import Stage, asked, ended, engine, stage, until

__all__ = ["engine", "stage"]


def spec(prompt: str = "do it", **budget: Any) -> RunSpec:
    return RunSpec(TaskFile(prompt, tools=(), budget=Budget(**budget)), ModelSpec("scripted", "big"), attempts=1)


def chatter(seed: int) -> list[Any]:
    """Some turns that take a while and cost what they cost."""
    dice = random.Random(seed)

    def turn(last: bool) -> Any:
        usage = Usage(dice.randrange(200, 900), dice.randrange(10, 200))

        async def later(_: Any) -> Answer:
            await asyncio.sleep(dice.random() / 200)
            return say("done", usage) if last else call("look", usage)

        return later

    return [turn(False) for _ in range(4)] + [turn(True)]


@pytest.mark.parametrize("limit", [{"tokens": 30_000, "usd": None}, {"tokens": 0, "usd": 400 * NANO}])
async def test_runs_that_race_never_overspend_the_day_together(
    engine: Engine, stage: Stage, limit: dict[str, Any]
) -> None:
    stage.price = Cents()
    await engine.send(SetBudget("day", limit["tokens"], limit["usd"], "me"))
    stage.script = chatter(1)
    runs = [(await engine.send(StartRun(spec()))).id for _ in range(12)]
    rows = [await ended(engine, run) for run in runs]
    (day,) = [row for scope, row in engine.journal.views.budgets.items() if scope.startswith("day:")]
    assert (day.held, day.usd_held) == (0, 0)
    assert day.spent == sum(row.usage.total for row in rows)
    assert day.usd == sum(row.usd for row in rows)
    assert not limit["tokens"] or day.spent <= limit["tokens"]
    assert limit["usd"] is None or day.usd <= limit["usd"]
    stopped = [row for row in rows if row.stopped_by == "budget"]
    assert stopped, "the limit was meant to be reached"
    assert all(row.exit == 3 and "day" in row.reason for row in stopped)


async def test_limits_are_kept_and_a_raised_one_lets_runs_go_on(tmp_path: Path, stage: Stage) -> None:
    paths = Paths(tmp_path / "h")
    first = await Engine.open(paths)
    await first.send(SetBudget("day", 500, None, "me"))
    stage.script = [say("42", Usage(100, 20))]
    assert (await ended(first, (await first.send(StartRun(spec()))).id)).exit == 3
    await first.close()
    second = await Engine.open(paths)
    assert (await ended(second, (await second.send(StartRun(spec()))).id)).exit == 3, "the limit outlived the engine"
    await second.send(SetBudget("day", 0, None, "me"))
    assert (await ended(second, (await second.send(StartRun(spec()))).id)).exit == 0
    assert await second.journal.check() == []
    await second.close()


async def test_a_limit_is_of_something_that_can_have_one(engine: Engine, stage: Stage) -> None:
    for scope in ("week", "run:r9", "run", "day:2026-01-01"):
        with pytest.raises(UsageError):
            await engine.send(SetBudget(scope, 1, None, "me"))


async def _asks(engine: Engine, run: str) -> bool:
    return (await engine.run(run)).last == "asks the model"


async def test_the_kill_switch_ends_every_run_whatever_it_does(engine: Engine, stage: Stage) -> None:
    forever = asyncio.Event()

    async def never(_: Any) -> Answer:
        await forever.wait()
        return say("too late")

    stage.script = [never]
    asking = (await engine.send(StartRun(spec("asks the model")))).id
    await until(lambda: _asks(engine, asking))
    stage.script = [call("poke")]
    waiting = (await engine.send(StartRun(spec("waits for a decision")))).id
    await asked(engine)
    reply = await engine.send(CancelAll("me", "enough"))
    assert reply.text == "2 runs are being cancelled."
    rows = [await ended(engine, run) for run in (asking, waiting)]
    assert [(row.state, row.exit) for row in rows] == [("cancelled", 8)] * 2
    assert "done" not in stage.shared
    assert all(row.held == 0 for row in engine.journal.views.budgets.values())
    assert (await engine.send(CancelAll("me"))).text == "No run is open."
