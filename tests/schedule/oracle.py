"""What a cron expression means, minute by minute: no croniter, nothing of the package under test, no cleverness.

Every UTC minute of a stretch is asked what the zone's clock shows. A `*` expression fires when that matches. Any other
fires for the minutes that are shown for the first time, those that the clock has just skipped included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = 86_400
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def field(index: int, text: str) -> set[int]:
    """The values of a field written with numbers, `*`, `-`, `/` and `,`."""
    values: set[int] = set()
    for term in text.split(","):
        base, _, step = term.partition("/")
        low, _, high = base.partition("-")
        first, last = _RANGES[index] if base == "*" else (int(low), int(high or low))
        values.update(range(first, last + 1, int(step or 1)))
    return {value % 7 for value in values} if index == 4 else values


class Cron:
    """An expression as sets, and whether a wall-clock minute matches it."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self.minutes, self.hours, self.days, self.months, self.weekdays = (field(i, w) for i, w in enumerate(words))
        self.star = words[0][0] == "*" or words[1][0] == "*"
        self.either = words[2][0] != "*" and words[4][0] != "*"

    def matches(self, shown: datetime) -> bool:
        if shown.minute not in self.minutes or shown.hour not in self.hours or shown.month not in self.months:
            return False
        day, weekday = shown.day in self.days, shown.isoweekday() % 7 in self.weekdays
        return (day or weekday) if self.either else (day and weekday)


@lru_cache(maxsize=64)
def clock(zone: ZoneInfo, start: int, end: int) -> tuple[tuple[int, datetime, bool], ...]:
    """(instant, wall-clock minute, whether the instant shows it) for each minute shown or skipped in [start, end).

    Both a multiple of 60. A skipped minute comes with the first instant after the gap. The stretch before `start` whose
    minutes may come back is the caller's to include.
    """
    rows: list[tuple[int, datetime, bool]] = []
    last: datetime | None = None
    for instant in range(start, end, 60):
        shown = datetime.fromtimestamp(instant, zone).replace(tzinfo=None)
        while last is not None and (last := last + MINUTE) < shown:
            rows.append((instant, last, False))
        rows.append((instant, shown, True))
        last = shown
    return tuple(rows)


def fires(text: str, zone: ZoneInfo, start: int, end: int) -> list[int]:
    """The fires in [start, end) of an expression whose zone has had whole-minute offsets since a day before `start`."""
    cron = Cron(text)
    found = []
    seen: set[datetime] = set()
    for instant, shown, real in clock(zone, start - DAY - 3_600, end):
        if cron.matches(shown):
            due = real if cron.star else shown not in seen
            seen.add(shown)
            if due and instant >= start:
                found.append(instant)
    return sorted(set(found))


def changes(zone: ZoneInfo, first: int, last: int) -> Iterator[int]:
    """Instants, to the minute, at which the zone's offset changes between two years; found by asking twice a day."""
    start, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first, last))
    before = _offset(zone, start)
    for asked in range(start, end, DAY // 2):
        if (now := _offset(zone, asked)) != before:
            yield next(m for m in range(asked - DAY // 2 + 60, asked + 60, 60) if _offset(zone, m) != before)
        before = now


def _offset(zone: ZoneInfo, instant: int) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()


def local(zone: ZoneInfo, fires: Iterable[float]) -> list[str]:
    """Fires as an operator reads them: `2026-03-08 03:00 -04:00`."""
    return [datetime.fromtimestamp(at, zone).isoformat(" ", "auto") for at in fires]
