"""When schedules fire: named cases of daylight saving, moved dates and old clocks, and what a preview says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.schedule import Fire, after, between, parse, preview
from harness_tui.domain.schedule.fires import END
from tests.schedule import oracle


def fires(text: str, name: str, start: str, count: int) -> list[str]:
    """The next fires after a local time, `month-day hour:minute offset`, the year where it is not the start's."""
    zone = ZoneInfo(name)
    instant = datetime.fromisoformat(start).replace(tzinfo=zone).timestamp()
    found = between(parse(text), zone, instant, END, limit=count)
    return [
        each.removeprefix(start[:5]).replace(":00+", " +").replace(":00-", " -") for each in oracle.local(zone, found)
    ]


DST = [
    # The hour of the gap: moved to the first instant after it, once (L01).
    ("30 2 * * *", "America/New_York", "2026-03-07 12:00", ["03-08 03:00 -04:00", "03-09 02:30 -04:00"]),
    ("0 2,3 * * *", "America/New_York", "2026-03-07 12:00", ["03-08 03:00 -04:00", "03-09 02:00 -04:00"]),
    ("10,50 2 * * *", "America/New_York", "2026-03-07 12:00", ["03-08 03:00 -04:00", "03-09 02:10 -04:00"]),
    ("*/30 2 * * *", "America/New_York", "2026-03-07 12:00", ["03-09 02:00 -04:00", "03-09 02:30 -04:00"]),
    ("30 * * * *", "America/New_York", "2026-03-08 00:59", ["03-08 01:30 -05:00", "03-08 03:30 -04:00"]),
    # The repeated hour: the first pass alone (L02), or both.
    ("30 1 * * *", "America/New_York", "2026-10-31 12:00", ["11-01 01:30 -04:00", "11-02 01:30 -05:00"]),
    ("30 * * * *", "America/New_York", "2026-11-01 00:59", ["11-01 01:30 -04:00", "11-01 01:30 -05:00"]),
    ("30 1-2 * * *", "America/New_York", "2026-11-01 00:59", ["11-01 01:30 -04:00", "11-01 02:30 -05:00"]),
    # Midnight in the gap: no day is skipped (L03).
    ("0 */2 * * *", "Africa/Cairo", "2026-04-23 21:00", ["04-23 22:00 +02:00", "04-24 02:00 +03:00"]),
    ("0 0 * * *", "Africa/Cairo", "2026-04-23 21:00", ["04-24 01:00 +03:00", "04-25 00:00 +03:00"]),
    ("0 0 24 4 *", "Africa/Cairo", "2026-04-23 21:00", ["04-24 01:00 +03:00"]),
    ("0 0 * * fri", "Africa/Cairo", "2026-04-23 21:00", ["04-24 01:00 +03:00", "05-01 00:00 +03:00"]),
    ("0 0 * * *", "Asia/Beirut", "2026-03-28 12:00", ["03-29 01:00 +03:00", "03-30 00:00 +03:00"]),
    ("59 0 * * *", "America/Havana", "2026-03-07 12:00", ["03-08 01:00 -04:00", "03-09 00:59 -04:00"]),
    # Midnight at the end of the repeated hour is shown once, after the second pass.
    ("0 0 * * *", "Africa/Cairo", "2026-10-29 12:00", ["10-30 00:00 +02:00", "10-31 00:00 +02:00"]),
    ("59 23 * * *", "Africa/Cairo", "2026-10-29 12:00", ["10-29 23:59 +03:00", "10-30 23:59 +02:00"]),
    ("30 0 * * *", "America/Havana", "2026-10-31 12:00", ["11-01 00:30 -04:00", "11-02 00:30 -05:00"]),
    # Half an hour.
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", ["10-04 02:30 +11:00", "10-05 02:15 +11:00"]),
    ("*/15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", ["10-04 02:30 +11:00", "10-04 02:45 +11:00"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", ["04-05 01:45 +11:00", "04-06 01:45 +10:30"]),
    ("45 * * * *", "Australia/Lord_Howe", "2026-04-05 01:00", ["04-05 01:45 +11:00", "04-05 01:45 +10:30"]),
    # Clocks that are put back for a month, or in winter, or by two hours.
    ("30 2 * * *", "Africa/Casablanca", "2026-02-14 12:00", ["02-15 02:30 +01:00", "02-16 02:30 +00:00"]),
    ("30 2 * * *", "Africa/Casablanca", "2026-03-21 12:00", ["03-22 03:00 +01:00", "03-23 02:30 +01:00"]),
    ("30 1 * * *", "Europe/Dublin", "2026-10-24 12:00", ["10-25 01:30 +01:00", "10-26 01:30 +00:00"]),
    ("30 1 * * *", "Europe/Dublin", "2026-03-28 12:00", ["03-29 02:00 +01:00", "03-30 01:30 +01:00"]),
    ("30 1 * * *", "Antarctica/Troll", "2026-03-28 12:00", ["03-29 03:00 +02:00", "03-30 01:30 +02:00"]),
    # Far from the change, which still decides how far.
    ("*/30 12 1 4 *", "America/New_York", "2026-01-01 12:00", ["04-01 12:00 -04:00", "04-01 12:30 -04:00"]),
    ("30 12 1 12 *", "America/New_York", "2026-04-01 12:00", ["12-01 12:30 -05:00", "2027-12-01 12:30 -05:00"]),
    ("*/30 1 1 11 *", "America/New_York", "2026-04-01 12:00", ["11-01 01:00 -04:00", "11-01 01:30 -04:00"]),
    ("30 2 8 3 *", "America/New_York", "2025-06-01 12:00", ["2026-03-08 03:00 -04:00", "2027-03-08 02:30 -05:00"]),
    # For good.
    ("45 2 * * *", "America/Caracas", "2007-12-08 12:00", ["12-09 02:45 -04:00", "12-10 02:45 -04:30"]),
    ("*/15 2 * * *", "America/Caracas", "2007-12-09 02:30", ["12-09 02:45 -04:00", "12-09 02:30 -04:30"]),
    ("45 23 * * *", "Asia/Pyongyang", "2018-05-04 12:00", ["05-05 00:00 +09:00", "05-05 23:45 +09:00"]),
    # Days that never were, and one that came twice.
    ("30 12 * * *", "Pacific/Apia", "2011-12-29 13:00", ["12-31 00:00 +14:00", "12-31 12:30 +14:00"]),
    ("0 0,12 * * *", "Pacific/Apia", "2011-12-29 13:00", ["12-31 00:00 +14:00", "12-31 12:00 +14:00"]),
    ("0 * * * *", "Pacific/Apia", "2011-12-29 22:30", ["12-29 23:00 -10:00", "12-31 00:00 +14:00"]),
    ("30 12 30 12 *", "Pacific/Apia", "2011-12-29 13:00", ["12-31 00:00 +14:00", "2012-12-30 12:30 +14:00"]),
    ("*/30 12 30 12 *", "Pacific/Apia", "2011-12-29 13:00", ["2012-12-30 12:00 +14:00", "2012-12-30 12:30 +14:00"]),
    ("0 9 * * *", "Pacific/Kwajalein", "1993-08-20 12:00", ["08-22 00:00 +12:00", "08-22 09:00 +12:00"]),
    ("0 18 * * *", "Pacific/Kwajalein", "1969-09-29 20:00", ["09-30 18:00 +11:00", "10-01 18:00 -12:00"]),
    ("0 */18 * * *", "Pacific/Kwajalein", "1969-09-30 12:00", ["09-30 18:00 +11:00", "09-30 18:00 -12:00"]),
    ("0 9 * * *", "Pacific/Kwajalein", "1969-09-29 20:00", ["09-30 09:00 +11:00", "10-01 09:00 -12:00"]),
]


@pytest.mark.parametrize(("text", "name", "start", "expected"), DST, ids=[f"{c[0]}, {c[1]}, {c[2]}" for c in DST])
def test_what_the_clock_does_decides(text: str, name: str, start: str, expected: list[str]) -> None:
    assert fires(text, name, start, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "name", "asked", "expected"),
    [
        # What the first pass has shown is over when the second begins; what comes at its end is not.
        ("30 1 * * *", "America/New_York", "2026-11-01T01:00-05:00", "2026-11-02T01:30-05:00"),
        ("30 1 * * *", "America/New_York", "2026-11-01T01:10-05:00", "2026-11-02T01:30-05:00"),
        ("0 1,2 * * *", "America/New_York", "2026-11-01T01:10-05:00", "2026-11-01T02:00-05:00"),
        ("0 0 * * *", "Africa/Cairo", "2026-10-29T23:30+02:00", "2026-10-30T00:00+02:00"),
        ("0 18 * * *", "Pacific/Kwajalein", "1969-09-30T17:00-12:00", "1969-10-01T18:00-12:00"),
        # The last instant before a gap, and the first after it.
        ("30 2 * * *", "America/New_York", "2026-03-08T01:59:59-05:00", "2026-03-08T03:00-04:00"),
        ("30 2 * * *", "America/New_York", "2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"),
        ("0 3 * * *", "America/New_York", "2026-03-08T01:59:59-05:00", "2026-03-08T03:00-04:00"),
        ("0 3 * * *", "America/New_York", "2026-03-08T03:00-04:00", "2026-03-09T03:00-04:00"),
    ],
)
def test_wherever_it_is_asked_from(text: str, name: str, asked: str, expected: str) -> None:
    at = after(parse(text), ZoneInfo(name), datetime.fromisoformat(asked).timestamp())
    assert at == datetime.fromisoformat(expected).timestamp()


@pytest.mark.parametrize(
    ("text", "start", "instants"),
    [
        # New York kept 4:56:02 behind until 1883-11-18 12:03:58, which then was 12:00:00 again.
        ("2 12 * * *", "1883-11-18T16:00", ["1883-11-18T16:58:02", "1883-11-19T17:02:00"]),
        ("*/2 12 * * *", "1883-11-18T16:57", ["1883-11-18T16:58:02", "1883-11-18T17:00:00", "1883-11-18T17:02:00"]),
        ("5 12 * * *", "1883-11-18T16:00", ["1883-11-18T17:05:00", "1883-11-19T17:05:00"]),
        ("0 9 * * *", "1880-01-01T00:00", ["1880-01-01T13:56:02", "1880-01-02T13:56:02"]),
    ],
)
def test_clocks_of_old_are_ahead_by_odd_seconds(text: str, start: str, instants: list[str]) -> None:
    instant = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    found = between(parse(text), ZoneInfo("America/New_York"), instant, END, limit=len(instants))
    assert [datetime.fromtimestamp(at, UTC).isoformat()[:19] for at in found] == instants


def test_a_gap_of_odd_seconds_moves_the_minute_it_holds() -> None:
    """Monrovia was 44:30 behind until 1972-01-07, when its clock went from 00:00:00 to 00:44:30."""
    zone = ZoneInfo("Africa/Monrovia")
    instant = datetime(1972, 1, 6, 12, tzinfo=UTC).timestamp()
    assert preview(parse("30 0 7 1 *"), zone, instant, 1) == [
        Fire(datetime(1972, 1, 7, 0, 44, 30, tzinfo=UTC).timestamp(), "moved: 00:30 does not exist that day")
    ]
    at = after(parse("*/15 0 * * *"), zone, instant)
    assert at == datetime(1972, 1, 7, 0, 45, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("0 0 29 2 *", "2096-03-01 00:00", ["2104-02-29 00:00 +00:00", "2108-02-29 00:00 +00:00"]),
        ("0 0 29 2 */7", "2088-03-01 00:00", ["2128-02-29 00:00 +00:00"]),
        ("0 0 31 4,6 1", "2026-04-01 00:00", ["04-06 00:00 +00:00", "04-13 00:00 +00:00"]),
        ("0 0 13 * fri", "2026-02-10 00:00", ["02-13 00:00 +00:00", "02-20 00:00 +00:00"]),
        ("0 0 13 * *", "2026-02-10 00:00", ["02-13 00:00 +00:00", "03-13 00:00 +00:00"]),
        ("0 0 */2 * mon", "2026-03-01 00:00", ["03-09 00:00 +00:00", "03-23 00:00 +00:00"]),
        ("0 0 1-31 * mon", "2026-03-01 00:00", ["03-02 00:00 +00:00", "03-03 00:00 +00:00"]),
        ("0 0 2 * 0-6", "2026-03-02 12:00", ["03-03 00:00 +00:00", "03-04 00:00 +00:00"]),
        ("0 9 * * 7", "2026-03-02 12:00", ["03-08 09:00 +00:00", "03-15 09:00 +00:00"]),
        ("weekly sun 09:00", "2026-03-02 12:00", ["03-08 09:00 +00:00", "03-15 09:00 +00:00"]),
        ("daily 09:00", "2026-03-02 09:00", ["03-03 09:00 +00:00", "03-04 09:00 +00:00"]),
    ],
)
def test_dates(text: str, start: str, expected: list[str]) -> None:
    assert fires(text, "UTC", start, len(expected)) == expected


