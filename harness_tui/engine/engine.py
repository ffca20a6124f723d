"""The engine: EnginePort in its own process. Whoever holds the lock opens one; everybody else attaches."""

from __future__ import annotations

import asyncio
import datetime
import difflib
import logging
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

from msgspec.structs import replace

from .. import __version__
from ..agent.kit import Kit
from ..agent.recording import recorded
from ..agent.searching import OwnSearch
from ..agent.spill import Spill
from ..config.clock import SystemClock
from ..config.paths import Paths
from ..config.settings import Settings, load_settings
from ..config.vault import Entry, Stores
from ..domain.dag.picture import DagPicture
from ..domain.errors import SetupError, UsageError
from ..domain.events import EngineRecovered, EngineStarted, EngineStopped, Envelope, Event, Write, root_of
from ..domain.ledger import Account, Ledger
from ..domain.loop import find
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.loop.spec import LoopSpec
from ..domain.seams import Clock
from ..domain.task import RunSpec, SandboxTable
from ..domain.views import ApprovalRow, RunRow
from ..journal.blobs import BlobStore
from ..journal.failpoints import hit
from ..journal.journal import Journal
from ..models.router import MAIN
from ..port.commands import (
    AddLoop,
    AddRule,
    AnyCommand,
    BackfillLoop,
    CancelAll,
    CancelJob,
    CancelRun,
    Decide,
    DistrustWorkspace,
    EditApproval,
    PauseDag,
    PauseLoop,
    RemoveLoop,
    ReplanDag,
    Reply,
    Resolve,
    ResumeDag,
    ResumeLoop,
    RetryDag,
    RevokeRule,
    RunLoop,
    SetBudget,
    SetLevel,
    SetSecret,
    StartDag,
    StartRun,
    StopEngine,
    TrustWorkspace,
)
from ..port.snapshot import Batch, EngineInfo, Snapshot
from ..sandbox.base import Sandbox
from . import snapshots, worlds
from .bus import Bus
from .dags import Dags
from .desk import Desk
from .keeper import Keeper
from .limits import Limits
from .loop_desk import LoopDesk
from .notify import Notifier
from .rounds import OwnRuns, Rounds
from .rulebook import Rulebook
from .services import Services
from .supervisor import Supervisor

STREAM = "engine"

_log = logging.getLogger(__name__)


