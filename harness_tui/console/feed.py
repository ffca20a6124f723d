"""The feed: one task that keeps the link, one that draws. Batches are folded together and drawn once a frame."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from ..domain.errors import HarnessError, LinkLost
from ..port.port import EnginePort
from ..port.snapshot import Batch, Snapshot
from .model import Model
from .pace import Pace

Connect = Callable[[], Awaitable[EnginePort]]
Attached = tuple[EnginePort, Snapshot]

MAX_PENDING = 1024
"""Batches that may wait for a frame; past it the link is not read, so the engine coalesces for us."""

BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the tries after a lost link; the last one repeats."""


async def attach(connect: Connect) -> Attached:
    """A connected port and what it shows. Raises LinkLost or another HarnessError."""
    port = await connect()
    try:
        return port, await port.snapshot()
    except BaseException:
        await port.close()
        raise


def wall_us() -> int:
    return time.time_ns() // 1000


class Feed:
    """Moves data from the engine into the model.

    Args:
        first: an attach already under way.
        paint: draws the model; False when the terminal is behind and the frame was skipped.
        failed: what cannot be retried (a HarnessError) or must not happen (anything else).
    """

    def __init__(
        self,
        connect: Connect,
        model: Model,
        pace: Pace,
        *,
        paint: Callable[[], bool],
        failed: Callable[[BaseException], None],
        first: asyncio.Future[Attached] | None = None,
        wall: Callable[[], int] = wall_us,
    ) -> None:
        self._connect, self._model, self._pace, self._paint = connect, model, pace, paint
        self._failed, self._first, self._wall = failed, first, wall
        self.port: EnginePort | None = None
        self._live = False
        self._pending: deque[Batch] = deque()
        self._dirty = asyncio.Event()
        self._room = asyncio.Event()
        self._hurry = asyncio.Event()
        self._again = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for work in (self._keep_link(), self._draw()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.port is not None:
            await self.port.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    @property
    def live(self) -> bool:
        return self._live

    def dirty(self) -> None:
        """Something to show changed; draw at the next frame."""
        self._dirty.set()

    def hurry(self) -> None:
        """Draw now: the operator looks again."""
        self._dirty.set()
        self._hurry.set()

    def resync(self) -> None:
        """Retry a lost link now, or attach again over a live one."""
        self._again.set()

    # -- the link ------------------------------------------------------------------------------------------------

    async def _keep_link(self) -> None:
        tries, since = 0, 0
        self._model.set_link("starting", since=self._wall())
        self.dirty()
        while True:
            try:
                await self._follow()
            except LinkLost as error:
                await self._drop()
                if self._live or not since:
                    tries, since, self._live = 0, self._wall(), False
                pause = BACKOFF[min(tries, len(BACKOFF) - 1)]
                tries += 1
                await self._lost(error, tries, since, pause)

    async def _follow(self) -> None:
        """Attach and read until a gap or a resync. Raises LinkLost with the link."""
        snapshot = await self._snapshot()
        assert self.port is not None
        self._again.clear()
        self._pending.clear()
        self._model.attach(snapshot)
        self._model.set_link("live")
        self._live = True
        self.hurry()
        reader = asyncio.ensure_future(self._read(self.port, snapshot.pos))
        asked = asyncio.ensure_future(self._again.wait())
        try:
            await asyncio.wait((reader, asked), return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                reader.result()
        finally:
            for task in (reader, asked):
                task.cancel()
            await asyncio.gather(reader, asked, return_exceptions=True)

    async def _snapshot(self) -> Snapshot:
        if self.port is not None:
            return await self.port.snapshot()
        first, self._first = self._first, None
        self.port, snapshot = await (first or attach(self._connect))
        return snapshot

    async def _read(self, port: EnginePort, since: int) -> None:
        async for batch in port.batches(since):
            if batch.gap:
                return
            self._pending.append(batch)
            self._dirty.set()
            while len(self._pending) >= MAX_PENDING:
                self._room.clear()
                await self._room.wait()
        raise LinkLost("The engine closed the link.")

    async def _drop(self) -> None:
        port, self.port = self.port, None
        if port is not None:
            try:
                await port.close()
            except (HarnessError, OSError):
                pass

    async def _lost(self, error: LinkLost, tries: int, since: int, pause: float) -> None:
        retry_at = self._wall() + int(pause * 1e6)
        self._model.set_link("lost", since=since, tries=tries, retry_at=retry_at, text=error.what)
        self.hurry()
        self._again.clear()
        try:
            async with asyncio.timeout(pause):
                await self._again.wait()
        except TimeoutError:
            pass

    # -- frames --------------------------------------------------------------------------------------------------

    async def _draw(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self._hurry.clear()
            self.fold()
            if not self._paint():
                self._dirty.set()  # the terminal is behind: keep folding, try again a frame later
            try:
                async with asyncio.timeout(self._pace.interval):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    def fold(self) -> None:
        """Fold everything that waits. Only a frame folds, so that a key meets what the operator sees."""
        while self._pending:
            self._model.fold(self._pending.popleft())
        self._room.set()
