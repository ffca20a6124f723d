"""The next wall-clock minute of a cron schedule: ours within a day, from croniter, which is told of no zone, else.

A wall clock's time is a number here: seconds since 1970-01-01 00:00 by that clock, as if it were UTC.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from .spec import Schedule

if TYPE_CHECKING:
    from croniter import croniter  # type: ignore[import-untyped]

_A_DAY = 24 * 60
_EPOCH = date(1970, 1, 1).toordinal()
_SIZES = (60, 24, 31, 12, 7)
# Written as `*`, croniter would take a full list of days as no restriction, and with it the *or* between the two.
_DAYS = (31, 7)


def next_minute(schedule: Schedule, shown: int) -> int | None:
    """First matching wall-clock minute strictly after `shown`; None when there is none in the next 50 years."""
    day, minute = divmod(shown // 60 + 1, _A_DAY)
    found = _within(schedule.cron, schedule.either, day, minute)
    if found is None:
        found = _later(schedule.cron, schedule.either, day)
    return None if found is None else found * 60


def _within(cron: tuple[tuple[int, ...], ...], either: bool, day: int, minute: int) -> int | None:
    """The first match at or after a minute of a day, on that day: what dense schedules are asked nearly always."""
    minutes, hours, days, months, weekdays = cron
    hour, minute = divmod(minute, 60)
    at = bisect_left(hours, hour)
    first = 0
    if at < len(hours) and hours[at] == hour:
        first = bisect_left(minutes, minute)
        if first == len(minutes):
            at, first = at + 1, 0
    if at == len(hours):
        return None
    on = date.fromordinal(_EPOCH + day)
    by_number, by_weekday = on.day in days, on.isoweekday() % 7 in weekdays
    if on.month not in months or not ((by_number or by_weekday) if either else (by_number and by_weekday)):
        return None
    return day * _A_DAY + hours[at] * 60 + minutes[first]


# Thousands of loops share a few expressions and start together. An entry is small; asking costs up to milliseconds.
@lru_cache(maxsize=16_384)
def _later(cron: tuple[tuple[int, ...], ...], either: bool, day: int) -> int | None:
    """The first match after a day."""
    from croniter import CroniterBadDateError

    if Schedule("", cron, either).never:
        return None
    # A croniter holds the time it was last asked about: a copy for each question keeps threads apart.
    asked = copy.copy(_croniter(cron, either))
    try:
        return int(asked.get_next(float, start_time=(day * _A_DAY + _A_DAY - 1) * 60.0)) // 60
    except CroniterBadDateError:
        return None


@lru_cache(maxsize=1_024)
def _croniter(cron: tuple[tuple[int, ...], ...], either: bool) -> croniter:
    from croniter import croniter

    fields = (
        "*" if len(values) == size and not (either and size in _DAYS) else ",".join(map(str, values))
        for values, size in zip(cron, _SIZES, strict=True)
    )
    return croniter(" ".join(fields), 0.0, day_or=either)
