"""Figures in the few cells a table has: ages, tokens, money, clocks."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...domain.messages import Mark
from ...domain.money import dollars
from ...domain.views import RunRow

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1)
STATE_WORDS = {
    "running": "run",
    "waiting": "wait",
    "retrying": "retry",
    "paused": "paused",
    "in_doubt": "doubt",
    "succeeded": "done",
    "failed": "fail",
    "cancelled": "cancel",
}


def state_word(row: RunRow) -> str:
    """State of a run in the words of the glyph set: waiting for a decision is `ask`, for anything else `wait`."""
    if row.waits and (row.state == "waiting" or (row.kind == "dag" and row.state == "running")):
        return "ask"
    return STATE_WORDS.get(row.state, "note")


def age(us: int) -> str:
    """`24s`, `4m`, `1h06`, `2d`."""
    seconds = max(0, us) // SECOND
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds // 60 % 60:02d}"
    return f"{seconds // 86400}d"


def tokens(count: int) -> str:
    """`-`, `412`, `12.0k`, `1.2M`."""
    if not count:
        return "-"
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def money(nano: int | None, spent: int, mark: Mark = "reported") -> str:
    """`0.11`; `?` when something was spent at an unknown price, never zero; `-` when nothing was."""
    if nano is None or not spent:
        return "?" if spent else "-"
    return dollars(nano, mark).replace("$", "").replace("<0.", "<.")


def clock(us: int, offset_s: int, *, seconds: bool = True) -> str:
    """Wall time of the engine host: `12:58:23`."""
    of_day = (us // SECOND + offset_s) % 86400
    text = f"{of_day // 3600:02d}:{of_day // 60 % 60:02d}"
    return f"{text}:{of_day % 60:02d}" if seconds else text


def day(us: int, offset_s: int) -> str:
    """The engine host's date: `2026-11-21`."""
    return (EPOCH + timedelta(seconds=us // SECOND + offset_s)).strftime("%Y-%m-%d")


def moment(us: int, now: int, offset_s: int) -> str:
    """A moment that may lie on another day than `now`: `12:58:23 (+01:00)`, `2026-11-22 12:58:23 (+01:00)`."""
    date = day(us, offset_s)
    named = "" if date == day(now, offset_s) else f"{date} "
    return f"{named}{clock(us, offset_s)} ({zone(offset_s)})"


def zone(offset_s: int) -> str:
    """`+01:00`."""
    sign = "-" if offset_s < 0 else "+"
    return f"{sign}{abs(offset_s) // 3600:02d}:{abs(offset_s) // 60 % 60:02d}"
