"""EnginePort: the whole of what a front end may ask of an engine, wherever that engine runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from ..domain.dag.picture import DagPicture
from ..domain.events import Envelope
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, RunRow
from .commands import AnyCommand, Reply
from .snapshot import Batch, EngineInfo, Snapshot


class EnginePort(Protocol):
    """Implemented by `engine.Engine` (same process), and in `clients`: `SocketClient`, `OfflineClient` (read-only).

    Every method raises HarnessError with a sentence and an exit code; LinkLost when the engine is gone.
    """

    async def info(self) -> EngineInfo: ...

    async def snapshot(self) -> Snapshot: ...

    def batches(self, since: int) -> AsyncIterator[Batch]:
        """Everything after cursor `since`, at most 256 events or 50 ms a batch; ends only with the link.

        The reader pulls and may be slow: until it does, state waits in the log and flow keeps its last values.
        """
        ...

    async def send(self, command: AnyCommand) -> Reply: ...

    async def runs(self, limit: int = 200) -> list[RunRow]:
        """Root runs, newest first."""
        ...

    async def run(self, run: str) -> RunRow:
        """One run by id. Raises UsageError (nearest id named) when there is none."""
        ...

    async def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        """Open requests, oldest first; all = decided ones too."""
        ...

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        """Events of a run and its children with pos > after, in commit order ("" = all runs)."""
        ...

    async def loops(self, *, all: bool = False) -> list[LoopRow]:
        """Registered loops by name; all = removed ones too."""
        ...

    async def loop(self, name: str) -> SpecRow:
        """A loop's id and pinned spec, by name or id. Raises UsageError (nearest name given) when there is none."""
        ...

    async def rounds(self, loop: str, limit: int = 20) -> list[RoundRow]:
        """A loop's rounds (by its id), newest first."""
        ...

    async def slots(self, loop: str, limit: int = 50) -> list[SlotRow]:
        """A loop's scheduled times (by its id), newest first."""
        ...

    async def dag(self, run: str) -> DagPicture:
        """A graph's run with all its jobs, as of its newest event. Raises UsageError when it is none."""
        ...

    async def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        """Events of one stream alone (`r20`, an attempt's `r20/a#1`) with seq > after, in order."""
        ...

    async def blob(self, sha: str) -> bytes: ...

    async def close(self) -> None: ...
