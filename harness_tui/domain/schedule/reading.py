"""Reads a schedule: five cron fields, or the words `daily 09:00`, `weekly mon 09:00`, `every 10m`."""

from __future__ import annotations

import re

from .cronfields import WEEKDAYS, expand
from .spec import Schedule, ScheduleError

LONGEST = 1000
"""Characters of one schedule; all sixty minutes written out, five times over, are fewer."""
LONGEST_INTERVAL = 3660 * 86_400
"""Seconds: about ten years."""
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EXAMPLES = "Write five cron fields like `0 9 * * mon-fri`, or `daily 09:00`, `weekly mon 09:00`, `every 10m`."
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})", re.ASCII)
_INTERVAL = re.compile(r"(-?[0-9]{1,12}) ?([a-z]*)", re.ASCII)
_DAYS = {
    alias: number
    for number, day in enumerate(("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))
    for alias in (day, day[:3])
}


def parse(text: str, *, name: str = "", fast: bool = False) -> Schedule:
    """Read a schedule.

    Args:
        text: what the operator wrote, ASCII, fields apart by spaces or tabs; letters of either case.
        name: of the loop: what `H` is hashed from, the same in every process.
        fast: allows intervals under a minute.

    Raises ScheduleError with the field or word at fault and what to write instead.
    """
    written = text.strip(" \t\r\n")
    if len(written) > LONGEST:
        raise ScheduleError(f"The schedule has {len(written)} characters, and {LONGEST} is the most.", _EXAMPLES)
    if odd := next((c for c in written if not (" " <= c <= "~" or c == "\t")), ""):
        word = next(ascii(word)[1:-1] for word in re.split(r"[ \t]", written) if odd in word)
        raise ScheduleError(f'"{word}" holds U+{ord(odd):04X}, which is no digit, letter or sign of cron.', _EXAMPLES)
    words = re.split(r"[ \t]+", written)
    match words[0].lower():
        case "":
            raise ScheduleError("The schedule is empty.", _EXAMPLES)
        case "daily":
            return _daily(written, words[1:])
        case "weekly":
            return _weekly(written, words[1:])
        case "every":
            if len(words) == 1:
                raise ScheduleError('"every" takes an interval.', "Write `every 10m`.")
            return Schedule(written, every=_seconds(" ".join(words[1:]), fast=fast))
        case nickname if nickname.startswith("@"):
            instead = _NICKNAMES.get(nickname)
            raise ScheduleError(f'"{words[0]}" is no schedule here.', f"Write `{instead}`." if instead else _EXAMPLES)
    if len(words) != 5:
        raise _miscounted(words)
    fields = tuple(expand(i, word, name) for i, word in enumerate(words))
    starred = [word.startswith("*") for word in words]
    return Schedule(written, fields, either=not (starred[2] or starred[4]), star=starred[0] or starred[1])


def _daily(text: str, words: list[str]) -> Schedule:
    if len(words) != 1:
        raise ScheduleError('"daily" takes one time.', "Write `daily 09:00`.")
    return _at(text, words[0], "daily 09:00", range(7))


def _weekly(text: str, words: list[str]) -> Schedule:
    if len(words) != 2:
        raise ScheduleError('"weekly" takes a day and a time.', "Write `weekly mon 09:00`.")
    day = _DAYS.get(words[0].lower())
    if day is None:
        days = ", ".join((*WEEKDAYS[1:], WEEKDAYS[0]))
        raise ScheduleError(f'"{words[0]}" is no day of the week.', f"Write one of {days}, or its full name.")
    return _at(text, words[1], "weekly mon 09:00", (day,))


def _at(text: str, time: str, example: str, weekdays: range | tuple[int, ...]) -> Schedule:
    found = _TIME.fullmatch(time)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise ScheduleError(
            f'"{time}" is no time of day: hours go from 00 to 23, minutes from 00 to 59.', f"Write it like `{example}`."
        )
    days, months = tuple(range(1, 32)), tuple(range(1, 13))
    return Schedule(text, ((int(found[2]),), (int(found[1]),), days, months, tuple(weekdays)))


def _seconds(interval: str, *, fast: bool) -> int:
    found = _INTERVAL.fullmatch(interval.lower())
    if not found or found[2] not in _UNITS or " " in interval:
        instead = "10m"
        if found and (unit := found[2][:1]) in _UNITS:
            instead = f"{found[1].lstrip('-')}{unit}"
        raise ScheduleError(
            f'"{interval}" is no interval: it is a whole number and one of s, m, h, d.', f"Write `every {instead}`."
        )
    seconds = int(found[1]) * _UNITS[found[2]]
    if seconds <= 0:
        raise ScheduleError(f'"{interval}" is no interval: it must be longer than nothing.', "Write `every 10m`.")
    if seconds < 60 and not fast:
        raise ScheduleError(
            f'"{interval}" is less than a minute, which loops have to be added for with --fast.',
            "Write `every 60s` or more, or add --fast.",
        )
    if seconds > LONGEST_INTERVAL:
        raise ScheduleError(f'"{interval}" is longer than ten years.', "Write `every 3660d` or less.")
    return seconds


def _miscounted(words: list[str]) -> ScheduleError:
    if len(words) == 1:
        return ScheduleError(f'"{words[0]}" is no schedule.', _EXAMPLES)
    return ScheduleError(
        f'"{" ".join(words)}" has {len(words)} cron fields, and it takes exactly 5.',
        "They are minute, hour, day of month, month, day of week."
        + (" Leave out seconds and years." * (len(words) > 5)),
    )
