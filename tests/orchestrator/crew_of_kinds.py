"""A graph's state made from its own events, and agent runs of its jobs in a real world without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness_tui.agent.driver import Driver
from harness_tui.agent.kit import Kit
from harness_tui.agent.spill import Spill
from harness_tui.config.paths import Paths
from harness_tui.config.vault import Stores
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.settle import Room, settle
from harness_tui.domain.dag.spec import DagSpec, Job
from harness_tui.domain.dag.state import DagState, JobState
from harness_tui.domain.errors import UsageError
from harness_tui.domain.events import Envelope, RunStarted, Write
from harness_tui.domain.ledger import Ledger
from harness_tui.domain.redaction import Redaction
from harness_tui.domain.rules import Rule
from harness_tui.domain.seams import Environment, Model
from harness_tui.domain.task import ModelSpec, RunSpec, SandboxTable
from harness_tui.domain.views import RunRow
from harness_tui.engine import worlds
from harness_tui.journal.blobs import BlobStore
from harness_tui.journal.journal import Journal
from harness_tui.models.router import MAIN
from harness_tui.orchestrator.kit import DagKit, Function
from tests.agent.worlds import ManualClock

MODEL = ModelSpec("test", "scripted")
PLAIN = SandboxTable(kind="none")
DIGEST = "d" * 64


def state_of(*jobs: Job, **more: Any) -> DagState:
    """A run with this plan, approved, whose ready jobs have started."""
    spec = DagSpec(**({"models": {"main": MODEL}, "sandbox": PLAIN, "goal": "ship it"} | more))
    s = DagState("r20")
    events: list[ev.Event] = [
        ev.DagStarted(spec),
        ev.PatchProposed(0, "operator", len(jobs)),
        ev.JobsPlanned(jobs),
        ev.PlanApplied(0, DIGEST, len(jobs)),
    ]
    for event in events:
        evolve(s, event)
    settle(s, 0, Room())
    return s


def started(*jobs: Job, **more: Any) -> tuple[DagState, JobState]:
    """(the run, its first job, at work)."""
    s = state_of(*jobs, **more)
    return s, s.jobs[jobs[0].id]


class Held:
    """Blobs in memory; `puts` counts what was written."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.puts = 0

    async def put(self, data: bytes, *, kind: str) -> str:
        import hashlib

        self.puts += 1
        sha = hashlib.sha256(data).hexdigest()
        self.kept[sha] = data
        return sha

    async def get(self, sha: str) -> bytes:
        return self.kept[sha]


def dag_kit(functions: Mapping[str, Function] | None = None, load: Callable[[str], Function] | None = None) -> DagKit:
    """The parts that kinds use; whatever else is touched fails."""

    def missing(named: str) -> Function:
        raise UsageError(f"There is no module {named}.")

    nothing: Any = None
    return DagKit(
        log=nothing,
        clock=nothing,
        blobs=Held(),
        redaction=Redaction(),
        runs=nothing,
        room=lambda *_: Room(5000, None, "r20"),
        approval_id=lambda: "A-1",
        load=load or missing,
        functions=functions or {},
    )


class Shop:
    """One agent run as an engine would run it: a real world, a real driver, a journal in memory."""

    def __init__(self, journal: Journal, home: Path, spec: RunSpec, model: Model | None, rules: Iterable[Rule]) -> None:
        self.journal, self.spec, self.clock = journal, spec, ManualClock()
        self.blobs = BlobStore(home / "blobs")
        self.ledger = Ledger()
        self.ledger.limit("run:r31", spec.task.budget.tokens)
        self._rules = tuple(rules)
        self._model = model
        paths = Paths(home)
        self._sources = worlds.Sources(
            Stores.of(home, {}), {}, self.blobs, paths=paths, clock=self.clock, rules=lambda: self._rules
        )
        self._asked = 0
        self.performs: Callable[[Any], Awaitable[Any]] | None = None

    def _kit(self) -> Kit:
        secrets = worlds.vault(self.spec, {}, self._sources)
        spill = Spill(self.blobs)

        def model(spec: RunSpec, role: str = MAIN) -> Model:
            return self._model or worlds.model(spec, secrets, self._sources, role)

        def world(spec: RunSpec, session: str) -> Environment:
            made = worlds.environment(spec, session, secrets, self._sources, spilled=spill.read)
            if self.performs:
                made.perform = self.performs  # type: ignore[method-assign]
            return made

        return Kit(
            log=self.journal,
            clock=self.clock,
            ledger=self.ledger,
            model=model,
            environment=world,
            approval_id=self._fresh,
            random=lambda: 0.5,
            day=lambda: "2026-01-01",
            spill=spill,
        )

    def _fresh(self) -> str:
        self._asked += 1
        return f"A-{self._asked}"

    async def start(self) -> tuple[Driver, asyncio.Task[None]]:
        await self.journal.append(
            [Write("r20", 0, (ev.DagStarted(DagSpec()),)), Write("r31", 0, (RunStarted(self.spec),))]
        )
        return await self.again()

    async def again(self) -> tuple[Driver, asyncio.Task[None]]:
        driver = Driver("r31", self.spec, self._kit(), restart=False)
        await driver.load()
        return driver, asyncio.create_task(driver.run())

    async def run(self) -> RunRow:
        """To the end."""
        _, task = await self.start()
        async with asyncio.timeout(60):
            await task
        return self.row

    async def kill(self, task: asyncio.Task[None]) -> None:
        """Leave the run where it is, as a stop that waits for nothing does."""
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.001)

    async def asks(self) -> Any:
        """The next open request."""
        async with asyncio.timeout(60):
            while True:
                for row in self.journal.views.approvals.values():
                    if row.open:
                        return row
                await asyncio.sleep(0.001)

    async def decide(self, driver: Driver, decision: Any) -> None:
        row = await self.asks()
        assert await driver.decide(inp.Decided(row.id, decision, "ada", row.digest))

    @property
    def row(self) -> RunRow:
        return self.journal.views.runs["r31"]

    async def events(self) -> list[Envelope]:
        return [*await self.journal.stream("r31"), *await self.journal.stream("r31/1")]
