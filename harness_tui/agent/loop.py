"""Library use: one agent run in the caller's own process, on the same machines, journal and rules as the program."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.clock import SystemClock
from ..domain.errors import ApprovalError
from ..domain.events import ApprovalRequested, Envelope, RunStarted, Write
from ..domain.fold import Views
from ..domain.inputs import Decided
from ..domain.ledger import Ledger
from ..domain.messages import Usage
from ..domain.money import from_usd, to_usd
from ..domain.policy import may
from ..domain.seams import Environment, Model
from ..domain.task import Budget, Guardrails, Level, ModelSpec, RunSpec, TaskFile
from ..domain.views import ApprovalRow
from ..journal.journal import Journal
from ..models.router import MAIN
from ..tools.box import Toolbox
from ..tools.environment import RunEnvironment
from ..tools.tool import Tool
from .driver import Driver
from .guardrails import Guardrail
from .kit import Kit

Approve = Callable[[ApprovalRow], bool]
"""Decides one request; it sees what a card shows."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done. The limits are those of a task file."""

    prompt: str
    level: Level = "L2"
    budget_tokens: int = Budget().tokens
    budget_usd: float | None = None
    max_iterations: int = Guardrails().max_iterations
    max_messages: int = Guardrails().max_messages


@dataclass(frozen=True, slots=True)
class World:
    """Where it is done: the workspace it is filed under and the journal file (None: in memory)."""

    workspace: str = "."
    journal: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended; the same words as `harness-tui run --output-format json`."""

    run: str
    state: str
    answer: str
    claim: str
    verified: bool | None
    reason: str
    stopped_by: str
    iterations: int
    tools: list[str]
    tokens: Usage
    usd: float | None
    exit: int


@dataclass(slots=True)
class AgentLoop:
    """Runs tasks with one model and a set of `@tool` functions.

    Args:
        approve: decides calls that ask (L2: destructive and network tools); without it they are denied.
        guardrails: more guardrails, after the task's own.
        roles: models of named roles (`compactor`, `judge`); any other role is `model`.
    """

    model: Model
    tools: Sequence[Tool[..., Any]] = ()
    approve: Approve | None = None
    guardrails: tuple[Guardrail, ...] = field(default=())
    roles: Mapping[str, Model] = field(default_factory=dict)

    async def run(self, task: Task, world: World | None = None) -> Result:
        """Run to the end. Raises SetupError when the journal cannot be written; everything else is in the result."""
        world = world or World()
        clock = SystemClock()
        journal = await Journal.open(world.journal, clock)
        try:
            uid = f"r{sum(r.kind == 'agent' for r in journal.views.runs.values()) + 1}"
            driver = Driver(uid, self._spec(task, world), self._kit(journal, clock), restart=False)
            usd = None if task.budget_usd is None else from_usd(task.budget_usd)
            driver.kit.ledger.limit(f"run:{uid}", task.budget_tokens, usd)
            started = RunStarted(driver.spec, may([t.spec for t in self.tools], task.level))
            await journal.append([Write(uid, 0, (started,))])
            stop = journal.subscribe(lambda batch: self._decide(driver, journal.views, batch))
            try:
                await driver.load()
                await driver.run()
            finally:
                stop()
            return _result(journal.views, uid)
        finally:
            await journal.close()

    def _spec(self, task: Task, world: World) -> RunSpec:
        file = TaskFile(
            prompt=task.prompt,
            tools=tuple(t.spec.name for t in self.tools),
            level=task.level,
            budget=Budget(tokens=task.budget_tokens, usd=task.budget_usd),
            guardrails=Guardrails(task.max_iterations, task.max_messages),
        )
        model = ModelSpec(api="in-process", model=self.model.name)
        workspace = str(Path(world.workspace).absolute())
        return RunSpec(task=file, model=model, workspace=workspace, attempts=1, in_process=True)

    def _kit(self, journal: Journal, clock: SystemClock) -> Kit:
        numbers = itertools.count(len(journal.views.approvals) + 1)

        def environment(spec: RunSpec, session: str) -> Environment:
            return RunEnvironment((Toolbox(self.tools),), level=spec.task.level)

        return Kit(
            log=journal,
            clock=clock,
            ledger=Ledger(),
            model=lambda _, role=MAIN: self.roles.get(role, self.model),
            environment=environment,
            approval_id=lambda: f"A-{next(numbers)}",
            random=random.random,
            day=lambda: datetime.date.today().isoformat(),
            guardrails=self.guardrails,
        )

    def _decide(self, driver: Driver, views: Views, batch: list[Envelope]) -> None:
        for envelope in batch:
            if isinstance(envelope.event, ApprovalRequested):
                row = views.approvals[envelope.event.id]
                yes = bool(self.approve and self.approve(row))
                reason = "" if self.approve else "no approve callback was given"
                word = Decided(row.id, "approved" if yes else "denied", "program", row.digest, reason)
                task = asyncio.ensure_future(driver.decide(word))
                _DECIDING.add(task)
                task.add_done_callback(_DECIDING.discard)


_DECIDING: set[asyncio.Future[bool]] = set()
"""Decisions on their way; asyncio keeps only weak references to tasks."""


def _result(views: Views, uid: str) -> Result:
    row = views.runs[uid]
    if row.open:
        raise ApprovalError(f"{uid} waits for {row.waits}.")
    return Result(
        run=uid,
        state=row.state,
        answer=row.answer,
        claim=row.claim,
        verified=row.verified,
        reason=row.reason,
        stopped_by=row.stopped_by,
        iterations=row.iterations,
        tools=row.tools,
        tokens=row.usage,
        usd=to_usd(row.money),
        exit=row.exit,
    )
