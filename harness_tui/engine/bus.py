"""The bus: committed events and flow, fanned out to whoever watches, in two delivery classes.

State events are never dropped: every subscriber reads them by cursor from one shared tail, or from the journal when it
is too far behind. Flow keeps the last value per (run, key) and counts what it sampled away.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncIterator, Awaitable, Callable

from ..domain.codec import WireEvent
from ..domain.events import Envelope, Flow
from ..port.snapshot import Batch

MAX_BATCH = 256
WINDOW = 0.05
"""Seconds a batch collects after its first event."""

TAIL = 20_000
"""Events kept in memory for subscribers; older ones come from the journal."""

Tail = Callable[[int, int], Awaitable[list[Envelope]]]
"""(after, limit) -> committed envelopes in pos order."""


class _Subscriber:
    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.flow: dict[tuple[str, str], Flow] = {}
        self.dropped = 0


class Bus:
    def __init__(self, journal_tail: Tail) -> None:
        self._tail: list[WireEvent] = []
        self._subscribers: set[_Subscriber] = set()
        self._journal_tail = journal_tail
        self._closed = False

    def publish(self, envelopes: list[Envelope]) -> None:
        """Take committed events, in pos order."""
        if not self._subscribers:
            # Nobody watches: whoever comes reads the journal up to its snapshot's cursor.
            self._tail.clear()
            return
        self._tail.extend(WireEvent.of(e) for e in envelopes)
        if len(self._tail) > 2 * TAIL:
            del self._tail[:-TAIL]
        for subscriber in self._subscribers:
            subscriber.wake.set()

    def flow(self, item: Flow) -> None:
        """Take one flow item; the newest per (run, key) wins."""
        key = (item.run, item.key)
        for subscriber in self._subscribers:
            subscriber.dropped += key in subscriber.flow
            subscriber.flow[key] = item
            subscriber.wake.set()

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.wake.set()

    async def batches(self, since: int) -> AsyncIterator[Batch]:
        """Everything after cursor `since`: at most 256 events or 50 ms a batch, until the bus closes."""
        subscriber = _Subscriber()
        self._subscribers.add(subscriber)
        cursor = since
        try:
            while True:
                events = await self._after(cursor)
                if not events and not subscriber.flow:
                    if self._closed:
                        return
                    await subscriber.wake.wait()
                    await asyncio.sleep(WINDOW)
                    subscriber.wake.clear()
                    continue
                flow, subscriber.flow = tuple(subscriber.flow.values()), {}
                dropped, subscriber.dropped = subscriber.dropped, 0
                cursor = events[-1].pos if events else cursor
                yield Batch(tuple(events), flow, dropped)
        finally:
            self._subscribers.discard(subscriber)

    async def _after(self, cursor: int) -> list[WireEvent]:
        if self._tail and self._tail[0].pos <= cursor + 1:
            start = bisect.bisect_right(self._tail, cursor, key=lambda e: e.pos)
            return self._tail[start : start + MAX_BATCH]
        return [WireEvent.of(e) for e in await self._journal_tail(cursor, MAX_BATCH)]
