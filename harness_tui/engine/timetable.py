"""When each loop is due: one heap and one sleeping task, however many loops there are."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from ..domain.seams import Clock

CHUNK = 30.0
"""Seconds slept at most: a wall clock that was set is noticed by then."""
SECOND = 1_000_000


class Timetable:
    """Calls `due(loop)` when its time has come. The time is forgotten then; whoever is called sets the next one."""

    def __init__(self, clock: Clock, due: Callable[[str], None]) -> None:
        self._clock = clock
        self._due = due
        self._heap: list[tuple[int, str]] = []
        self._next: dict[str, int] = {}
        self._changed = asyncio.Event()

    def set(self, loop: str, at: int | None) -> None:
        """Due at `at` (us) and not before; None = no more."""
        if at is None:
            self._next.pop(loop, None)
            return
        self._next[loop] = at
        heapq.heappush(self._heap, (at, loop))
        if self._heap[0] == (at, loop):
            self._changed.set()

    def at(self, loop: str) -> int | None:
        """When the loop is due next, in us."""
        return self._next.get(loop)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            now = self._clock.now()
            while self._heap and self._heap[0][0] <= now:
                at, loop = heapq.heappop(self._heap)
                if self._next.get(loop) == at:  # else it was set anew since
                    del self._next[loop]
                    self._due(loop)
            await self._sleep(min(CHUNK, (self._heap[0][0] - now) / SECOND) if self._heap else CHUNK)

    async def _sleep(self, seconds: float) -> None:
        slept, changed = (asyncio.create_task(each) for each in (self._clock.sleep(seconds), self._changed.wait()))
        try:
            await asyncio.wait({slept, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (slept, changed):
                task.cancel()
            await asyncio.gather(slept, changed, return_exceptions=True)
