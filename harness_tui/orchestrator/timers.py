"""When a graph's run has to look again by time alone: one heap, one sleeper, on the run's own clock."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..domain.seams import Clock

SECOND = 1_000_000

T = TypeVar("T", bound=Hashable)


class Timers(Generic[T]):
    """Moments of one run.

    Args:
        now: us since the run's start.
        ring: told what is due; called on the loop.
    """

    def __init__(self, clock: Clock, now: Callable[[], int], ring: Callable[[T], None]) -> None:
        self._clock = clock
        self._now = now
        self._ring = ring
        self._heap: list[tuple[int, int, T]] = []
        self._count = 0
        self._sleeper: tuple[int, asyncio.Task[None]] | None = None

    def at(self, t: int, what: T) -> None:
        """Ring with `what` at `t`, or soon after."""
        self._count += 1
        heapq.heappush(self._heap, (t, self._count, what))
        self._arm()

    def close(self) -> None:
        if self._sleeper:
            self._sleeper[1].cancel()

    def _arm(self) -> None:
        """Sleep until the first of them; one that sleeps no longer than that goes on."""
        due = self._heap[0][0] if self._heap else None
        if due is None or (self._sleeper and self._sleeper[0] <= due and not self._sleeper[1].done()):
            return
        self.close()
        self._sleeper = (due, asyncio.create_task(self._sleep(due)))

    async def _sleep(self, due: int) -> None:
        while (left := (due - self._now()) / SECOND) > 0:
            await self._clock.sleep(left)
        self._sleeper = None
        while self._heap and self._heap[0][0] <= self._now():
            self._ring(heapq.heappop(self._heap)[2])
        self._arm()
