"""Slots: which scheduled times of a loop fire, wait, are skipped or were missed. Decisions alone, no clock, no timer.

A loop's row holds its high-water mark, the newest slot that was dealt with. What lies after the mark and not after now
is dealt with here, once, and the mark moves with the events that say how; so no clock that jumps and no engine that
starts again can double a slot or lose one without a row. All times are us, as in events; slots are whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from .. import schedule as when
from ..events import Event, LoopResumed, SlotMissed, SlotQueued, SlotSkipped
from .rows import LoopRow, RoundRow
from .spec import LoopSpec

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

SECOND = 1_000_000
GRACE = 60 * SECOND
"""A slot fires as if on time while it is at most this late, or half the time to the next one if that is less."""
NAMED = 1_000
"""Missed slots named at once; `more` counts those before them, up to as many again."""
AWAY = "the engine was not running"
LATE = "nobody looked in time: the machine slept, or its clock was set forward"


class Fire(NamedTuple):
    """A slot (us) that starts a round now."""

    slot: int
    trigger: Literal["slot", "missed"]


class Due(NamedTuple):
    """What is to be done now.

    Attributes:
        events: of the loop's stream, for the same append as what `fire` leads to.
        fire: rounds to start, oldest slot first, one after the other: several only when missed slots are made up for.
            Those that were not started stay due, and are told again once the round has ended.
        next: when to ask again, us; now itself: as soon as this has been recorded. None = not until something changes.
        cancel: the running round is to end first.
    """

    events: tuple[Event, ...] = ()
    fire: tuple[Fire, ...] = ()
    next: int | None = None
    cancel: bool = False


def due(row: LoopRow, spec: LoopSpec, now: int, *, since: int) -> Due:
    """What becomes of the slots in (row.slot, now]. Asked at `next`, and whenever a round of the loop has ended.

    Args:
        spec: the pinned one, for its overlap and missed-run policies.
        since: from when on the engine has been watching the clock, us.

    Raises ScheduleError when the time zone data of this machine no longer has the loop's zone.
    """
    if row.state == "removed":
        return Due()
    if row.state == "paused":
        if not row.paused_until or now < row.paused_until:
            return Due(next=row.paused_until or None)
        return Due((*passed(row, row.paused_until - 1), LoopResumed("harness", "its pause was over")), next=now)
    if row.queued and not row.running:
        return Due(fire=(Fire(row.queued, "slot"),), next=now)
    plan = _plan(row)
    if plan is None:
        return Due()
    first = plan.after(row.slot)
    if first is None or first > now:
        return Due(next=first)
    slots, more, coming = [first], 0, plan.after(first)
    if coming is not None and coming <= now:
        slots, more = plan.newest(row.slot, now)
        coming = plan.after(max(now, slots[-1]))
    grace = GRACE if coming is None else min(GRACE, (coming - slots[-1]) // 2)
    fresh = slots[-1:] if now - slots[-1] <= grace else []
    late = slots[: len(slots) - len(fresh)]
    # What comes on time makes up for what was missed; a second round a moment before it would find the same.
    kept = {"skip": 0, "one": 0 if fresh else 1, "all": max(0, spec.missed_limit)}[spec.missed]
    split = max(0, len(late) - kept)
    missed, made_up = late[:split], late[split:]
    fire = (*(Fire(at, "missed") for at in made_up), *(Fire(at, "slot") for at in fresh))
    if fire and row.running and spec.overlap != "cancel":
        if spec.missed == "all" and not fresh:
            return Due(next=coming)  # they stay due until the round has ended, or the next slot comes
        return Due(_overlap(row, spec, late, more, fire, since), next=coming)
    return Due(_missed(missed, more, since), fire, coming, cancel=bool(fire and row.running))


def _overlap(
    row: LoopRow, spec: LoopSpec, late: list[int], more: int, fire: Sequence[Fire], since: int
) -> tuple[Event, ...]:
    """A round runs: of all that would fire the newest may wait for it; nothing else is kept."""
    newest, trigger = fire[-1]
    runs = f"{_round(row.running)} still ran"
    also = f"; {runs}" if spec.missed != "skip" else ""
    if spec.overlap == "queue" and not row.queued:
        return (*_missed([at for at in late if at != newest], more, since, also), SlotQueued(newest))
    if trigger == "missed":
        return _missed(late, more, since, also)
    reason = f"{_clock(row, row.queued)} waits already, {runs}" if row.queued else runs
    return (*_missed(late, more, since, also), SlotSkipped(newest, reason))


def passed(row: LoopRow, until: int) -> tuple[Event, ...]:
    """The slots up to `until` that a pause kept from firing, for the append that ends the pause. No policy applies."""
    plan = _plan(row)
    slots, more = plan.newest(row.slot, until) if plan else ([], 0)
    if not slots:
        return ()
    why = f": {row.paused_why}" if row.paused_why else ""
    return (SlotMissed(tuple(slots), f"paused by {row.paused_by}{why}{_at_least(more)}", more),)


def dropped(row: LoopRow, why: str) -> tuple[Event, ...]:
    """The queued slot will not fire: the loop is about to be paused or removed."""
    return (SlotSkipped(row.queued, why),) if row.queued else ()


def _missed(slots: Sequence[int], more: int, since: int, also: str = "") -> tuple[Event, ...]:
    away = tuple(at for at in slots if at < since)
    late = tuple(at for at in slots if at >= since)
    events = []
    if away:
        events.append(SlotMissed(away, AWAY + also + _at_least(more), more))
        more = 0
    if late:
        events.append(SlotMissed(late, LATE + also + _at_least(more), more))
    return tuple(events)


def _at_least(more: int) -> str:
    return f"; at least {more} more before these" if more >= NAMED else ""


# -- what front ends ask ----------------------------------------------------------------------------------------------


def next_at(row: LoopRow, now: int) -> int | None:
    """The next slot that can fire, us; None = none: no schedule, removed, paused for good, or never again."""
    plan = _plan(row) if row.state != "removed" else None
    if plan is None or (row.state == "paused" and not row.paused_until):
        return None
    return plan.after(max(now, row.slot, row.paused_until - 1 if row.state == "paused" else 0))


def count_within(row: LoopRow, start: int, end: int) -> int:
    """Slots in (start, end], us, whatever the loop's state. A day of a cron schedule has 1,440 at most."""
    plan = _plan(row)
    return plan.counted(start, end) if plan else 0