@pytest.mark.parametrize("text", ["0 0 30 2 *", "* * 31 4,6,9,11 *", "0 0 31 2 */2"])
def test_what_never_fires_is_told_at_once(text: str) -> None:
    schedule, zone = parse(text), ZoneInfo("Europe/Berlin")
    assert after(schedule, zone, 0.0) is None
    assert between(schedule, zone, 0.0, END, limit=5) == preview(schedule, zone, 0.0, 5) == []


def test_time_ends_before_dates_do() -> None:
    zone = ZoneInfo("America/New_York")
    for text in ("0 0 29 2 */7", "30 2 * * *", "* * * * *"):
        last = after(parse(text), zone, END - 1)
        assert last is not None and last > END - 1
        assert after(parse(text), zone, END) is None


MARKS = [
    ("30 2 * * *", "America/New_York", "2026-03-08 00:00", ["moved: 02:30 does not exist that day", ""]),
    ("30 2,3 * * *", "America/New_York", "2026-03-08 00:00", ["moved: 02:30 does not exist that day", "", ""]),
    ("0 2,3 * * *", "America/New_York", "2026-03-08 00:00", ["also for 02:00, which does not exist that day", ""]),
    ("*/30 2-3 * * *", "America/New_York", "2026-03-08 00:00", ["", "", ""]),
    ("30 1 * * *", "America/New_York", "2026-11-01 00:00", ["first of two 01:30", ""]),
    ("*/30 1 * * *", "America/New_York", "2026-11-01 01:15", ["first of two 01:30", "second of two 01:00"]),
    ("0 9 30 12 *", "Pacific/Apia", "2011-12-29 00:00", ["moved: 2011-12-30 09:00 does not exist", ""]),
    ("0 0 * * *", "Pacific/Apia", "2011-12-29 12:00", ["also for 2011-12-30 00:00, which does not exist", ""]),
    ("0 9 * * *", "Europe/Berlin", "2026-03-28 12:00", ["", ""]),
    ("every 1h", "America/New_York", "2026-11-01 00:00", ["", "", ""]),
]


