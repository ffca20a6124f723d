"""Whole demo runs in one engine, several at a time: what each ended with, and what its site's own table says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import psutil

from harness_tui.cli.tours import may_approve
from harness_tui.config.paths import Paths
from harness_tui.demo import tour
from harness_tui.demo.stories import stories
from harness_tui.domain.errors import ApprovalError
from harness_tui.domain.events import ApprovalRequested, RunFinished, root_of
from harness_tui.domain.task import RunSpec
from harness_tui.domain.views import RunRow
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import Decide, StartRun
from harness_tui.tools.environment import RunEnvironment

AT_A_TIME = 3
PATIENCE = {"slow": 0.7}
"""Seconds a page may take, by variant; only a site that never answers is worth less than the usual."""


@dataclass(frozen=True)
class Tour:
    """One finished run; `voted` are the stories this run voted for, as the site itself keeps them."""

    row: RunRow
    first: str
    voted: list[str]


def impatient(patience: float) -> Any:
    """`worlds.environment` with pages that get `patience` seconds, once their browser is open."""
    usual = worlds.environment

    def environment(spec: RunSpec, *rest: Any, **more: Any) -> RunEnvironment:
        world = usual(spec, *rest, **more)
        assert isinstance(world, RunEnvironment) and world._browser is not None
        box, opened = world._browser, world._browser.open
        box._patience = patience

        async def open() -> None:
            await opened()
            box._there.patience = PATIENCE.get(spec.service.argv[-1], patience) if spec.service else patience

        box.open = open  # type: ignore[method-assign]
        return world

    return environment


@contextlib.asynccontextmanager
async def deciding(engine: Engine) -> AsyncIterator[None]:
    """Approve as `demo --yes` does, for every run of this engine."""

    async def decide() -> None:
        async for batch in engine.batches(0):
            for wire in batch.events:
                event = wire.open().event
                if isinstance(event, ApprovalRequested):
                    row = engine.journal.views.approvals[event.id]
                    driver = engine._supervisor.driver(root_of(wire.run))
                    if driver and may_approve(row, driver.spec):
                        with contextlib.suppress(ApprovalError):
                            await engine.send(Decide(row.id, row.digest, "approved", by="--yes"))

    task = asyncio.create_task(decide())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended(engine: Engine, run: str) -> RunRow:
    """Wait until the run is over."""
    async for batch in engine.batches(0):
        for wire in batch.events:
            if wire.run == run and isinstance(wire.open().event, RunFinished):
                return await engine.run(run)
    raise AssertionError("the engine closed before the run was over")


async def take(paths: Paths, wanted: Iterable[tuple[int, str]]) -> tuple[dict[tuple[int, str], Tour], list[str]]:
    """Run every (stage, variant); returns the tours, and what the journal's own check finds wrong."""
    engine = await Engine.open(paths)
    room = asyncio.Semaphore(AT_A_TIME)
    tours: dict[tuple[int, str], Tour] = {}

    async def one(stage: int, variant: str) -> None:
        async with room:
            spec = tour.prepare(paths, stage=stage, variant=variant)
            row = await ended(engine, (await engine.send(StartRun(spec))).id)
        voted = [vote["story"] for vote in tour.votes(spec) if vote["at"] >= row.started]
        tours[stage, variant] = Tour(row, stories()[0]["id"], voted)

    async with deciding(engine), asyncio.TaskGroup() as group:
        for stage, variant in wanted:
            group.create_task(one(stage, variant))
    problems = await engine.journal.check()
    await engine.close()
    return tours, problems


def children() -> list[str]:
    """Command lines of everything this process started that still runs."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(child.cmdline()))
    return found