def within(row: LoopRow, start: int, end: int, limit: int) -> list[int]:
    """Slots in [start, end], us, oldest first, at most `limit`."""
    plan = _plan(row)
    return plan.between(start - 1, end, limit) if plan else []


def cost_estimate(row: LoopRow, rounds: Sequence[RoundRow], fires: int) -> int | None:
    """Nano-dollars of that many rounds, by the mean of these; None when no round ended or a price is unknown."""
    ended = [each.usd for each in rounds if each.loop == row.id and each.ended]
    known = [usd for usd in ended if usd is not None]
    if not known or len(known) < len(ended):
        return None
    return round(sum(known) * fires / len(known))


def _round(ident: str) -> str:
    return f"round {ident.partition('/')[2] or ident}"


def _clock(row: LoopRow, at: int) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(at // SECOND, when.zone(row.zone)).strftime("%H:%M")


# -- the schedule, in us ----------------------------------------------------------------------------------------------


class _Plan(NamedTuple):
    """A schedule in its zone; `anchor` in whole seconds, so that every slot is one."""

    schedule: when.Schedule
    zone: ZoneInfo
    anchor: int

    def after(self, at: int) -> int | None:
        found = when.after(self.schedule, self.zone, at // SECOND, anchor=self.anchor)
        return None if found is None else int(found) * SECOND

    def between(self, start: int, end: int, limit: int) -> list[int]:
        found = when.between(self.schedule, self.zone, start // SECOND, end // SECOND, anchor=self.anchor, limit=limit)
        return [int(at) * SECOND for at in found]

    def counted(self, start: int, end: int) -> int:
        if every := self.schedule.every:
            return max(0, (end // SECOND - self.anchor) // every) - max(0, (start // SECOND - self.anchor) // every)
        return len(self.between(start, end, limit=100 * NAMED))

    def newest(self, start: int, end: int) -> tuple[list[int], int]:
        """The newest slots in (start, end], at most NAMED, oldest first, and how many are before them.

        Of a cron schedule at most NAMED of those are counted: years of minutes are not walked to tell their number.
        """
        if every := self.schedule.every:
            first = max(start, end - NAMED * every * SECOND)
            return self.between(first, end, NAMED), self.counted(start, first)
        found = self.between(start, end, 2 * NAMED)
        if len(found) < 2 * NAMED:
            return found[-NAMED:], max(0, len(found) - NAMED)
        found, width = [], 60 * NAMED * SECOND
        while len(found) < NAMED and end > start:
            low = max(start, end - width)
            part = self.between(low, end, 2 * NAMED)
            if len(part) == 2 * NAMED:  # denser here than it was further on
                width //= 2
                continue
            found, end, width = part + found, low, width * 2
        return found[-NAMED:], NAMED


@lru_cache(maxsize=16_384)
def _read(text: str, name: str, zone: str, anchor: int) -> _Plan:
    return _Plan(when.parse(text, name=name, fast=True), when.zone(zone), anchor)


def _plan(row: LoopRow) -> _Plan | None:
    """None = it runs by hand alone. What is too fast was refused when the loop was added."""
    return _read(row.schedule, row.name, row.zone, row.added // SECOND) if row.schedule else None