@pytest.mark.parametrize(("text", "name", "start", "marks"), MARKS, ids=[f"{m[0]}, {m[1]}" for m in MARKS])
def test_a_preview_says_what_daylight_saving_does(text: str, name: str, start: str, marks: list[str]) -> None:
    zone = ZoneInfo(name)
    instant = datetime.fromisoformat(start).replace(tzinfo=zone).timestamp()
    shown = preview(parse(text), zone, instant, len(marks))
    assert [fire.mark for fire in shown] == marks
    assert [fire.at for fire in shown] == between(parse(text), zone, instant, END, limit=len(marks))


@given(st.integers(60, 10**7), st.floats(0, 2e9), st.floats(-1e6, 1e8), st.integers(1, 5))
def test_an_interval_counts_from_its_anchor(every: int, anchor: float, since: float, limit: int) -> None:
    schedule, zone = parse(f"every {every}s"), ZoneInfo("America/New_York")
    instant = anchor + since
    found = between(schedule, zone, instant, instant + 10 * every, anchor=anchor, limit=limit)
    count = round((found[0] - anchor) / every) if found else 1
    assert count >= 1
    assert found == [anchor + k * every for k in range(count, count + len(found))]
    assert all(at > instant for at in found)
    assert count == 1 or anchor + (count - 1) * every <= instant
    if since >= 0:
        assert len(found) == limit


