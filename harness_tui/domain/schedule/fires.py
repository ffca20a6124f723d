"""The instants a schedule means in a zone.

Wall-clock minutes come from `naive`; where they lie in time is decided here, by walking the stretches in which a zone
keeps one offset:

- a `*` schedule fires at each instant whose local time matches: nothing in a gap, both passes of a repeated hour;
- any other fires when the clock first shows a time *or has passed it*: a time in a gap fires at the first instant after
  the gap, a repeated one on its first pass, and times that end up on one instant are one fire;
- an interval is elapsed time from its anchor and knows no zones.

Instants are seconds since the epoch, UTC. Fires are whole seconds; an interval's keep their anchor's fraction.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor
from typing import TYPE_CHECKING

import msgspec

from .naive import next_minute
from .spec import Schedule
from .zones import NEAR, change, offset, showings

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

END = 250_000_000_000
"""Instant from which nothing fires any more: in the year 9892, where a year more than 50 later still is a date."""


class Fire(msgspec.Struct, frozen=True):
    """A fire and what the zone's clock did to it: `mark` is "" or a phrase like "second of two 01:30"."""

    at: float
    mark: str = ""


def after(schedule: Schedule, zone: ZoneInfo, instant: float, *, anchor: float = 0.0) -> float | None:
    """First fire strictly after `instant`; None = never again. Intervals fire at anchor + k x interval, k >= 1."""
    if instant >= END:
        return None
    if schedule.every:
        return _elapsed(schedule.every, instant, anchor)
    found = (_whenever if schedule.star else _once)(schedule, zone, floor(instant))
    return None if found is None else float(found)


def between(
    schedule: Schedule, zone: ZoneInfo, start: float, end: float, *, anchor: float = 0.0, limit: int
) -> list[float]:
    """The fires with start < fire <= end, oldest first, at most `limit`."""
    fires: list[float] = []
    while len(fires) < limit:
        fire = after(schedule, zone, fires[-1] if fires else start, anchor=anchor)
        if fire is None or fire > end:
            break
        fires.append(fire)
    return fires


def preview(schedule: Schedule, zone: ZoneInfo, instant: float, count: int, *, anchor: float = 0.0) -> list[Fire]:
    """The next `count` fires after `instant`, with what daylight saving does to them; [] = never again."""
    fires = between(schedule, zone, instant, END, anchor=anchor, limit=count)
    return [Fire(at, "" if schedule.every else _mark(schedule, zone, int(at))) for at in fires]


def _elapsed(every: int, instant: float, anchor: float) -> float:
    count = max(1, floor((instant - anchor) / every))
    # The division may round across a fire that falls on `instant`.
    while anchor + count * every <= instant:
        count += 1
    return anchor + count * every


def _whenever(schedule: Schedule, zone: ZoneInfo, instant: int) -> int | None:
    at, ahead = instant, offset(zone, instant)
    shown = at + ahead
    while (naive := next_minute(schedule, shown)) is not None:
        fire = naive - ahead
        # What the clock does in between can only bring back times of the last day, or hide those of the next.
        reach = fire if fire - at <= NEAR else at + NEAR
        jump = change(zone, at, reach)
        if jump is not None:
            at, ahead = jump, offset(zone, jump)
            shown = at + ahead - 1
        elif reach == fire:
            return fire
        else:
            at = max(reach, fire - NEAR)
            ahead = offset(zone, at)
            shown = at + ahead
    return None


def _once(schedule: Schedule, zone: ZoneInfo, instant: int) -> int | None:
    naive = next_minute(schedule, _latest_shown(zone, instant))
    if naive is None:
        return None
    at = max(instant, naive - offset(zone, instant) - NEAR)
    while (jump := change(zone, at, naive - offset(zone, at))) is not None:
        if jump + offset(zone, jump) >= naive:
            return jump
        at = jump
    return naive - offset(zone, at)


def _latest_shown(zone: ZoneInfo, instant: int) -> int:
    """The latest time the clock has shown until now: later than what it shows if it was put back a while ago."""
    shown = instant + offset(zone, instant)
    jump = change(zone, instant - NEAR, instant)
    return shown if jump is None else max(shown, jump - 1 + offset(zone, jump - 1))


def _mark(schedule: Schedule, zone: ZoneInfo, at: int) -> str:
    shown, due = at + offset(zone, at), at + offset(zone, at - 1)
    if due < shown and not schedule.star:
        missed = next_minute(schedule, due - 1)
        if missed is not None and missed < shown:
            same_day = missed // 86_400 == shown // 86_400
            what = _clock(missed) if same_day else datetime.fromtimestamp(missed, UTC).strftime("%Y-%m-%d %H:%M")
            day = " that day" if same_day else ""
            if next_minute(schedule, shown - 1) == shown:
                return f"also for {what}, which does not exist{day}"
            return f"moved: {what} does not exist{day}"
    if len(passes := showings(zone, shown)) > 1:
        return f"{'first' if at == passes[0] else 'second'} of two {_clock(shown)}"
    return ""


def _clock(shown: int) -> str:
    return datetime.fromtimestamp(shown, UTC).strftime("%H:%M")
