"""The retry table as a pure function, and the delays it leads to."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.models.retry import BASE_DELAY, MAX_DELAY, MAX_TRIES, delay, retry_after, rule


def never() -> float:
    raise AssertionError("the clock was not to be read")


@pytest.mark.parametrize(
    "code", ["insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded"]
)
def test_spent_money_is_never_retried_whatever_the_headers_say(code: str) -> None:
    ruling = rule(429, (code,), {"retry-after": "1", "x-should-retry": "true"}, never)
    assert (ruling.kind, ruling.spent) == ("refused", True)


@given(st.integers(400, 599), st.sampled_from(["true", "false", "maybe", ""]))
def test_every_status_has_a_ruling(status: int, told: str) -> None:
    ruling = rule(status, (), {"x-should-retry": told}, never)
    assert ruling.kind in ("retry", "auth", "refused")
    if status in (401, 403):
        assert ruling.kind == "auth"
    elif status != 402 and told in ("true", "false"):
        assert ruling.kind == ("retry" if told == "true" else "refused")
    elif status >= 500:
        assert ruling.kind == "retry"


def test_an_error_inside_a_stream_is_judged_by_its_code() -> None:
    assert rule(200, ("overloaded_error",), {}, never).kind == "retry"
    assert rule(200, (), {}, never).kind == "retry"
    assert rule(200, ("invalid_request_error",), {}, never).kind == "refused"
    assert rule(200, ("authentication_error",), {}, never).kind == "auth"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_date_is_a_distance_from_the_servers_own_clock_or_else_from_ours(start: int, wait: int) -> None:
    due = formatdate(start + wait, usegmt=True)
    beside = {"retry-after": due, "date": formatdate(start, usegmt=True)}
    assert retry_after(beside, never) == wait
    assert retry_after({"retry-after": due}, lambda: float(start)) == wait
    assert retry_after({"retry-after": due}, lambda: float(start + wait + 1)) == 0


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-inf", "Mon, 99 Foo 2026", "1e999"])
def test_nonsense_is_no_wait(value: str) -> None:
    assert retry_after({"retry-after": value}, never) is None
    assert retry_after({"retry-after": "-5"}, never) == 0


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_are_fully_jittered_and_capped(attempt: int, drawn: float) -> None:
    waited = delay(attempt, None, lambda: drawn)
    assert 0 <= waited <= MAX_DELAY
    assert waited <= BASE_DELAY * 2.0 ** min(attempt - 1, 60)


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_a_wait_the_server_asked_for_is_never_shortened(asked: float, drawn: float) -> None:
    assert asked <= delay(1, asked, lambda: drawn) <= asked + BASE_DELAY


def test_all_tries_without_retry_after_stay_within_two_minutes() -> None:
    assert sum(delay(n, None, lambda: 1.0) for n in range(1, MAX_TRIES)) <= 120