class Engine:
    """One engine over one home. Open it with `Engine.open`; the caller holds the home's lock.

    Attributes:
        stopped: set once a stop was asked for; the host then calls `close`.
    """

    def __init__(
        self, paths: Paths, journal: Journal, clock: Clock, settings: Settings, secrets: Mapping[str, str]
    ) -> None:
        self.paths = paths
        self.journal = journal
        self.clock = clock
        self.stopped = asyncio.Event()
        self._now = False
        self._sweeping: asyncio.Task[None] | None = None
        self._started = clock.now()
        self._blobs = BlobStore(paths.blobs)
        self._ledger = Ledger()
        environ = {**os.environ, **secrets}
        stores = Stores.of(paths.home, environ, command=settings.file.keys.command)
        self._rulebook = Rulebook(lambda: journal.views, self._note, clock)
        self._sources = worlds.Sources(
            stores,
            environ,
            self._blobs,
            prices=settings.prices,
            dropped=self._dropped,
            paths=paths,
            clock=clock,
            rules=self._rulebook.rules,
            used=self._rulebook.used,
            claim=self._rulebook.claim,
            trusts=self._rulebook.trusts,
            searxng=settings.file.search.url,
        )
        self._sources.learn(secrets)
        self._services = Services()
        self._notifier = Notifier(settings.file.notify, lambda: journal.views, clock, self._sources.redaction)
        self._bus = Bus(lambda after, limit: journal.tail(after=after, limit=limit))
        self._limits = Limits(journal, self._ledger, self._note)
        self._supervisor = Supervisor(journal, self._kit, self._services)
        runs = OwnRuns(journal, self._supervisor, self._next_run)
        rounds = Rounds(
            journal,
            clock,
            self._blobs,
            self._sources.redaction,
            runs,
            state=paths.home,
            sandbox=self._sandbox,
            approval_id=self._approval_id,
            rules=self._rulebook.rules,
            over=lambda uid: self._keeper.settled(uid),
        )
        self._keeper = Keeper(journal, clock, self._ledger, rounds, self._day)
        self._loop_desk = LoopDesk(self._keeper)
        self._dags = Dags(
            journal,
            clock,
            self._blobs,
            self._sources.redaction,
            self._ledger,
            runs,
            self._supervisor,
            next_run=self._next_run,
            approval_id=self._approval_id,
            day=self._day,
            flow=self._bus.flow,
        )
        self._desk = Desk(lambda: journal.views, self._supervisor, clock, rounds.driver, self._dags.driver)
        self._runs = max((_number(r.id) for r in journal.views.runs.values()), default=0)
        self._asked = max((_number(a) for a in journal.views.approvals), default=0)

    @classmethod
    async def open(
        cls, paths: Paths, *, clock: Clock | None = None, secrets: Mapping[str, str] | None = None
    ) -> Engine:
        """Open the journal, recover unfinished runs and go on with them. Raises SetupError.

        Args:
            secrets: variables that were taken out of the environment, for the vault alone.
        """
        paths.ensure()
        settings = load_settings(paths)
        clock = clock or SystemClock()
        journal = await Journal.open(paths.journal, clock)
        engine = cls(paths, journal, clock, settings, secrets or {})
        journal.subscribe(engine._bus.publish)
        journal.subscribe(engine._notifier)
        await engine._recover(settings)
        engine._sweeping = asyncio.create_task(engine._sweep())
        return engine

    async def _recover(self, settings: Settings) -> None:
        views = self.journal.views
        for scope, row in views.budgets.items():
            account = Account(row.limit, row.held, row.spent, row.usd_limit, row.usd_held, row.usd, row.warned)
            (self._ledger.accounts if ":" in scope else self._ledger.defaults)[scope] = account
        await self._note(EngineStarted(os.getpid(), __version__, self.journal.epoch))
        await self._limits.configured(settings)
        hit("engine.recovering")
        runs = await self._supervisor.recover() + await self._dags.recover()
        if runs:
            doubts = sum(a.open and a.kind == "in_doubt" for a in views.approvals.values())
            await self._note(EngineRecovered(runs, doubts))
        await self._keeper.open()

    async def _sweep(self) -> None:
        """Delete blobs a killed engine left without their event. Nobody waits for it or fails by it."""
        try:
            await self._blobs.sweep(await self.journal.blobs(), self.clock.now())
        except Exception:
            _log.exception("sweeping blobs failed")

    async def close(self, now: bool = False) -> None:
        """Leave open runs for the next engine, end services, close the journal."""
        if self._sweeping:
            self._sweeping.cancel()
        await self._notifier.close()
        await self._keeper.close()
        await self._dags.close()
        await self._supervisor.close(now=now or self._now)
        await self._services.close()
        try:
            await self._note(EngineStopped("asked to stop"))
        except SetupError as error:  # a full disk: what was shown as saved is saved, and the file is still closed
            _log.error("the stop could not be written down: %s", error)
        self._bus.close()
        await self.journal.close()

    async def _note(self, event: Event) -> None:
        await self.journal.append([Write(STREAM, self.journal.head(STREAM), (event,))])

    def _kit(self, uid: str, spec: RunSpec, secrets: Mapping[str, str]) -> Kit:
        sources = self._sources
        sources.learn(secrets)
        vault = worlds.vault(spec, secrets, sources)
        spill = Spill(self._blobs)
        searching = OwnSearch(spec, uid, lambda: kit)
        kit = Kit(
            log=self.journal,
            clock=self.clock,
            ledger=self._ledger,
            model=lambda s, role=MAIN: worlds.model(s, vault, sources, role),
            environment=lambda s, session: worlds.environment(
                s, session, vault, sources, spilled=spill.read, own_search=searching
            ),
            spill=spill,
            redaction=sources.redaction,
            approval_id=self._approval_id,
            random=random.random,
            day=self._day,
            flow=self._bus.flow,
        )
        return recorded(kit, uid, spec) if spec.record else kit

    def _dropped(self, endpoint: str) -> list[str]:
        known = self.journal.views.endpoints.get(endpoint)
        return known.dropped if known else []

    def _day(self) -> str:
        """Today in the zone of this machine, by the injected clock."""
        return datetime.datetime.fromtimestamp(self.clock.now() / 1_000_000).date().isoformat()

    def _sandbox(self, spec: LoopSpec, table: SandboxTable, parent: str) -> Sandbox:
        """A world of a round (`parent`), or for its command (""), as its makers have it."""
        task = replace(spec.maker, sandbox=table, level="L2")
        run = RunSpec(task, spec.models["maker"], workspace=spec.workspace, parent=parent, base=spec.action.branch)
        return worlds.sandbox(run, f"command-{uuid4().hex[:8]}", self._sources)

    def _next_run(self) -> str:
        self._runs += 1
        return f"r{self._runs}"

    def _approval_id(self) -> str:
        self._asked += 1
        return f"A-{self._asked}"

    # -- EnginePort ----------------------------------------------------------------------------------------------

    async def info(self) -> EngineInfo:
        return EngineInfo(
            pid=os.getpid(),
            version=__version__,
            home=str(self.paths.home),
            host=socket.gethostname(),
            started=self._started,
            socket=str(self.paths.socket),
            utc_offset_s=time.localtime().tm_gmtoff,
            workspaces=tuple(sorted({r.workspace for r in self.journal.views.runs.values() if r.open and r.workspace})),
        )

    async def snapshot(self) -> Snapshot:
        return await snapshots.take(self.journal, await self.info(), self.clock.now())

    def batches(self, since: int) -> AsyncIterator[Batch]:
        return self._bus.batches(since)

    async def send(self, command: AnyCommand) -> Reply:
        match command:
            case StartRun(spec, secrets):
                uid = self._next_run()
                await asyncio.to_thread(worlds.read_keys, spec, worlds.vault(spec, secrets, self._sources))
                await self._supervisor.start(uid, spec, secrets)
                return Reply(uid, f"{uid} started.")
            case CancelRun(run, by, reason) if run in self.journal.views.rounds:
                if not await self._keeper.cancel(run, by, reason):
                    raise UsageError(f"{run} is over, or only waits for a decision.")
                return Reply(run, f"{run} is being cancelled.")
            case CancelRun(run, by, reason) if self._dags.driver(run):
                await self._dags.cancel(run, by, reason)
                return Reply(run, f"{run} is being cancelled.")
            case CancelRun(run, by, reason):
                row = await self.run(run)
                if not row.open or not await self._supervisor.cancel(root_of(row.id), by, reason):
                    raise UsageError(f"{run} is over: {row.state}.")
                return Reply(row.id, f"{row.id} is being cancelled.")
            case CancelAll(by, reason):
                # At once, rounds first: a worker that ends begins nothing more, and one that starts delays no other.
                rounds, graphs, runs = await asyncio.gather(
                    self._keeper.cancel_all(by, reason),
                    self._dags.cancel_all(by, reason),
                    self._supervisor.cancel_all(by, reason),
                )
                return Reply(text=_cancelled(runs + graphs, rounds))
            case StartDag():
                await asyncio.to_thread(worlds.learn_of_graph, command.spec, command.secrets, self._sources)
                return Reply(uid := await self._dags.start(command), f"{uid} started.")
            case CancelJob() | PauseDag() | ResumeDag() | RetryDag() | ReplanDag():
                return await self._dags.handle(command)
            case SetBudget():
                return await self._limits.set(command)
            case SetSecret(name, value):
                self._sources.hide(Entry.decode(name, value).secret)
                self._sources.stores.session.set(name, value)
                return Reply(text=f"{name} is known until the engine stops.")
            case Decide():
                return await self._desk.decide(command)
            case Resolve():
                return await self._desk.resolve(command)
            case AddRule():
                return await self._rulebook.add(command)
            case RevokeRule():
                return await self._rulebook.revoke(command)
            case TrustWorkspace():
                return await self._rulebook.trust(command)
            case DistrustWorkspace():
                return await self._rulebook.distrust(command)
            case EditApproval():
                return await self._desk.edit(command)
            case AddLoop() | RemoveLoop() | RunLoop() | BackfillLoop() | PauseLoop() | ResumeLoop() | SetLevel():
                return await self._loop_desk.handle(command)
            case StopEngine(now):
                self._now = now
                self.stopped.set()
                return Reply(text="The engine stops.")

    async def runs(self, limit: int = 200) -> list[RunRow]:
        roots = [r for r in self.journal.views.runs.values() if r.kind != "attempt"]
        return sorted(roots, key=lambda r: r.started, reverse=True)[:limit]

    async def run(self, run: str) -> RunRow:
        rows = self.journal.views.runs
        if run in rows:
            return rows[run]
        near = difflib.get_close_matches(run, rows, 1)
        hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui runs list"
        raise UsageError(f"There is no run {run}.", hint)

    async def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        rows = [a for a in self.journal.views.approvals.values() if all or a.open]
        return sorted(rows, key=lambda a: a.requested)

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return await self.journal.tail(after=after, root=root_of(run), limit=limit)

    async def loops(self, *, all: bool = False) -> list[LoopRow]:
        return find.standing(self.journal.views.loops.values(), all=all)

    async def loop(self, name: str) -> SpecRow:
        return self.journal.views.specs[find.loop(self.journal.views.loops.values(), name).id]

    async def rounds(self, loop: str, limit: int = 20) -> list[RoundRow]:
        return await self.journal.rounds(loop, limit)

    async def slots(self, loop: str, limit: int = 50) -> list[SlotRow]:
        return await self.journal.slots(loop, limit)

    async def dag(self, run: str) -> DagPicture:
        return await self._dags.picture(run)

    async def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return await self.journal.stream(uid, after, limit)

    async def blob(self, sha: str) -> bytes:
        return await self._blobs.get(sha)


def _cancelled(runs: int, rounds: int) -> str:
    """`2 runs and 1 round are being cancelled.`"""
    counts = [(number, what) for number, what in ((runs, "run"), (rounds, "round")) if number]
    said = " and ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counts)
    return f"{said} {'is' if runs + rounds == 1 else 'are'} being cancelled." if said else "No run is open."


def _number(ident: str) -> int:
    """`r17` -> 17, `A-3` -> 3; children and strangers count as 0."""
    digits = ident.lstrip("rA-")
    return int(digits) if digits.isdigit() else 0
