"""When loops fire next, worked out away from the screen: reading a schedule costs milliseconds and an import."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from ...domain.loop.rows import LoopRow, RoundRow, SpecRow

SECOND = 1_000_000
DAY = 86_400 * SECOND
FIRES = 10
RECENT = 10
"""Rounds whose mean a forecast is made of."""
LATE = 60 * SECOND
"""After that a fire that did not come is no longer waited for: the next one is named."""


class Plan(NamedTuple):
    """What a next fire follows from, apart from the row, which the fold goes on changing. Times in us."""

    loop: str
    name: str
    schedule: str
    zone: str
    added: int
    slot: int

    @classmethod
    def of(cls, row: LoopRow) -> Plan:
        return cls(row.id, row.name, row.schedule, row.zone, row.added, row.slot)

    def row(self) -> LoopRow:
        return LoopRow(self.loop, self.name, schedule=self.schedule, zone=self.zone, added=self.added, slot=self.slot)


class Next(NamedTuple):
    """The answer to a plan: `at` us, 0 = it never fires; `local`: when that is on the clocks of the loop's zone;
    `trouble`: why nothing can be said."""

    plan: Plan
    at: int = 0
    local: str = ""
    trouble: str = ""

    def stale(self, plan: Plan, now: int) -> bool:
        return plan != self.plan or bool(self.at and now > self.at + LATE)


def upcoming(plans: Iterable[Plan], now: int) -> list[Next]:
    """The next fire of each, after `now` and after the newest slot dealt with. Call it in a thread."""
    from ...domain.loop.slots import next_at
    from ...domain.schedule import ScheduleError, zone

    out: list[Next] = []
    for plan in plans:
        try:
            at = next_at(plan.row(), now) or 0
            out.append(Next(plan, at, _clock(at, zone(plan.zone), now) if at else ""))
        except ScheduleError as error:
            out.append(Next(plan, trouble=error.what))
    return out


def _clock(at: int, where: tzinfo, now: int) -> str:
    """`13:50`, with seconds where they matter, with the day where it is not soon."""
    local = datetime.fromtimestamp(at // SECOND, where)
    return local.strftime(("" if at - now < DAY // 2 else "%a %d ") + ("%H:%M:%S" if local.second else "%H:%M"))


def why(spec: SpecRow | None, row: LoopRow, rounds: Sequence[RoundRow], now: int) -> list[tuple[str, str]]:
    """Why it does not run now, what became of its last slot, what its next level asks (plain text). In a thread."""
    from ...domain.loop.why import line
    from ...domain.loop.why import why as answer

    if spec is None:
        label, _, said = line(row, now).partition(": ")
        return [(label, said)]
    return answer(row, spec.spec, now, rounds)


def preview(row: LoopRow, rounds: Sequence[RoundRow], now: int) -> list[tuple[str, str]]:
    """The next ten fires in the loop's zone with what daylight saving does to them, and what a day of it may cost.

    Call it in a thread. The texts are plain (unsafe): a schedule is the operator's, a name may not be.
    """
    from ...domain.loop.slots import count_within
    from ...domain.schedule import ScheduleError, parse, why_never, zone
    from ...domain.schedule import preview as fires_of

    if not row.schedule:
        return [("schedule", "none: it runs by hand (r)")]
    try:
        schedule, where = parse(row.schedule, name=row.name, fast=True), zone(row.zone)
    except ScheduleError as error:
        return [("schedule", row.schedule), ("trouble", error.what)]
    out = [("schedule", f"{row.schedule}   {row.zone}")]
    fires = fires_of(schedule, where, max(now, row.slot) // SECOND, FIRES, anchor=row.added // SECOND)
    for number, fire in enumerate(fires, 1):
        local = datetime.fromtimestamp(fire.at, where)
        mark = f"   {fire.mark}" if fire.mark else ""
        out.append((str(number), f"{local:%a %Y-%m-%d %H:%M:%S} {local:%z}{mark}"))
    if not fires:
        out.append(("never", why_never(schedule) or "it never fires again"))
    out.append(("24 h", _estimate(row, rounds, count_within(row, now, now + DAY))))
    if row.state == "paused":
        out.append(("paused", "nothing of this fires until it is resumed (p)"))
    return out


def _estimate(row: LoopRow, rounds: Sequence[RoundRow], fires: int) -> str:
    """What the next day takes at what the latest rounds took: `12 rounds, about 384,000 tok, $1.20`."""
    from ...domain.loop.slots import cost_estimate
    from ...domain.money import dollars

    words = f"{fires:,} round{'' if fires == 1 else 's'}"
    ended = [each for each in rounds if each.ended][:RECENT]
    if not ended or not fires:
        return words if not fires else f"{words}; what they cost is not known before one has ended"
    tokens = sum(each.tokens for each in ended) * fires // len(ended)
    cost = cost_estimate(row, ended, fires)
    money = "price unknown" if cost is None else dollars(cost, "estimated")
    return f"{words}, about {tokens:,} tok, {money} (at the mean of the last {len(ended)})"
