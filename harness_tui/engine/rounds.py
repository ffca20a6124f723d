"""Rounds at work: one driver per round that is not over, started, recovered after a crash, and given its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import HarnessError
from ..domain.events import Envelope, LoopAdded, RunFinished, Write
from ..domain.loop.gate import Decide
from ..domain.loop.spec import LoopSpec, digest
from ..domain.redaction import Redaction
from ..domain.rules import Rule
from ..domain.seams import Blobs, Clock
from ..domain.task import RunSpec, SandboxTable
from ..domain.views import ApprovalRow, RunRow
from ..journal.journal import Journal
from ..loops import gates, work
from ..loops.kit import RoundKit
from ..loops.round import RoundDriver
from ..sandbox.base import Sandbox
from .supervisor import Supervisor

SandboxFor = Callable[[LoopSpec, SandboxTable, str], Sandbox]


class OwnRuns:
    """`loops.kit.Runs` over the supervisor."""

    def __init__(self, journal: Journal, supervisor: Supervisor, next_run: Callable[[], str]) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._next_run = next_run
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        journal.subscribe(self._heard)

    def _heard(self, batch: Sequence[Envelope]) -> None:
        for envelope in batch:
            if isinstance(envelope.event, RunFinished):
                for future in self._waiting.pop(envelope.run, ()):
                    if not future.done():
                        future.set_result(None)

    async def start(self, spec: RunSpec, first: Callable[[str], Write]) -> str:
        run = self._next_run()
        await self._supervisor.start(run, spec, {}, also=(first(run),))
        return run

    async def ended(self, run: str) -> RunRow:
        row = self._journal.views.runs[run]
        if row.open:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(run, []).append(future)
            await future
        return self._journal.views.runs[run]

    async def cancel(self, run: str, by: str, reason: str) -> bool:
        return await self._supervisor.cancel(run, by, reason)

    async def events(self, run: str) -> list[Envelope]:
        found: list[Envelope] = []
        while more := await self._journal.tail(after=found[-1].pos if found else 0, root=run, limit=1000):
            found += more
        return found


class Rounds:
    """Args: over: told when a round has ended, and again when its change was decided or carried out."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        blobs: Blobs,
        redaction: Redaction,
        runs: OwnRuns,
        *,
        state: Path,
        sandbox: SandboxFor,
        approval_id: Callable[[], str],
        rules: Callable[[], Sequence[Rule]],
        over: Callable[[str], Awaitable[None]],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._blobs = blobs
        self._redaction = redaction
        self._runs = runs
        self._state = state
        self._sandbox = sandbox
        self._approval_id = approval_id
        self._rules = rules
        self._over = over
        self._drivers: dict[str, RoundDriver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def driver(self, uid: str) -> RoundDriver | None:
        """The driver of a round that is not over."""
        return self._drivers.get(uid)

    def drive(self, uid: str, spec: LoopSpec) -> None:
        """Drive a round whose first event is on record."""
        driver = RoundDriver(uid, spec, self._kit(uid, spec))
        self._drivers[uid] = driver
        self._tasks[uid] = asyncio.create_task(self._keep(uid, driver), name=f"round {uid}")

    def gate(self, spec: LoopSpec) -> Decide:
        """The whole gate of a loop, with the operator's rules as they stand now."""
        return gates.gate(spec, self._rules(), now=self._clock.now())

    async def cancel(self, uid: str, by: str, reason: str) -> bool:
        """End a round that runs; False for one that only waits, which goes on waiting."""
        driver = self._drivers.get(uid)
        return driver is not None and await driver.cancel(by, reason)

    async def cancel_all(self, by: str, reason: str) -> int:
        """End every round that runs; returns how many. One whose action has begun ends it."""
        drivers = list(self._drivers.values())
        return sum(await asyncio.gather(*(driver.cancel(by, reason) for driver in drivers)))

    async def _keep(self, uid: str, driver: RoundDriver) -> None:
        try:
            await driver.load()
            await driver.run()
        finally:
            self._drivers.pop(uid, None)
            self._tasks.pop(uid, None)

    async def recover(self) -> list[str]:
        """Go on with every round that is not over; returns their ids."""
        live = [row for row in self._journal.views.rounds.values() if row.live]
        for row in live:
            self.drive(row.id, await self._spec(row.loop, row.digest))
        self._tasks[""] = asyncio.create_task(self._tidy(), name="rounds left untidied")
        return [row.id for row in live]

    async def _tidy(self) -> None:
        """Do for rounds that were over when an engine died what it had not come to: owed rounds, and what they left."""
        there: dict[str, frozenset[str]] = {}
        loops = self._journal.views.loops
        for row in [each for each in self._journal.views.rounds.values() if not each.live]:
            if row.decided == "pushed_back":  # its new round may still be owed, also while another one waits
                await self._over(row.id)
            if loops[row.loop].does not in ("patch", "commit"):
                continue
            with suppress(HarnessError, OSError):
                spec = await self._spec(row.loop, row.digest)
                if spec.workspace not in there:
                    there[spec.workspace] = await work.left(spec.workspace)
                branch = row.change.branch if row.change else ""
                if there[spec.workspace].intersection((branch, str(self._worktree(row.id)))):
                    driver = RoundDriver(row.id, spec, self._kit(row.id, spec))
                    await driver.load()
                    await work.tidy(driver.state, driver.kit)

    def _worktree(self, uid: str) -> Path:
        return self._state / "worktrees" / uid.replace("/", "-")

    async def _spec(self, loop: str, pinned: str) -> LoopSpec:
        """The spec a round was started under, which may have been replaced since."""
        now = self._journal.views.specs[loop].spec
        if digest(now) == pinned:
            return now
        for envelope in await self._journal.stream(loop):
            if isinstance(envelope.event, LoopAdded) and envelope.event.digest == pinned:
                return envelope.event.spec
        raise HarnessError(f"The loop {loop} was never pinned as {pinned[:12]}.")

    async def close(self) -> None:
        """Leave every round where it is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _kit(self, uid: str, spec: LoopSpec) -> RoundKit:
        loop = uid.partition("/")[0]

        def waiting() -> list[ApprovalRow]:
            views = self._journal.views
            row = views.loops.get(loop)
            return [views.approvals[ident] for ident in (row.waits if row else ()) if ident in views.approvals]

        return RoundKit(
            log=self._journal,
            clock=self._clock,
            blobs=self._blobs,
            redaction=self._redaction,
            runs=self._runs,
            gate=self.gate,
            sandbox=self._sandbox,
            worktree=self._worktree(uid),
            waiting=waiting,
            approval_id=self._approval_id,
            state=self._state,
            over=lambda: self._over(uid),
        )
