"""Time zones as offsets from UTC that hold for a while and then change. `zone` reads the system's zone data."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from .spec import ScheduleError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

NEAR = 2 * 86_400
"""Seconds. A clock jumps by a day at most, and no zone ever changed its offset twice within this."""
_NOT_NAMES = ("right", "posix", "localtime", "posixrules")
_SECONDS_A_DAY = 86_400


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name like `Europe/Berlin`. Raises ScheduleError with the nearest names."""
    from zoneinfo import ZoneInfo, available_timezones

    # These files mean something else on each machine, or count leap seconds, which no clock of ours does.
    if name and name.split("/")[0] not in _NOT_NAMES:
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            pass
    known = available_timezones().difference(_NOT_NAMES)
    if not known:
        raise ScheduleError(
            "This system has no time zone data.", "Install it with `apt install tzdata` or `pip install tzdata`."
        )
    near = _nearest(name, known)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Write a name like Europe/Berlin, or UTC."
    raise ScheduleError(f'"{name[:60]}" is no time zone.', hint)


def offset(zone: ZoneInfo, instant: int) -> int:
    """Seconds the zone's clock is ahead of UTC at an instant (seconds since the epoch)."""
    ahead = datetime.fromtimestamp(instant, zone).utcoffset()
    assert ahead is not None, "a ZoneInfo always has an offset"
    return ahead.days * _SECONDS_A_DAY + ahead.seconds


def change(zone: ZoneInfo, start: int, end: int) -> int | None:
    """The instant in (start, end] from which another offset holds than at `start`; about `NEAR` apart at most."""
    known = offset(zone, start)
    if offset(zone, end) == known:
        return None
    while end - start > 1:
        middle = (start + end) // 2
        if offset(zone, middle) == known:
            start = middle
        else:
            end = middle
    return end


def showings(zone: ZoneInfo, shown: int) -> list[int]:
    """The instants at which the zone's clock shows a time, in order: none in a gap, two where it is repeated."""
    offsets = {offset(zone, shown - _SECONDS_A_DAY), offset(zone, shown + _SECONDS_A_DAY)}
    return sorted(shown - each for each in offsets if offset(zone, shown - each) == each)


def _nearest(name: str, known: set[str]) -> list[str]:
    from difflib import get_close_matches

    asked = name.strip().lower().replace(" ", "_")
    by_lower = {each.lower(): each for each in known}
    if asked in by_lower:
        return [by_lower[asked]]
    cities = sorted(each for each in known if each.lower().rpartition("/")[2] == asked)
    return cities[:3] or [by_lower[each] for each in get_close_matches(asked[:60], sorted(by_lower), 3, 0.7)]
