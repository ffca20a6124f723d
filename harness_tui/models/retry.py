"""The one retry table: which failure of a model endpoint is worth another try, and after how long."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

Kind = Literal["retry", "auth", "refused", "broken"]

MAX_TRIES = 4
"""Tries of one model call, the first included."""

BASE_DELAY = 1.0
MAX_DELAY = 30.0
"""Seconds; the backoff ceiling. A server's own Retry-After may be longer and is respected."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_SPENT = frozenset(
    {
        "credit_balance_exhausted",
        "enforced_spend_limit_reached",
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
_PASSING_CODES = frozenset(
    {"api_error", "overloaded", "overloaded_error", "rate_limit_exceeded", "server_error", "slow_down", "timeout"}
)
_AUTH_CODES = frozenset({"authentication_error", "invalid_api_key", "permission_error", "unauthorized"})


class Ruling(NamedTuple):
    """What the table says. `spent`: the account is out of money, which no retry changes."""

    kind: Kind
    retry_after: float | None = None
    spent: bool = False


def rule(status: int | None, codes: tuple[str, ...], headers: Mapping[str, str], now: Callable[[], float]) -> Ruling:
    """Judge one failure.

    Args:
        status: HTTP status; None when no answer came, 200 for an error object inside a stream.
        codes: the provider's own `code` and `type`, lower case.
        headers: of the response, names in lower case.
        now: seconds since the epoch; used only for a Retry-After date without a Date beside it.
    """
    if status == 402 or not _SPENT.isdisjoint(codes):
        return Ruling("refused", spent=True)
    if status in (401, 403) or (status == 200 and not _AUTH_CODES.isdisjoint(codes)):
        return Ruling("auth")
    told = headers.get("x-should-retry", "").lower()
    passing = status is None or status in _PASSING or status >= 500
    if status == 200:
        passing = not codes or not _PASSING_CODES.isdisjoint(codes)
    if told == "false" or (not passing and told != "true"):
        return Ruling("refused")
    return Ruling("retry", retry_after(headers, now))


def retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Seconds the server asks us to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; else None."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / scale
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    due = _timestamp(headers.get("retry-after", ""))
    if due is None:
        return None
    # The server's own Date cancels the skew between its clock and ours.
    started = _timestamp(headers.get("date", ""))
    return max(0.0, due - (now() if started is None else started))


def _timestamp(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def delay(attempt: int, retry_after: float | None, random: Callable[[], float]) -> float:
    """Seconds to wait after failed try number `attempt` (from 1): full jitter, or never less than the server asked."""
    if retry_after is not None:
        return retry_after + random() * BASE_DELAY
    return random() * min(MAX_DELAY, BASE_DELAY * 2.0 ** min(attempt - 1, 16))
