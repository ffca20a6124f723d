"""When loops fire next, worked out away from the screen: reading a schedule costs milliseconds and an import."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...domain.loop.rows import LoopRow, RoundRow

SECOND = 1_000_000
FIRES = 10
LATE = 60 * SECOND
"""After that a fire that did not come is no longer waited for: the next one is named."""


class Plan(NamedTuple):
    """What a next fire follows from. Times in us; `slot` is the newest that was dealt with, `anchor` of intervals."""

    loop: str
    name: str
    schedule: str
    zone: str
    fast: bool
    anchor: int
    slot: int

    @classmethod
    def of(cls, row: LoopRow) -> Plan:
        return cls(row.id, row.name, row.schedule, row.zone, row.fast, row.added, row.slot)


class Next(NamedTuple):
    """The answer to a plan: `at` us, 0 = it never fires; `trouble`: why nothing can be said."""

    plan: Plan
    at: int = 0
    trouble: str = ""

    def stale(self, plan: Plan, now: int) -> bool:
        return plan != self.plan or bool(self.at and now > self.at + LATE)


def upcoming(plans: Iterable[Plan], now: int) -> list[Next]:
    """The next fire of each, after `now` and after the newest slot dealt with. Call it in a thread."""
    from ...domain.schedule import ScheduleError, after, parse, zone

    out: list[Next] = []
    for plan in plans:
        try:
            schedule = parse(plan.schedule, name=plan.name, fast=plan.fast)
            base = max(now, plan.slot) / SECOND
            at = after(schedule, zone(plan.zone), base, anchor=plan.anchor / SECOND)
        except ScheduleError as error:
            out.append(Next(plan, trouble=error.what))
        else:
            out.append(Next(plan, 0 if at is None else round(at * SECOND)))
    return out


def preview(row: LoopRow, rounds: Sequence[RoundRow], now: int) -> list[tuple[str, str]]:
    """The next ten fires in the loop's zone with what daylight saving does to them, and what a day of it may cost.

    Call it in a thread. The texts are plain (unsafe): a schedule is the operator's, a name may not be.
    """
    from datetime import datetime

    from ...domain.schedule import ScheduleError, between, parse, why_never, zone
    from ...domain.schedule import preview as fires_of

    if not row.schedule:
        return [("schedule", "none: it runs by hand (r)")]
    try:
        schedule, where = parse(row.schedule, name=row.name, fast=row.fast), zone(row.zone)
    except ScheduleError as error:
        return [("schedule", row.schedule), ("trouble", error.what)]
    base, anchor = max(now, row.slot) / SECOND, row.added / SECOND
    out = [("schedule", f"{row.schedule}   {row.zone}")]
    fires = fires_of(schedule, where, base, FIRES, anchor=anchor)
    for number, fire in enumerate(fires, 1):
        local = datetime.fromtimestamp(fire.at, where)
        mark = f"   {fire.mark}" if fire.mark else ""
        out.append((str(number), f"{local:%a %Y-%m-%d %H:%M:%S} {local:%z}{mark}"))
    if not fires:
        out.append(("never", why_never(schedule) or "it never fires again"))
    day = between(schedule, where, now / SECOND, now / SECOND + 86_400, anchor=anchor, limit=100_000)
    out.append(("24 h", _estimate(rounds, len(day))))
    if row.state == "paused":
        out.append(("paused", "nothing of this fires until it is resumed (p)"))
    return out


def _estimate(rounds: Sequence[RoundRow], fires: int) -> str:
    """What the next day takes at what the latest rounds took: `12 rounds, about 384,000 tok, $1.20`."""
    from ...domain.money import dollars

    words = f"{fires:,} round{'' if fires == 1 else 's'}"
    ended = [row for row in rounds if row.ended][:10]
    if not ended or not fires:
        return words if not fires else f"{words}; what they cost is not known before one has ended"
    tokens = sum(row.tokens for row in ended) * fires // len(ended)
    known = [row.usd for row in ended if row.usd is not None]
    money = dollars(sum(known) * fires // len(known), "estimated") if len(known) == len(ended) else "price unknown"
    return f"{words}, about {tokens:,} tok, {money} (mean of the last {len(ended)})"
