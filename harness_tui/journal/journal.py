"""The journal: the engine's one log. Appends are grouped, committed in one transaction, then told to listeners."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..domain.errors import Conflict, HarnessError, SetupError
from ..domain.events import Envelope, Write
from ..domain.loop.rows import RoundRow, SlotRow
from ..domain.seams import Clock
from . import schema, tables, transaction
from .group import Append, State, Unfit
from .lane import Lane
from .refold import refold

QUEUE = 256
"""Appends that may wait for the writer; past that the producer waits."""
GROUP = 128
"""Appends in one transaction at most."""
CHECKPOINT_PAGES = 3000
"""Pages of write-ahead log after which it is copied into the database."""
IDLE = 1.0
"""Seconds without an append after which the log is copied too."""

Listener = Callable[[list[Envelope]], None]

_log = logging.getLogger(__name__)


class Journal:
    """The log of one engine. Open it, append, listen; close it at the end.

    Attributes:
        views: the fold of everything given to the writer; ahead of the disk by one group at most.
        epoch: how many times the journal was taken over; a zombie of an older epoch can write no more.
    """

    def __init__(self, lane: Lane, clock: Clock, name: str, epoch: int) -> None:
        self.epoch = epoch
        self._state = State()
        self.views = self._state.views
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._name = name
        self._at = 0
        self._heads: dict[str, int] = {}
        self._queue: deque[Append] = deque()
        self._room = asyncio.Semaphore(QUEUE)
        self._alone = 0
        self._stale = False
        self._open = True
        self._wake = asyncio.Event()
        self._pages = 0
        self._power: bool | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._busy = False
        self._listeners: list[Listener] = []
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path | None, clock: Clock) -> Journal:
        """Open the file (None: in memory, gone with the process) and take it over from an earlier engine.

        Its directory must exist, and the caller must hold the engine's lock. Raises SetupError.
        """
        if path is not None:
            schema.create(path)
        name = str(path or ":memory:")
        try:
            lane = await Lane.open(name)
        except sqlite3.Error as error:
            raise schema.explained(name, error) from None
        try:
            journal = cls(lane, clock, name, await lane.run(partial(schema.prepare, name=name)))
            await lane.run(refold)
            await journal._reload()
        except BaseException as error:
            await lane.close()
            if isinstance(error, schema.UNREADABLE):
                raise schema.explained(name, error) from None
            raise
        journal._writer = asyncio.create_task(journal._write_on(), name="journal")
        return journal

    # -- what others call --------------------------------------------------------------------------------------------

    async def append(self, writes: Sequence[Write]) -> list[Envelope]:
        """Commit all writes in one transaction, or none; returns once they are durable at the level they need.

        A caller cancelled while it waits must treat its events as written. Raises Conflict at once when a run has
        moved on, Unfit for an event its run cannot have, SetupError when the disk refuses or the journal is closed.
        """
        await self._room.acquire()
        try:
            item = self._accept(writes)
        except BaseException:
            self._room.release()
            raise
        return await item.done  # a caller that is cancelled cancels the answer, never the write

    def head(self, run: str) -> int:
        """seq of the last event of the run that was handed to the writer, 0 = none."""
        return self._heads.get(run, 0)

    def subscribe(self, fn: Listener) -> Callable[[], None]:
        """Call `fn` on the loop with every group after its commit, in pos order. Returns how to stop it."""
        self._listeners.append(fn)
        return lambda: self._listeners.remove(fn) if fn in self._listeners else None

    async def stream(self, run: str, after: int = 0, limit: int | None = None) -> list[Envelope]:
        """One run's own stream, without its children's: events with seq > after, `limit` at most (None: all)."""
        return await self._lane.run(partial(tables.stream, uid=run, after=after, limit=limit))

    async def tail(self, after: int = 0, root: str = "", limit: int = 500) -> list[Envelope]:
        """Events with pos > after in commit order: of the run `root` and all under it, or of all runs ("")."""
        return await self._lane.run(partial(tables.tail, after=after, root=root, limit=limit))

    async def last(self, n: int) -> list[Envelope]:
        """The n newest events, in commit order."""
        return await self._lane.run(partial(tables.last, n=n))

    async def rounds(self, loop: str, limit: int) -> list[RoundRow]:
        """A loop's rounds, newest first, however old."""
        return await self._lane.run(partial(tables.rounds, loop=loop, limit=limit))

    async def slots(self, loop: str, limit: int) -> list[SlotRow]:
        """A loop's scheduled times, newest first."""
        return await self._lane.run(partial(tables.slots, loop=loop, limit=limit))

    async def blobs(self) -> set[str]:
        """Hashes of all blobs that events name: what a sweep must keep."""
        return await self._lane.run(tables.blobs)

    async def check(self) -> list[str]:
        """Fold all events and compare with the stored rows; problems as sentences, none = sound."""
        return await self._lane.run(tables.problems)

    async def close(self) -> None:
        """Write what waits, copy the log into the database, end the thread. Goes on if the caller is cancelled."""
        self._open = False
        self._wake.set()
        if self._writer is not None:
            await asyncio.shield(asyncio.wait([self._writer]))

    # -- taking appends ----------------------------------------------------------------------------------------------

    def _accept(self, writes: Sequence[Write]) -> Append:
        """Check, encode and queue an append; nothing has changed when this raises."""
        if not self._open:
            raise SetupError("The journal is closed; nothing was written.", "Start the engine again.")
        item = Append(writes, max(self._at, self._clock.now()), self._loop.create_future())
        self._heads.update(item.heads(self._heads))
        self._at = item.at
        self._queue.append(item)
        self._wake.set()
        return item

    # -- the writer --------------------------------------------------------------------------------------------------

    async def _write_on(self) -> None:
        """The writer task: groups until closed. Whatever ends it, the thread ends with it."""
        try:
            while self._open or self._queue:
                if not self._queue:
                    await asyncio.sleep(0)  # whom the last group woke may lead to the next
                if not self._queue:
                    await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._write_group()
                    if self._pages >= CHECKPOINT_PAGES:
                        await self._checkpoint("PASSIVE")
                if self._pages and not self._busy:
                    await self._checkpoint("PASSIVE")
            await self._checkpoint("TRUNCATE")
        finally:
            self._open = False
            if self._quiet:
                self._quiet.cancel()
            self._refuse(SetupError("The journal was closed before this was written.", "Start the engine again."))
            await self._lane.close()

    async def _write_group(self) -> None:
        """Take what waits, commit it in one hop, answer, tell."""
        if self._stale and not await self._recover():
            return
        size = 1 if self._alone else GROUP
        batch = [self._queue.popleft() for _ in range(min(size, len(self._queue)))]
        self._alone = max(0, self._alone - 1)
        try:
            if missing := self._state.missing(batch):
                await self._know(missing)
            group = self._state.form(batch, self.epoch)
            group.switch = group.power is not self._power
            await self._lane.run(partial(transaction.commit, group=group), then=partial(self._answer, batch))
        except Exception as error:
            await self._undo(batch, error)
            return
        self._power = group.power
        self._pages += group.pages()
        self._busy = True
        if self._quiet is None:
            self._quiet = self._loop.call_later(IDLE, self._look_idle)

    def _answer(self, batch: list[Append]) -> None:
        """The batch is committed: its callers go on a turn before the writer does, and so get into its next group."""
        envelopes: list[Envelope] = []
        for item in batch:
            self._room.release()
            if not item.done.done():
                item.done.set_result(item.envelopes)
            envelopes += item.envelopes
        self._tell(envelopes)

    def _tell(self, envelopes: list[Envelope]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(envelopes)
            except Exception:
                _log.exception("a listener of the journal failed")

    def _look_idle(self) -> None:
        """One timer for the whole journal: wakes the writer for a checkpoint when nothing came since the last look."""
        if self._busy:
            self._busy = False
            self._quiet = self._loop.call_later(IDLE, self._look_idle)
        else:
            self._quiet = None
            self._wake.set()

    async def _checkpoint(self, mode: str) -> None:
        """Copy the log into the database, after everybody was answered. A refusing disk is met at the next append."""
        self._pages = 0
        try:
            await self._lane.run(lambda con: con.execute(f"PRAGMA wal_checkpoint({mode})").fetchall())
        except sqlite3.Error as error:
            _log.warning("checkpoint: %s", error)

    async def _know(self, missing: dict[str, int]) -> None:
        """Load the rows of runs that ended too long ago to be in memory and yet get another event."""
        self._state.add(missing, await self._lane.run(partial(tables.trees, roots=list(missing.values()))))

    # -- when a group fails ------------------------------------------------------------------------------------------

    async def _undo(self, batch: list[Append], error: Exception) -> None:
        """Nothing of the batch was written. One bad append fails alone; a disk that refuses fails all that wait.

        Heads and rows are right again before anybody is told.
        """
        self._stale = True
        self._power = None
        poison = isinstance(error, sqlite3.IntegrityError | Unfit)
        if poison and len(batch) > 1:
            self._queue.extendleft(reversed(batch))
            self._alone = len(batch)
            await self._recover()
            return
        failed = batch if poison else self._withdraw(batch)
        self._step_back(failed)
        await self._recover()
        for item in failed:
            self._fail(item, _told(error))

    def _fail(self, item: Append, error: Exception) -> None:
        self._room.release()
        if not item.done.done():
            item.done.set_exception(error)

    def _withdraw(self, batch: list[Append]) -> list[Append]:
        """The batch and all that waits, taken out of the queue."""
        failed = [*batch, *self._queue]
        self._queue.clear()
        self._alone = 0
        return failed

    def _step_back(self, failed: list[Append]) -> None:
        """Heads go back to where the first of the failed began."""
        for item in failed:
            for write in item.writes:
                self._heads[write.run] = min(self._heads[write.run], write.expected)

    def _refuse(self, error: Exception) -> None:
        """Fail all that waits."""
        failed = self._withdraw([])
        self._step_back(failed)
        for item in failed:
            self._fail(item, error)

    async def _recover(self) -> bool:
        """Read heads and rows again, and fail what no longer fits; False when even reading fails."""
        try:
            await self._reload()
        except schema.UNREADABLE as error:
            self._refuse(schema.explained(self._name, error))
            return False
        return True

    async def _reload(self) -> None:
        """Start from the tables: rows, streams, heads; then count what still waits."""
        known = await self._lane.run(tables.streams)
        self._state.reset(known.ids, *await self._lane.run(tables.load))
        self._heads = known.heads
        self._at = max(self._at, known.at)
        self._stale = False
        waiting, self._queue = self._queue, deque()
        for item in waiting:
            try:
                self._heads.update(item.heads(self._heads))
            except Conflict as error:
                self._fail(item, error)
            else:
                self._queue.append(item)


def _told(error: Exception) -> HarnessError:
    """The error as its caller reads it."""
    if isinstance(error, HarnessError):
        return error
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(f"The journal holds something else already: {error}.", "Read the run again and decide anew.")
    if isinstance(error, transaction.StaleEngine):
        return SetupError("A newer engine has taken this journal over.", "Stop this one: harness-tui engine status.")
    if isinstance(error, sqlite3.Error):
        return schema.refused(error)
    return HarnessError(f"The journal failed: {type(error).__name__}({error}). Nothing of this append was written.")