def test_an_interval_is_elapsed_time_whatever_clocks_do() -> None:
    zone = ZoneInfo("America/New_York")
    anchor = datetime(2026, 11, 1, 0, 30, 0, 250_000, tzinfo=zone).timestamp()
    found = between(parse("every 1h"), zone, anchor, anchor + 3 * 3_600, anchor=anchor, limit=9)
    assert found == [anchor + 3_600, anchor + 7_200, anchor + 10_800]
    # Exactly on a fire, the next one is due.
    assert after(parse("every 1h"), zone, anchor + 3_600, anchor=anchor) == anchor + 7_200


def test_between_takes_the_oldest_and_keeps_its_ends() -> None:
    zone = ZoneInfo("UTC")
    schedule = parse("*/10 * * * *")
    assert between(schedule, zone, 0.0, 1_800.0, limit=9) == [600.0, 1_200.0, 1_800.0]
    assert between(schedule, zone, 0.0, 1_800.0, limit=2) == [600.0, 1_200.0]
    assert between(schedule, zone, 0.0, 1_799.9, limit=9) == [600.0, 1_200.0]
    assert between(schedule, zone, 599.9, 600.0, limit=9) == [600.0]
    assert between(schedule, zone, 0.0, 1_800.0, limit=0) == between(schedule, zone, 9.0, 1.0, limit=9) == []
