"""Agent runs of a graph in the caller's own process: the same drivers, journal and rules as in an engine."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..agent.driver import Driver
from ..agent.kit import Kit
from ..domain.errors import UsageError
from ..domain.events import Envelope, RunStarted, Write, root_of
from ..domain.ledger import Ledger
from ..domain.money import from_usd
from ..domain.policy import may
from ..domain.seams import Clock, Environment, Model
from ..domain.task import PLAN_TOOLS, SHELL_TOOLS, RunSpec
from ..domain.views import RunRow
from ..journal.journal import Journal
from ..models.router import MAIN
from ..models.script import ScriptModel
from ..tools.box import Toolbox
from ..tools.environment import RunEnvironment
from ..tools.tool import Tool


class LocalRuns:
    """`orchestrator.kit.Runs` without an engine.

    Args:
        models: by role; None where the graph has no job that asks a model.
        state: a folder for what sandboxes need.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        ledger: Ledger,
        *,
        models: Mapping[str, Model],
        tools: Sequence[Tool[..., Any]],
        approval_id: Callable[[], str],
        day: Callable[[], str],
        state: Path,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._ledger = ledger
        self._models = models
        self._tools = tools
        self._approval_id = approval_id
        self._day = day
        self._state = state
        count = sum(row.kind != "attempt" for row in journal.views.runs.values())
        self._numbers = itertools.count(count + 1)
        self.drivers: dict[str, Driver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, Callable[[RunRow], None]] = {}
        journal.subscribe(self._heard)

    def next(self) -> str:
        """A fresh run id."""
        return f"r{next(self._numbers)}"

    async def start(self, spec: RunSpec) -> str:
        uid = self.next()
        budget = spec.task.budget
        self._ledger.limit(f"run:{uid}", budget.tokens, None if budget.usd is None else from_usd(budget.usd))
        specs = [tool.spec for tool in self._tools if tool.spec.name in spec.task.tools]
        await self._journal.append([Write(uid, 0, (RunStarted(spec, may(specs, spec.task.level)),))])
        self._go(uid, spec)
        return uid

    def _go(self, uid: str, spec: RunSpec) -> None:
        driver = Driver(uid, spec, self._kit(), restart=False)
        self.drivers[uid] = driver
        self._tasks[uid] = asyncio.create_task(self._drive(uid, driver))

    async def _drive(self, uid: str, driver: Driver) -> None:
        try:
            await driver.load()
            await driver.run()
        finally:
            self.drivers.pop(uid, None)

    async def recover(self) -> None:
        """Go on with agent runs that a dead process left open."""
        for row in [r for r in self._journal.views.runs.values() if r.kind == "agent" and r.open and r.job]:
            first = (await self._journal.stream(row.id, limit=1))[0].event
            assert isinstance(first, RunStarted)
            self._go(row.id, first.spec)

    async def ended(self, run: str) -> RunRow:
        if run in self._tasks:
            await asyncio.wait([self._tasks[run]])
            if error := self._tasks[run].exception():
                raise error
        return self._journal.views.runs[run]

    async def cancel(self, run: str, by: str, reason: str) -> bool:
        driver = self.drivers.get(run)
        if driver:
            await driver.cancel(by, reason)
        return driver is not None

    async def events(self, run: str) -> list[Envelope]:
        found: list[Envelope] = []
        while more := await self._journal.tail(after=found[-1].pos if found else 0, root=run, limit=1000):
            found += more
        return found

    def of(self, dag: str) -> dict[str, RunRow]:
        return {row.job: row for row in self._journal.views.runs.values() if row.job and row.parent == dag}

    def watch(self, run: str, told: Callable[[RunRow], None]) -> None:
        self._told[run] = told

    async def close(self) -> None:
        """Leave them where they are."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _heard(self, batch: Sequence[Envelope]) -> None:
        if self._told:
            for run in {root_of(envelope.run) for envelope in batch}.intersection(self._told):
                self._told[run](self._journal.views.runs[run])

    def _kit(self) -> Kit:
        return Kit(
            log=self._journal,
            clock=self._clock,
            ledger=self._ledger,
            model=self._model,
            environment=self._environment,
            approval_id=self._approval_id,
            random=random.random,
            day=self._day,
        )

    def _model(self, spec: RunSpec, role: str = MAIN) -> Model:
        if spec.script and role == MAIN:
            return ScriptModel(spec.script)
        found = self._models.get(spec.model.model) or self._models.get(role) or self._models.get(MAIN)
        if found is None:
            raise UsageError("This graph asks a model, and there is none.", "Give one: Orchestrator(model=...)")
        return found

    def _environment(self, spec: RunSpec, session: str) -> Environment:
        boxes: list[Toolbox] = [Toolbox(self._tools)]
        if set(spec.task.tools).intersection(PLAN_TOOLS):
            from ..tools.plan import PlanBox  # its tools read their signatures when it is imported, with pydantic

            boxes.append(PlanBox())
        held = None
        if set(spec.task.tools).intersection(SHELL_TOOLS):
            from ..sandbox.choose import choose
            from ..tools.shell.box import ShellBox

            held = choose(
                spec.task.sandbox,
                Path(spec.workspace or "."),
                state=(self._state,),
                scratch=self._state / "scratch",
                run=root_of(session).partition(".")[0],
                level=spec.task.level,
                acts="shell_exec" in spec.task.tools,
            )
            boxes.append(ShellBox(held, scripted=spec.script is not None))
        return RunEnvironment(boxes, level=spec.task.level, offered=spec.task.tools, sandbox=held, planned=spec.script)
