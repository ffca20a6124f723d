"""One cron field as the values it means. Ours, as croniter takes what we refuse (`5-1`, `5-5` for all, Unicode)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from .spec import MONTHS, ScheduleError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Field(NamedTuple):
    """A field's name and range. `top` is where `*` and `5/15` end, `hashed` where a bare `H` does."""

    name: str
    low: int
    high: int
    top: int
    hashed: int
    words: tuple[str, ...] = ()


# 7 is a second name of Sunday, not an eighth day; 28 is the last day every month has, as in Jenkins.
FIELDS = (
    Field("minute", 0, 59, 59, 59),
    Field("hour", 0, 23, 23, 23),
    Field("day-of-month", 1, 31, 31, 28),
    Field("month", 1, 12, 12, 12, MONTHS),
    Field("day-of-week", 0, 7, 6, 6, WEEKDAYS),
)
_VALUE = r"[0-9]+|[A-Za-z]+"
_TERM = re.compile(
    rf"(?:(?P<star>\*)|(?P<hash>[Hh])(?:\((?P<from>[0-9]+)-(?P<to>[0-9]+)\))?|(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?)"
    r"(?:/(?P<step>[0-9]+))?"
)
_ELSEWHERE = {
    "L": "the last day",
    "W": "the nearest weekday",
    "#": "the n-th weekday of a month",
    "?": "no value",
    "R": "a random value",
    "~": "a random value",
}
# As a sign or a word of its own: `15W`, `L-3`, `LW`, not within `jul` or `wed`.
_FOREIGN = re.compile(r"[#?~]|(?<![A-Z])(?:LW|[LWR])(?![A-Z])")
_SHAPES = "A field is made of *, values, ranges a-b, steps /n, H, and lists of these with commas."


def expand(index: int, text: str, name: str) -> tuple[int, ...]:
    """The values of field `index` (0 minute .. 4 day of week, Sunday 0), ascending; `H` is hashed from `name`.

    Raises ScheduleError.
    """
    return _expand(index, text, name if "h" in text.lower() else "")


@lru_cache(maxsize=4_096)  # thousands of loops share a few fields
def _expand(index: int, text: str, name: str) -> tuple[int, ...]:
    field = FIELDS[index]
    values: set[int] = set()
    for term in text.split(","):
        if not term:
            raise ScheduleError(f'The {field.name} field "{text}" has an empty part.', "Put one comma between values.")
        values.update(_values(field, term, name))
    return tuple(sorted({value % 7 for value in values} if field.words is WEEKDAYS else values))


def _values(field: Field, term: str, name: str) -> Iterable[int]:
    found = _TERM.fullmatch(term)
    if not found:
        raise _unreadable(field, term)
    step = 1 if found["step"] is None else int(found["step"])
    if step == 0:
        raise ScheduleError(f'"{term}" in the {field.name} field has a step of 0.', "A step is 1 or more.")
    if found["star"]:
        return range(field.low, field.top + 1, step)
    if found["hash"]:
        return _hashed(field, term, name, found)
    low = _value(field, term, found["low"])
    if found["high"] is None:
        if found["step"] is None:
            return (low,)
        return range(low % 7 if field.words is WEEKDAYS else low, field.top + 1, step)
    high = _value(field, term, found["high"])
    # `fri-sun` ends a week: the name has no place of its own, unlike 0 and 7.
    if found["high"].lower() == "sun" and low % 7:
        high = 7
    if low > high:
        raise _backwards(field, term, low, high)
    return range(low, high + 1, step)


def _hashed(field: Field, term: str, name: str, found: re.Match[str]) -> Iterable[int]:
    """Jenkins' meaning: `H` is one value, `H/15` every 15th from one in the first 15."""
    low, high = field.low, field.hashed
    if found["from"]:
        low, high = _value(field, term, found["from"]), _value(field, term, found["to"])
        if low > high:
            raise ScheduleError(f'"{term}" in the {field.name} field runs backwards.', f"Write H({high}-{low}).")
    size = high - low + 1
    if found["step"] is None:
        return (low + _hash(field, name) % size,)
    step = int(found["step"])
    if step == 1:
        raise ScheduleError(
            f'"{term}" in the {field.name} field is one value in Jenkins and every value elsewhere.',
            "Write H for one value, * or a range for every value.",
        )
    if step > size:
        raise ScheduleError(
            f'"{term}" in the {field.name} field steps over its whole range of {size}.', f"A step is 2 to {size} here."
        )
    return range(low + _hash(field, name) % step, high + 1, step)


def _hash(field: Field, name: str) -> int:
    from hashlib import sha256

    return int.from_bytes(sha256(f"{field.name}\0{name}".encode(errors="surrogatepass")).digest()[:8])


def _value(field: Field, term: str, word: str) -> int:
    if not word.isdigit():
        if (low := word.lower()) in field.words:
            return field.words.index(low) + (field.words is MONTHS)
        raise _unknown(field, term, word)
    number = int(word) if len(word) < 10 else 10**9
    if not field.low <= number <= field.high:
        also = ", 0 and 7 being Sunday" if field.words is WEEKDAYS else ""
        raise ScheduleError(
            f'"{term}" is out of range in the {field.name} field, which takes {field.low} to {field.high}{also}.',
            f"Write {field.low} to {field.high} there, or * for all.",
        )
    return number


def _backwards(field: Field, term: str, low: int, high: int) -> ScheduleError:
    first = _range(low, field.top) + "," if low <= field.top else ""
    return ScheduleError(
        f'"{term}" in the {field.name} field runs backwards.', f"Write `{first}{_range(field.low, high)}`."
    )


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}-{high}"


def _unknown(field: Field, term: str, word: str) -> ScheduleError:
    if not field.words or _FOREIGN.search(word.upper()):
        return _unreadable(field, term)
    near = next((known for known in field.words if word.lower().startswith(known)), "")
    return ScheduleError(
        f'"{word}" in the {field.name} field is no name that cron knows.',
        f"Write {near}." if near else f"Write one of {', '.join(field.words)}, or {field.low} to {field.high}.",
    )


def _unreadable(field: Field, term: str) -> ScheduleError:
    if foreign := _FOREIGN.search(term.upper()):
        sign = foreign[0][0]
        return ScheduleError(
            f'"{term}" in the {field.name} field uses {sign} ({_ELSEWHERE[sign]}), which is not known here.', _SHAPES
        )
    return ScheduleError(
        f'"{term}" in the {field.name} field cannot be read: it takes {field.low} to {field.high}.', _SHAPES
    )
