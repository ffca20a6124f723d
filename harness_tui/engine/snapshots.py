"""The bounded picture a console starts from: open runs, what waits, budgets, and the newest events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from ..domain.codec import WireEvent
from ..domain.loop.rows import LoopRow
from ..journal.journal import Journal
from ..port.snapshot import TRACE_ROWS, EngineInfo, Snapshot

ENDED_RUNS = 60
DECIDED = 30
TRACE_BYTES = 128 * 1024
LOOPS = 200

T = TypeVar("T")
LOOP_BYTES = 48 * 1024
ROUND_BYTES = 32 * 1024


async def take(journal: Journal, info: EngineInfo, now: int) -> Snapshot:
    """A snapshot of at most some 256 KiB: rows from memory, the newest events from the log, one cursor."""
    trace = _newest([WireEvent.of(e) for e in await journal.last(TRACE_ROWS)])
    views = journal.views
    roots = [r for r in views.runs.values() if r.kind != "attempt"]
    runs = sorted((r for r in roots if r.open or not r.job), key=lambda r: (not r.open, -r.started))
    shown = {r.id for r in runs if r.open} | {r.id for r in [r for r in runs if not r.open][:ENDED_RUNS]}
    jobs = sorted((r for r in roots if r.job and not r.open and r.parent in shown), key=lambda r: -r.ended)
    children = [*(r for r in views.runs.values() if r.kind == "attempt" and r.parent in shown), *jobs[:ENDED_RUNS]]
    asked = sorted(views.approvals.values(), key=lambda a: a.requested)
    decided = [a for a in asked if not a.open][-DECIDED:]
    days = sorted(s for s in views.budgets if s.startswith("day:"))[-2:]
    loops = _fitting(sorted(views.loops.values(), key=_weight), LOOP_BYTES)
    named = {loop.id for loop in loops}
    rounds = _fitting([r for r in reversed(views.rounds.values()) if r.loop in named], ROUND_BYTES)
    own = {s.partition(":")[0]: s for s in sorted(views.budgets) if s.partition(":")[0] in named}
    wanted = {*(f"run:{run}" for run in shown), *days, "run", "day", *named, *own.values()}
    return Snapshot(
        engine=info,
        pos=views.pos,
        at=now,
        runs=(*(r for r in runs if r.id in shown), *children),
        approvals=(*decided, *(a for a in asked if a.open)),
        budgets=tuple(b for b in views.budgets.values() if b.scope in wanted),
        holds=tuple(views.holds.values()),
        frames=tuple(f for f in views.frames.values() if f.run in shown),
        loops=tuple(loops),
        rounds=tuple(reversed(rounds)),
        more_loops=len(views.loops) - len(loops),
        trace=trace,
    )


def _weight(loop: LoopRow) -> tuple[bool, bool, bool, int]:
    """What the operator must see comes first: who waits, who runs, who is there, then the latest."""
    return (loop.state == "removed", not loop.waits, not loop.running, -loop.last_at)


def _fitting(rows: Sequence[T], limit: int) -> list[T]:
    """The first of them that fit the byte limit."""
    size, kept = 0, list[T]()
    for row in rows[:LOOPS]:
        size += len(msgspec.json.encode(row))
        if size > limit:
            break
        kept.append(row)
    return kept


def _newest(events: list[WireEvent]) -> tuple[WireEvent, ...]:
    """As many of the newest events as fit the byte limit, in order."""
    size, kept = 0, []
    for event in reversed(events):
        size += len(bytes(event.body)) + 40
        if size > TRACE_BYTES:
            break
        kept.append(event)
    return tuple(reversed(kept))
