"""The read half of an engine that is not running, answered from its journal, which is opened read-only."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .. import __version__
from ..config.paths import Paths
from ..domain.codec import WireEvent
from ..domain.dag.evolve import evolve
from ..domain.dag.picture import DagPicture, picture
from ..domain.dag.state import DagState
from ..domain.errors import SetupError, UsageError
from ..domain.events import Envelope, root_of
from ..domain.loop import find
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, RuleRow, RunRow, TrustRow
from ..port.commands import AnyCommand, Reply
from ..port.dial import START
from ..port.snapshot import TRACE_ROWS, Batch, EngineInfo, Snapshot

if TYPE_CHECKING:
    from ..journal.reader import Reader


class Archive:
    """A home without an engine. An empty home has nothing to tell, which is no error; nothing is ever created.

    sqlite is imported with the first question and only when there is a journal.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._opened: Reader | None = None

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def info(self) -> EngineInfo | None:
        """None: nobody hosts an engine here."""
        return None

    def snapshot(self) -> Snapshot:
        """The last state on record, as an engine (of pid 0) would show it."""
        engine = EngineInfo(
            pid=0,
            version=__version__,
            home=str(self.paths.home),
            host=os.uname().nodename,
            started=0,
            utc_offset_s=time.localtime().tm_gmtoff,
        )
        reader, now = self._reader(), time.time_ns() // 1000
        if reader is None:
            return Snapshot(engine, pos=0, at=now)
        views = reader.views()
        trace = reader.tail(after=max(0, views.pos - TRACE_ROWS), limit=TRACE_ROWS)
        return Snapshot(
            engine,
            pos=views.pos,
            at=now,
            runs=tuple(views.runs.values()),
            approvals=tuple(views.approvals.values()),
            budgets=tuple(views.budgets.values()),
            holds=tuple(views.holds.values()),
            frames=tuple(views.frames.values()),
            loops=tuple(views.loops.values()),
            rounds=tuple(views.rounds.values()),
            trace=tuple(WireEvent.of(e) for e in trace),
        )

    def runs(self, limit: int = 200) -> list[RunRow]:
        reader = self._reader()
        return reader.runs(limit) if reader else []

    def run(self, run: str) -> RunRow:
        reader = self._reader()
        found = reader.run(run) if reader else None
        if found:
            return found
        near = difflib.get_close_matches(run, [row.id for row in self.runs()], 1)
        hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui runs list"
        raise UsageError(f"There is no run {run}.", hint)

    def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        reader = self._reader()
        return reader.approvals(all=all) if reader else []

    def governance(self) -> tuple[dict[str, RuleRow], dict[str, TrustRow]]:
        """Rules by id and trusted workspaces by path; read beside a running engine as well."""
        reader = self._reader()
        return reader.governance() if reader else ({}, {})

    def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        reader = self._reader()
        return reader.tail(after=after, root=root_of(run), limit=limit) if reader else []

    def loops(self, *, all: bool = False) -> list[LoopRow]:
        reader = self._reader()
        return find.standing(reader.loops(), all=all) if reader else []

    def loop(self, name: str) -> SpecRow:
        row = find.loop(self.loops(all=True), name)
        reader = self._reader()
        assert reader is not None  # it has just named the loop
        return reader.spec(row.id)

    def rounds(self, loop: str, limit: int = 20) -> list[RoundRow]:
        reader = self._reader()
        return reader.rounds(loop, limit) if reader else []

    def slots(self, loop: str, limit: int = 50) -> list[SlotRow]:
        reader = self._reader()
        return reader.slots(loop, limit) if reader else []

    def dag(self, run: str) -> DagPicture:
        row = self.run(run)
        if row.kind != "dag":
            raise UsageError(f"{run} is no graph of jobs.", f"See: harness-tui runs show {run}")
        state, started, page = DagState(run), row.started, self.stream(run)
        while page:
            for envelope in page:
                evolve(state, envelope.event)
            page = self.stream(run, page[-1].seq)
        return picture(state, started)

    def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        reader = self._reader()
        return reader.stream(uid, after, limit) if reader else []

    def blob(self, sha: str) -> bytes:
        from ..journal.blobs import BlobStore

        return BlobStore(self.paths.blobs).read(sha)

    def send(self, command: AnyCommand) -> Reply:
        raise SetupError(f"No engine runs for {self.paths.home}.", START)

    def close(self) -> None:
        if self._opened:
            self._opened.close()
            self._opened = None

    def _reader(self) -> Reader | None:
        if self._opened is None and self._written():
            from ..journal.reader import Reader

            self._opened = Reader(self.paths.journal)
        return self._opened

    def _written(self) -> bool:
        try:
            return self.paths.journal.exists()
        except OSError as error:
            raise SetupError(
                f"Cannot look into {self.paths.home}: {error.strerror}.", "Set HARNESS_TUI_HOME."
            ) from None


class OfflineClient:
    """An Archive as an EnginePort, for a front end that shows a home whose engine is stopped."""

    def __init__(self, paths: Paths) -> None:
        self._archive = Archive(paths)

    async def info(self) -> EngineInfo:
        return self._archive.snapshot().engine

    async def snapshot(self) -> Snapshot:
        return self._archive.snapshot()

    async def batches(self, since: int) -> AsyncIterator[Batch]:
        """What is on record after `since`; then the end, since nothing more can happen."""
        while events := self._archive.events("", since, 256):
            yield Batch(tuple(WireEvent.of(e) for e in events))
            since = events[-1].pos

    async def send(self, command: AnyCommand) -> Reply:
        return self._archive.send(command)

    async def runs(self, limit: int = 200) -> list[RunRow]:
        return self._archive.runs(limit)

    async def run(self, run: str) -> RunRow:
        return self._archive.run(run)

    async def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        return self._archive.approvals(all=all)

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return self._archive.events(run, after, limit)

    async def loops(self, *, all: bool = False) -> list[LoopRow]:
        return self._archive.loops(all=all)

    async def loop(self, name: str) -> SpecRow:
        return self._archive.loop(name)

    async def rounds(self, loop: str, limit: int = 20) -> list[RoundRow]:
        return self._archive.rounds(loop, limit)

    async def slots(self, loop: str, limit: int = 50) -> list[SlotRow]:
        return self._archive.slots(loop, limit)

    async def dag(self, run: str) -> DagPicture:
        return self._archive.dag(run)

    async def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return self._archive.stream(uid, after, limit)

    async def blob(self, sha: str) -> bytes:
        return self._archive.blob(sha)

    async def close(self) -> None:
        self._archive.close()
