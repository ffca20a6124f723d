"""The next wall-clock minute of a cron schedule, from croniter, which is never told of a zone.

A wall clock's time is a number here: seconds since 1970-01-01 00:00 by that clock, as if it were UTC.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING

from .spec import Schedule

if TYPE_CHECKING:
    from croniter import croniter  # type: ignore[import-untyped]

_SIZES = (60, 24, 31, 12, 7)
# Written as `*`, croniter would take a full list of days as no restriction, and with it the *or* between the two.
_DAYS = (31, 7)


def next_minute(schedule: Schedule, shown: int) -> int | None:
    """First matching wall-clock minute strictly after `shown`; None when there is none in the next 50 years."""
    if schedule.never:
        return None
    minute = _next(schedule.cron, schedule.either, shown // 60)
    return None if minute is None else minute * 60


# Thousands of loops share a few expressions and start together. An entry is small; asking costs up to milliseconds.
@lru_cache(maxsize=16_384)
def _next(cron: tuple[tuple[int, ...], ...], either: bool, minute: int) -> int | None:
    from croniter import CroniterBadDateError

    # A croniter holds the time it was last asked about: a copy for each question keeps threads apart.
    asked = copy.copy(_croniter(cron, either))
    try:
        return int(asked.get_next(float, start_time=minute * 60.0)) // 60
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
