"""When a budget is spent at the pace of the last quarter of an hour, and after how many more runs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .views import BudgetRow, RunRow

HOUR = 3600 * 1_000_000
WINDOW = HOUR // 4
"""Microseconds looked back."""
RECENT = 8
"""Ended runs that tell what a run costs."""
HORIZON = 365 * 24 * HOUR
"""A limit that is further away than a year is not in sight."""


class Forecast(msgspec.Struct, frozen=True):
    """Attributes:

    at: us; 0 = not in sight (idle, or without limit), now = nothing is left.
    runs: how many more runs of the recent average fit; None = no limit, no run to judge by, or the budget of one run.
    tokens_hour, usd_hour: the pace, in tokens and nano-dollars an hour; money None = a part of it is unknown.
    """

    at: int = 0
    runs: int | None = None
    tokens_hour: int = 0
    usd_hour: int | None = 0


def forecast(row: BudgetRow, now: int, runs: Sequence[RunRow] = ()) -> Forecast:
    """`runs`: root runs to judge the cost of a run by; the newest ended ones count."""
    recent = [entry for entry in row.pace if entry[0] >= now - WINDOW]
    elapsed = max(1, now - recent[0][0]) if len(recent) > 1 else 0
    tokens = sum(entry[1] for entry in recent) / elapsed if elapsed else 0.0
    usd = sum(entry[2] for entry in recent) / elapsed if elapsed else 0.0
    lefts = [
        (row.limit - row.spent - row.held, tokens) if row.limit else None,
        (row.usd_limit - row.usd - row.usd_held, usd) if row.usd_limit is not None else None,
    ]
    moments = [_out(left, pace, now) for left, pace in filter(None, lefts)]
    return Forecast(
        min((at for at in moments if at), default=0),
        None if row.scope.startswith("run:") else _runs_left(row, runs),
        round(tokens * HOUR),
        None if row.mark == "unknown" else round(usd * HOUR),
    )


def words(seen: Forecast, now: int, clock: str) -> str:
    """`cap in 3 runs, about 14:20`; `clock` is how `seen.at` reads. "" when nothing is known."""
    if seen.at and seen.at <= now:
        return "cap reached"
    runs = {None: "", 0: "cap within the next run", 1: "cap in 1 run"}.get(seen.runs, f"cap in {seen.runs} runs")
    when = f"about {clock}" if seen.at else ""
    return ", ".join(filter(None, (runs, when))) if runs else when and f"cap {when}"


def _out(left: int, pace: float, now: int) -> int:
    if left <= 0:
        return now
    return now + int(left / pace) if pace and left / pace < HORIZON else 0


def _runs_left(row: BudgetRow, runs: Sequence[RunRow]) -> int | None:
    ended = sorted((r for r in runs if not r.open and r.usage.total), key=lambda r: r.ended)[-RECENT:]
    if not ended:
        return None
    fits = []
    if row.limit:
        mean = sum(r.usage.total for r in ended) / len(ended)
        fits.append(max(0.0, row.limit - row.spent - row.held) / mean)
    known = [r.usd for r in ended if r.money is not None]
    if row.usd_limit is not None and any(known):
        fits.append(max(0.0, row.usd_limit - row.usd - row.usd_held) / (sum(known) / len(known)))
    return int(min(fits)) if fits else None
