"""The one retry table: which failure of a model endpoint is worth another try, and after how long."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

from ..domain.errors import ModelError
from .error_body import Reported

Kind = Literal["retry", "auth", "refused", "broken", "spent", "context"]
"""As in `domain.errors.ModelError.kind`."""

MAX_TRIES = 4
"""Tries of one model call, the first included."""

PATIENCE = 120.0
"""Seconds of trying after which an endpoint is given up that does not say when to come back."""

BASE_DELAY = 1.0
MAX_DELAY = 30.0
"""Seconds; the backoff ceiling. A server's own Retry-After may be longer and is respected."""

MAX_WAIT = 1e9
"""Seconds; what an absurd Retry-After is cut to, so that the date it leads to can be written down."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_PASSING_CODES = frozenset(
    {
        "api_error",
        "deadline_exceeded",
        "internal",
        "overloaded",
        "overloaded_error",
        "rate_limit_error",
        "rate_limit_exceeded",
        "resource_exhausted",
        "server_error",
        "slow_down",
        "timeout",
        "timeout_error",
        "unavailable",
    }
)

_SPENT_CODES = frozenset(
    {
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "credit_balance_exhausted",
        "enforced_spend_limit_reached",
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
_SPENT_WORDS = re.compile(
    r"credit balance is too low|insufficient (balance|credits|funds)|credits are depleted|spending (cap|limit)"
    r"|used all available credits|specified api usage limits|key limit exceeded",
    re.IGNORECASE,
)

_CONTEXT_CODES = frozenset(
    {
        "context_exceeded",
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "request_too_large",
        "string_above_max_length",
    }
)
_CONTEXT_WORDS = re.compile(
    r"max(imum)? (context|prompt) (length|window|size)|maximum model length|exceeded model token limit"
    r"|context (length|window|size|limit).{0,40}(exceed|overflow|not enough|too small|is \d)"
    r"|(exceeds?|greater than).{0,40}context (length|window|size|limit)|context length of only"
    r"|(prompt|input|request|conversation) (is )?too (long|large)|too large for model|request too large for"
    r"|input token(s| count).{0,40}exceeds? the (maximum|configured)|reduce the length of (the messages|your)"
    r"|too many tokens: size limit exceeded|prompt exceeds the length limit",
    re.IGNORECASE | re.DOTALL,
)

_AUTH_CODES = frozenset(
    {
        "api_key_invalid",
        "authentication_error",
        "invalid_api_key",
        "permission_error",
        "unauthenticated",
        "unauthorized",
    }
)
_AUTH_WORDS = re.compile(
    r"api[ _-]?key.{0,30}(not valid|invalid|incorrect|expired|not found|missing|leaked)"
    r"|(invalid|incorrect|missing|no) (x-)?api[ _-]?key",
    re.IGNORECASE,
)
_NOT_THE_KEY = frozenset({"flagged_input", "model_not_found", "unsupported_country_region_territory"})
"""Codes of a 403 that another key would get as well."""


class Ruling(NamedTuple):
    """What the table says; `retry_after` in seconds."""

    kind: Kind
    retry_after: float | None = None


def rule(status: int, told: Reported, headers: Mapping[str, str], now: Callable[[], float]) -> Ruling:
    """Judge one failure that the server itself reported.

    Args:
        status: HTTP status; 200 for an error object inside a stream.
        told: what its body says.
        headers: of the response, names in lower case.
        now: seconds since the epoch; used only where the server's own clock is not known.
    """
    if status == 402 or not _SPENT_CODES.isdisjoint(told.codes) or _SPENT_WORDS.search(told.message):
        return Ruling("spent")
    if status == 413 or not _CONTEXT_CODES.isdisjoint(told.codes) or _CONTEXT_WORDS.search(told.message):
        return Ruling("context")
    if _about_the_key(status, told):
        return Ruling("auth")
    obeyed = headers.get("x-should-retry", "").lower()
    passing = status in _PASSING or status >= 500
    if status == 200:
        passing = not told.codes or not _PASSING_CODES.isdisjoint(told.codes)
    if obeyed == "false" or (not passing and obeyed != "true"):
        return Ruling("refused")
    if told.daily:
        return Ruling("retry", until_midnight_pacific(now()))
    asked = retry_after(headers, now)
    return Ruling("retry", told.wait if asked is None else asked)


def _about_the_key(status: int, told: Reported) -> bool:
    if status == 403:
        return not told.page and _NOT_THE_KEY.isdisjoint(told.codes)
    if status in (200, 400):
        return not _AUTH_CODES.isdisjoint(told.codes) or bool(_AUTH_WORDS.search(told.message))
    return status == 401


def retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Seconds the server asks us to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; else None."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / scale
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return min(MAX_WAIT, max(0.0, seconds))
    due = _timestamp(headers.get("retry-after", ""))
    if due is None:
        return None
    # The server's own Date cancels the skew between its clock and ours.
    started = _timestamp(headers.get("date", ""))
    return min(MAX_WAIT, max(0.0, due - (now() if started is None else started)))


def _timestamp(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def until_midnight_pacific(now: float) -> float:
    """Seconds from `now` (since the epoch) to the next midnight in Los Angeles, where Google's day ends."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        zone: tzinfo = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a machine without time zones: winter time is at most an hour late
        zone = timezone(timedelta(hours=-8))
    tomorrow = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
    return midnight.astimezone(UTC).timestamp() - now


def again(error: ModelError, tries: int, elapsed: float, random: Callable[[], float]) -> float | None:
    """Seconds until the next try, or None when another one is not worth it.

    Args:
        tries: how many have failed.
        elapsed: seconds since the first of them began; waits a server asked for do not count against our patience.
        random: 0 <= x < 1.
    """
    if error.kind not in ("retry", "broken") or tries >= MAX_TRIES:
        return None
    wait = delay(tries, error.retry_after, random)
    return None if error.retry_after is None and elapsed + wait > PATIENCE else wait


def delay(attempt: int, retry_after: float | None, random: Callable[[], float]) -> float:
    """Seconds to wait after failed try number `attempt` (from 1): full jitter, or never less than the server asked."""
    if retry_after is not None:
        return retry_after + random() * BASE_DELAY
    return random() * min(MAX_DELAY, BASE_DELAY * 2.0 ** min(attempt - 1, 16))
