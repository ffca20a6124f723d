"""The fires equal those of a walk over every minute: around the changes of many zones, and of random expressions."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import chain, pairwise
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.schedule import after, between, parse
from tests.schedule import oracle
from tests.schedule.oracle import DAY

ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
)
EXPRESSIONS = (
    "30 2 * * *",
    "30 1 * * *",
    "0 0 * * *",
    "15,45 0-3 * * *",
    "0 */2 * * *",
    "*/20 1 * * *",
    "59 23 * * 0,6",
    "*/30 * 1-7 * 0",
    "0,30 22-23 * * *",
    "5 0 1,15,29-31 * 5",
    "45 * * * *",
    "0 3 */2 * 0-3",
)
EVERY_ZONE = bool(os.environ.get("HARNESS_TESTS_EVERY_ZONE"))
"""Every change of every zone, which takes some ten minutes, instead of a sample of those of `ZONES`."""


@pytest.mark.parametrize("name", sorted(available_timezones()) if EVERY_ZONE else ZONES)
def test_around_the_changes_of_a_zone(name: str) -> None:
    zone, random = ZoneInfo(name), Random(name)
    changes = [*oracle.changes(zone, 2005, 2038), int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())]
    for change in changes if EVERY_ZONE else random.sample(changes, min(len(changes), 20)):
        for text in random.sample(EXPRESSIONS, 2):
            assert_equal(text, zone, change - 3 * 3_600, change + DAY + 3_600)


def assert_equal(text: str, zone: ZoneInfo, start: int, end: int) -> list[float]:
    """That the fires in [start, end) are the oracle's; returns them."""
    fires = between(parse(text), zone, start - 1, end - 1, limit=10**6)
    expected = oracle.fires(text, zone, start, end)
    assert oracle.local(zone, fires) == oracle.local(zone, expected), (text, zone.key, start, end)
    assert all(a < b for a, b in pairwise(fires))
    return fires


@pytest.mark.parametrize(
    ("text", "name"),
    [("7 * * * *", "Australia/Lord_Howe"), ("30 2,14 * * *", "Europe/Berlin"), ("*/5 1-3 * * 0", "America/Havana")],
)
def test_a_year_in_one_pass(text: str, name: str) -> None:
    start, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2026, 2027))
    assert len(assert_equal(text, ZoneInfo(name), start, end)) > 600


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> str:
    """One field of numbers: `*`, steps, ranges and lists, weighted towards what fires often."""
    value = st.integers(low, high)
    step = st.integers(1, high)
    ranges = st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}")
    star = st.one_of(st.just("*"), step.map(lambda n: f"*/{n}"))
    term = st.one_of(value.map(str), ranges, st.builds("{}/{}".format, ranges, step))
    return draw(st.one_of(star, term, st.lists(term, min_size=2, max_size=4).map(",".join)))


expressions = st.tuples(
    fields(0, 59),
    fields(0, 23),
    st.one_of(st.just("*"), fields(1, 31)),
    st.one_of(st.just("*"), st.just("*"), fields(1, 12)),
    st.one_of(st.just("*"), fields(0, 7)),
).map(" ".join)
CHANGES = {name: list(oracle.changes(ZoneInfo(name), 2009, 2014)) for name in ZONES}


@st.composite
def moments(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """A zone and an instant, near a change of its offset more often than not."""
    name = draw(st.sampled_from(ZONES))
    anywhere = st.integers(
        int(datetime(2009, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2037, 1, 1, tzinfo=UTC).timestamp())
    )
    near = [st.sampled_from(CHANGES[name]).map(lambda at: at - DAY // 2)] * 2 if CHANGES[name] else []
    return ZoneInfo(name), draw(st.one_of(anywhere, *near)) // 60 * 60


@settings(max_examples=60, deadline=None)
@given(expressions, moments(), st.integers(1, DAY), st.integers(1, 20))
def test_any_expression_at_any_moment(text: str, moment: tuple[ZoneInfo, int], later: int, limit: int) -> None:
    zone, start = moment
    schedule = parse(text)
    first = between(schedule, zone, start - 1, start + DAY, limit=200)
    expected = oracle.fires(text, zone, start, start + DAY + 60)
    assert first == expected[:200]
    # Wherever it is asked from, the same fires come, and a limit takes the oldest of them.
    asked = start + later
    rest = [at for at in expected if at > asked]
    if rest:
        assert after(schedule, zone, asked) == rest[0]
        assert after(schedule, zone, rest[0] - 0.25) == rest[0]
    assert between(schedule, zone, asked, start + DAY, limit=limit) == rest[:limit]


@settings(max_examples=60, deadline=None)
@given(expressions, st.integers(2000, 2100), st.integers(0, 365 * DAY))
def test_the_next_day_is_right_however_far_it_is(text: str, year: int, into: int) -> None:
    zone = ZoneInfo("UTC")
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) + into
    cron, at = oracle.Cron(text), after(parse(text), zone, start)
    midnight = (start // DAY + 1) * DAY
    today = (m for m in range(start // 60 * 60 + 60, midnight, 60) if cron.matches(wall_clock(m)))
    first = min(cron.hours) * 3_600 + min(cron.minutes) * 60
    later = (m for m in range(midnight + first, midnight + 45 * 366 * DAY, DAY) if cron.matches(wall_clock(m)))
    assert at == next(chain(today, later), None)
    assert (at is None) == parse(text).never


def wall_clock(shown: int) -> datetime:
    return datetime.fromtimestamp(shown, UTC).replace(tzinfo=None)
