"""Why a loop does not run, what became of its last slot, what it waits for, what its next level asks. Plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from .. import schedule as when
from ..errors import HarnessError
from . import levels, slots
from .rows import LoopRow, RoundRow
from .spec import LoopSpec

_LEVELS = {
    "L1": "L1 reports; nothing can change",
    "L2": "L2 proposes; a person decides on every change",
    "L3": "L3 acts on listed kinds, verified, inside an enforced sandbox; all else escalates",
}


def why(row: LoopRow, spec: LoopSpec, now: int, rounds: Sequence[RoundRow] = ()) -> list[tuple[str, str]]:
    """(label, sentence), the most pressing first; never empty. now: us; rounds: those at hand, in any order."""
    return [*_now(row, now), *_last(row, rounds), *_level(row, spec, now)]


def line(row: LoopRow, now: int) -> str:
    """The one thing to know, for a line below a list."""
    label, sentence = next(_now(row, now))
    return f"{label}: {sentence}"


def _now(row: LoopRow, now: int) -> Iterator[tuple[str, str]]:
    if row.state == "removed":
        yield "removed", f"by {row.by}; it fires no more. To have it back: loop add"
        return
    if row.running:
        yield "runs", f"round {row.running.partition('/')[2]}{_queued(row)}"
    if row.state == "paused":
        yield "paused", _paused(row)
    if row.waits:
        more = "" if len(row.waits) == 1 else f" and {len(row.waits) - 1} more"
        yield "waits", f"for your decision on {row.waits[0]}{more}; new rounds run meanwhile"
    if row.state == "active":
        yield _next(row, now)
    if row.source_state == "changed":
        yield "file", f"{row.source} changed: add it again; until then the pinned version goes on"
    elif row.source_state == "missing":
        yield "file", f"{row.source} is gone; the pinned version goes on"


def _paused(row: LoopRow) -> str:
    who = "itself" if row.paused_by == "harness" else row.paused_by
    why = f": {row.paused_why}" if row.paused_why else ""
    until = f"until {_at(row, row.paused_until)}" if row.paused_until else f"until loop resume {row.name}"
    return f"by {who} since {_at(row, row.paused_at)}{why}; {until}"


def _queued(row: LoopRow) -> str:
    return f"; the slot of {_at(row, row.queued)} fires once it has ended" if row.queued else ""


def _next(row: LoopRow, now: int) -> tuple[str, str]:
    if not row.schedule:
        return "next", f"by hand only: it has no schedule. Start it with loop run {row.name}"
    try:
        at = slots.next_at(row, now)
        never = when.why_never(when.parse(row.schedule, name=row.name, fast=True))
    except HarnessError as error:
        return "next", f"not known: {error}"
    if at is None:
        return "next", never or f'"{row.schedule}" fires no more'
    if now < row.slot:
        # The mark is the only thing that keeps a slot from firing twice, so it holds against the clock.
        back = f"the clock is behind the slot of {_at(row, row.slot)}, which was dealt with already"
        return "next", f"{_at(row, at)}: {back}; nothing up to it fires again"
    return "next", f"{_at(row, at)}, by {row.schedule} in {row.zone}"


def _last(row: LoopRow, rounds: Sequence[RoundRow]) -> Iterator[tuple[str, str]]:
    if row.slots:
        slot = row.slots[-1]
        became = {
            "fired": f"started round {slot.round.partition('/')[2]}" if slot.round else "started a round",
            "missed": f"was missed: {slot.reason}",
            "skipped": f"was skipped: {slot.reason}",
            "queued": f"is queued: {slot.reason}",
        }
        yield "last slot", f"{_at(row, slot.at)} {became.get(slot.state, slot.state)}"
    if row.last:
        ended = max((each for each in rounds if each.ended), key=lambda each: each.number, default=None)
        name = f"round {ended.number} " if ended else ""
        yield (
            "last round",
            f"{name}{row.last} {_at(row, row.last_at)}{f': {row.last_reason}' if row.last_reason else ''}",
        )
    if row.last == "exhausted":
        yield "budget", "the last round stopped at a limit; see budget show"
    if row.failures:
        yield "failures", f"{row.failures} rounds in a row failed" if row.failures > 1 else "the last round failed"


def _level(row: LoopRow, spec: LoopSpec, now: int) -> Iterator[tuple[str, str]]:
    since = f" (since {_at(row, row.level_since)}: {row.level_why})" if row.level_why else ""
    yield "level", _LEVELS.get(row.level, row.level) + since
    upper = levels.after(row.level)
    if upper and row.state != "removed":
        lacks = levels.missing(levels.may_promote(spec, row, upper, now))
        yield f"for {upper}", lacks or f"all is there: loop promote {row.name}"


def _at(row: LoopRow, us: int) -> str:
    """In the loop's zone; in UTC where this machine does not know it."""
    try:
        zone = when.zone(row.zone)
    except HarnessError:
        return f"{us // slots.SECOND} s after 1970"
    return datetime.fromtimestamp(us // slots.SECOND, zone).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
