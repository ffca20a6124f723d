"""A schedule as a value: five expanded cron fields, or an interval."""

from __future__ import annotations

import msgspec

from ..errors import UsageError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class ScheduleError(UsageError):
    """A schedule or a time zone that cannot be read."""


class Schedule(msgspec.Struct, frozen=True):
    """What an expression means.

    Attributes:
        text: as written.
        cron: values of minute, hour, day of month, month and day of week (0 = Sunday), ascending; () for an interval.
        either: a day matches by its number *or* its weekday, as when both are restricted; else it must match by both.
        star: fires whenever the local time matches; otherwise each wall-clock time once, see `fires`.
        every: seconds between fires of an interval; 0 for cron.
    """

    text: str
    cron: tuple[tuple[int, ...], ...] = ()
    either: bool = False
    star: bool = False
    every: int = 0

    @property
    def never(self) -> bool:
        """Whether no date matches, as with `0 0 30 2 *`. Every date that exists falls on each weekday some year."""
        if not self.cron or self.either:
            return False
        _, _, days, months, _ = self.cron
        return days[0] > max(_LONGEST_MONTHS[month - 1] for month in months)


def why_never(schedule: Schedule) -> str:
    """One sentence on a schedule that never fires; "" for one that does."""
    if not schedule.never:
        return ""
    _, _, days, months, _ = schedule.cron
    return f'"{schedule.text}" never fires: no day {days[0]} in {", ".join(MONTHS[month - 1] for month in months)}.'
