"""The retry table as a pure function, and the delays it leads to."""

from __future__ import annotations

from datetime import datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import ModelError
from harness_tui.models.error_body import Reported
from harness_tui.models.retry import (
    BASE_DELAY,
    MAX_DELAY,
    MAX_TRIES,
    MAX_WAIT,
    PATIENCE,
    again,
    delay,
    retry_after,
    rule,
    until_midnight_pacific,
)


def never() -> float:
    raise AssertionError("the clock was not to be read")


@pytest.mark.parametrize(
    "code", ["insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded"]
)
def test_spent_money_is_never_retried_whatever_the_headers_say(code: str) -> None:
    ruling = rule(429, Reported((code,)), {"retry-after": "1", "x-should-retry": "true"}, never)
    assert ruling == ("spent", None)


@given(st.integers(400, 599), st.sampled_from(["true", "false", "maybe", ""]))
def test_every_status_has_a_ruling(status: int, told: str) -> None:
    kind = rule(status, Reported(), {"x-should-retry": told}, never).kind
    fixed = {401: "auth", 402: "spent", 403: "auth", 413: "context"}
    if status in fixed:
        assert kind == fixed[status]
    elif told in ("true", "false"):
        assert kind == ("retry" if told == "true" else "refused")
    elif status >= 500 or status in (408, 409, 425, 429):
        assert kind == "retry"
    else:
        assert kind == "refused"


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (("overloaded_error",), "retry"),
        ((), "retry"),
        (("invalid_request_error",), "refused"),
        (("authentication_error",), "auth"),
        (("context_length_exceeded",), "context"),
    ],
)
def test_an_error_inside_a_stream_is_judged_by_its_code(codes: tuple[str, ...], kind: str) -> None:
    assert rule(200, Reported(codes), {}, never).kind == kind


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
    assert retry_after({"retry-after": "-Infinity", "retry-after-ms": "-1"}, never) == 0


@pytest.mark.parametrize("value", ["1e300", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_wait_stays_one_that_can_be_written_down(value: str) -> None:
    assert retry_after({"retry-after": value}, lambda: 0.0) == MAX_WAIT


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_are_fully_jittered_and_capped(attempt: int, drawn: float) -> None:
    waited = delay(attempt, None, lambda: drawn)
    assert 0 <= waited <= MAX_DELAY
    assert waited <= BASE_DELAY * 2.0 ** min(attempt - 1, 60)


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_a_wait_the_server_asked_for_is_never_shortened(asked: float, drawn: float) -> None:
    assert asked <= delay(1, asked, lambda: drawn) <= asked + BASE_DELAY


@given(st.lists(st.floats(0, 100), min_size=MAX_TRIES, max_size=MAX_TRIES), st.floats(0, 1, exclude_max=True))
def test_an_endpoint_that_only_fails_is_given_up_within_the_tries_and_no_wait_leads_past_our_patience(
    lasting: list[float], drawn: float
) -> None:
    elapsed, tries = 0.0, 0
    for one in lasting:
        elapsed, tries = elapsed + one, tries + 1
        wait = again(ModelError("x"), tries, elapsed, lambda: drawn)
        if wait is None:
            break
        elapsed += wait
        assert elapsed <= PATIENCE
    assert wait is None


@given(st.floats(PATIENCE, 1e6))
def test_a_wait_the_server_asked_for_is_waited_however_long_it_is(asked: float) -> None:
    wait = again(ModelError("x", retry_after=asked), 1, 2 * PATIENCE, lambda: 0.0)
    assert wait == asked
    assert again(ModelError("x", retry_after=asked), MAX_TRIES, 0.0, lambda: 0.0) is None


@pytest.mark.parametrize("kind", ["auth", "refused", "spent", "context"])
def test_what_no_retry_changes_is_not_tried_again(kind: str) -> None:
    assert again(ModelError("x", kind=kind, retry_after=1.0), 1, 0.0, lambda: 0.0) is None


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-21T05:00:00+00:00", 3),  # winter: midnight is 08:00 UTC
        ("2026-07-01T05:00:00+00:00", 2),  # summer: 07:00 UTC
        ("2026-07-01T07:00:00+00:00", 24),
        ("2026-03-08T08:00:00+00:00", 23),  # the day the clocks go forward
        ("2026-11-01T07:00:00+00:00", 25),  # and back
    ],
)
def test_a_day_of_googles_quota_ends_at_midnight_in_los_angeles(now: str, hours: int) -> None:
    assert until_midnight_pacific(datetime.fromisoformat(now).timestamp()) == hours * 3600
