"""When a budget is spent at the pace of the last quarter of an hour, and after how many more runs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .views import BudgetRow, RunRow

WINDOW = 15 * 60 * 1_000_000
"""Microseconds looked back."""
RECENT = 8
"""Ended runs that tell what a run costs."""


class Forecast(msgspec.Struct, frozen=True):
    """Attributes:

    at: us; 0 = idle or without limit, now = spent.
    runs: how many more runs of the recent average fit; None = no limit or no run to judge by.
    tokens_hour, usd_hour: the pace, in tokens and nano-dollars an hour.
    """

    at: int = 0
    runs: int | None = None
    tokens_hour: int = 0
    usd_hour: int = 0


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
    hour = 3600 * 1_000_000
    return Forecast(
        min((at for at in moments if at), default=0), _runs_left(row, runs), round(tokens * hour), round(usd * hour)
    )


def _out(left: int, pace: float, now: int) -> int:
    if left <= 0:
        return now
    return now + int(left / pace) if pace else 0


def _runs_left(row: BudgetRow, runs: Sequence[RunRow]) -> int | None:
    ended = sorted((r for r in runs if not r.open and r.usage.total), key=lambda r: r.ended)[-RECENT:]
    if not ended:
        return None
    fits = []
    if row.limit:
        mean = sum(r.usage.total for r in ended) / len(ended)
        fits.append(max(0.0, row.limit - row.spent - row.held) / mean)
    paid = [r.usd for r in ended if r.money]
    if row.usd_limit is not None and paid:
        fits.append(max(0.0, row.usd_limit - row.usd - row.usd_held) / (sum(paid) / len(paid)))
    return int(min(fits)) if fits else None
