"""Library use: a graph of jobs in the caller's own process, durable in a journal file, resumed from it."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..agent.functions import load
from ..agent.loop import World
from ..config.clock import SystemClock
from ..domain.dag import steer
from ..domain.dag.graph import Dag
from ..domain.dag.settle import Room
from ..domain.dag.spec import CONCURRENCY, MAX_REPLANS, DagSpec, Job, Limits, PlannerSpec
from ..domain.dag.state import DagState, JobState
from ..domain.errors import UsageError
from ..domain.events import ApprovalRequested, Envelope, root_of
from ..domain.inputs import Decided
from ..domain.ledger import Ledger
from ..domain.money import from_usd, to_usd
from ..domain.redaction import Redaction
from ..domain.seams import Model
from ..domain.task import Level, ModelSpec
from ..domain.views import ApprovalRow
from ..journal.blobs import BlobStore
from ..journal.journal import Journal
from ..tools.tool import Tool
from .answers import Answers
from .driver import DagDriver
from .kit import DagKit, Function
from .local import LocalRuns

Approve = Callable[[ApprovalRow], bool]
"""Decides one request; it sees what a card shows."""


class JobReport(msgspec.Struct, frozen=True):
    """One job: states as in `dag run --output-format json`, times in seconds since the run's start."""

    state: str
    attempts: int
    started: float | None
    finished: float | None
    error: str | None
    visits: int = 1
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. `answer(job)` reads what a job answered."""

    run: str
    state: str
    reason: str
    jobs: dict[str, JobReport]
    tokens: int
    usd: float | None
    exit: int
    answers: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Orchestrator:
    """Runs graphs of jobs.

    Args:
        model: asked by `prompt` jobs and a prompting planner; `models`: others, by the name jobs give.
        tools: `@tool` functions that jobs may use.
        functions: what `call` jobs, routers and planners name, beside `module:function`.
        approve: decides gates, wider plans and calls that ask; without it they are denied.
        answers: job ids whose answers the report holds; None = those nobody depends on.
    """

    model: Model | None = None
    tools: Sequence[Tool[..., Any]] = ()
    functions: Mapping[str, Function] = field(default_factory=dict)
    approve: Approve | None = None
    models: Mapping[str, Model] = field(default_factory=dict)
    concurrency: int = CONCURRENCY
    resources: Mapping[str, int] = field(default_factory=dict)
    budget: Limits = field(default_factory=Limits)
    planner: PlannerSpec | None = None
    max_replans: int = MAX_REPLANS
    level: Level = "L2"
    answers: Sequence[str] | None = None

    async def run(self, dag: Dag | Iterable[Job], world: World | None = None, *, goal: str = "") -> Report:
        """Run to the end. Raises UsageError for a graph that cannot be run, before anything is spent."""
        dag = dag if isinstance(dag, Dag) else Dag.from_jobs(dag)
        world = world or World()
        spec = self._spec(world, goal)
        async with _Process(self, world) as process:
            uid = process.runs.next()
            limits = spec.budget
            process.ledger.limit(f"run:{uid}", limits.tokens, None if limits.usd is None else from_usd(limits.usd))
            driver = DagDriver(uid, process.kit)
            await driver.begin(spec, dag, {})
            return await process.drive(driver)

    async def resume(self, world: World, run: str = "") -> Report:
        """Go on with a run a dead process left open ("" = the newest), or tell how it ended."""
        async with _Process(self, world) as process:
            found = [row.id for row in process.journal.views.runs.values() if row.kind == "dag"]
            if not found or (run and run not in found):
                raise UsageError(f"There is no run {run} in this journal." if run else "This journal has no graph.")
            await process.runs.recover()
            uid = run or max(found, key=lambda ident: int(ident[1:]))
            return await process.drive(DagDriver(uid, process.kit))

    async def retry(self, world: World, run: str, job: str = "", feedback: str = "") -> Report:
        """Do a job anew and what follows from it, or everything that failed (""); what stands is reused."""
        async with _Process(self, world) as process:
            driver = DagDriver(run, process.kit)
            await driver.reopen(steer.Retry("program", job, feedback))
            return await process.drive(driver)

    def _spec(self, world: World, goal: str) -> DagSpec:
        return DagSpec(
            goal=goal,
            concurrency=self.concurrency,
            resources=dict(self.resources),
            budget=self.budget,
            models={name: ModelSpec("in-process", model.name) for name, model in self._models().items()},
            planner=self.planner,
            max_replans=self.max_replans,
            level=self.level,
            workspace=os.path.abspath(world.workspace),
            in_process=True,
        )

    def _models(self) -> dict[str, Model]:
        return {**({"main": self.model} if self.model else {}), **self.models}


class _Process:
    """An open journal with what a graph needs around it."""

    def __init__(self, own: Orchestrator, world: World) -> None:
        self._own = own
        self._world = world
        self.clock = SystemClock()
        self.ledger = Ledger()
        self._deciding: set[asyncio.Task[bool]] = set()
        self._driver: DagDriver | None = None

    async def __aenter__(self) -> _Process:
        self.journal = await Journal.open(self._world.journal, self.clock)
        self._temporary = tempfile.TemporaryDirectory() if self._world.journal is None else None
        folder = Path(self._temporary.name) if self._temporary else Path(f"{self._world.journal}.files")
        numbers = itertools.count(len(self.journal.views.approvals) + 1)
        self.runs = LocalRuns(
            self.journal,
            self.clock,
            self.ledger,
            models=self._own._models(),
            tools=self._own.tools,
            approval_id=lambda: f"A-{next(numbers)}",
            day=lambda: datetime.date.today().isoformat(),
            state=folder,
        )
        self.kit = DagKit(
            log=self.journal,
            clock=self.clock,
            blobs=BlobStore(folder / "blobs"),
            redaction=Redaction(),
            runs=self.runs,
            room=self._room,
            approval_id=lambda: f"A-{next(numbers)}",
            load=lambda named: load(named, Path("/nonexistent")),
            functions=self._own.functions,
        )
        self._stop = self.journal.subscribe(self._heard)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()
        await self.runs.close()
        await self.journal.close()
        if self._temporary:
            self._temporary.cleanup()

    async def drive(self, driver: DagDriver) -> Report:
        self._driver = driver
        await driver.run()
        return await self._report(driver.state)

    def _room(self, uid: str, spec: DagSpec) -> Room:
        account = self.ledger.account(f"run:{uid}")
        tokens = account.left if account.limit else None
        return Room(tokens, None if account.usd_limit is None else account.usd_left, uid)

    def _heard(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            if type(envelope.event) is ApprovalRequested:
                row = self.journal.views.approvals[envelope.event.id]
                yes = bool(self._own.approve and self._own.approve(row))
                reason = "" if self._own.approve else "no approve callback was given"
                word = Decided(row.id, "approved" if yes else "denied", "program", row.digest, reason)
                task = asyncio.ensure_future(self._decide(root_of(envelope.run), word))
                self._deciding.add(task)
                task.add_done_callback(self._deciding.discard)

    async def _decide(self, run: str, word: Decided) -> bool:
        waits = self.runs.drivers.get(run) or self._driver
        return waits is not None and await waits.decide(word)

    async def _report(self, s: DagState) -> Report:
        row = self.journal.views.runs[s.uid]
        answers = Answers(self.kit)
        wanted = self._own.answers
        ends = [ident for ident in s.jobs if not s.dag.dependents[ident]] if wanted is None else wanted
        good = [ident for ident in ends if s.jobs[ident].good]
        return Report(
            run=s.uid,
            state=row.state,
            reason=row.reason,
            jobs={ident: _job(job) for ident, job in s.jobs.items()},
            tokens=row.usage.total,
            usd=to_usd(row.money),
            exit=row.exit,
            answers={ident: (await answers.of(s.jobs[ident])).value for ident in good},
        )


def _job(job: JobState) -> JobReport:
    began, ended = job.started, job.ended
    return JobReport(
        job.state,
        job.attempts,
        None if began is None else began / 1_000_000,
        None if ended is None else ended / 1_000_000,
        job.error or None,
        job.visits,
        job.reused,
    )
