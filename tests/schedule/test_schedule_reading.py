"""What an operator may write as a schedule, and the sentence on everything else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.errors import UsageError
from harness_tui.domain.schedule import Schedule, ScheduleError, parse, why_never, zone
from tests.schedule.oracle import field as by_numbers

DAYS, MONTHS, WEEK = tuple(range(1, 32)), tuple(range(1, 13)), tuple(range(7))


@pytest.mark.parametrize(
    ("index", "text", "values"),
    [
        (0, "*/15", {0, 15, 30, 45}),
        (0, "5/15", {5, 20, 35, 50}),
        (0, "59/15", {59}),
        (0, "10-50/20", {10, 30, 50}),
        (0, "7-7", {7}),
        (0, "05,5,6", {5, 6}),
        (0, "*/90", {0}),
        (1, "22-23,0-1", {22, 23, 0, 1}),
        (2, "*/10", {1, 11, 21, 31}),
        (3, "jan-mar,DEC", {1, 2, 3, 12}),
        (3, "Oct/2", {10, 12}),
        (4, "mon-fri", {1, 2, 3, 4, 5}),
        (4, "7", {0}),
        (4, "0-7", {0, 1, 2, 3, 4, 5, 6}),
        (4, "5-7", {5, 6, 0}),
        (4, "fri-sun", {5, 6, 0}),
        (4, "SUN-tue", {0, 1, 2}),
        (4, "sun-sun", {0}),
        (4, "7-7", {0}),
        (4, "*/2", {0, 2, 4, 6}),
        (4, "1/2", {1, 3, 5}),
        (4, "7/3", {0, 3, 6}),
        (4, "mon-sun/3", {1, 4, 0}),
    ],
)
def test_a_field_means_these_values(index: int, text: str, values: set[int]) -> None:
    words = ["*"] * 5
    words[index] = text
    assert parse(" ".join(words)).cron[index] == tuple(sorted(values))


@pytest.mark.parametrize("text", ["0 9 * * mon-fri", "\t0\t9  * *\tMON-FRI \n"])
def test_fields_are_apart_by_spaces_or_tabs(text: str) -> None:
    assert parse(text) == Schedule(text.strip(), ((0,), (9,), DAYS, MONTHS, (1, 2, 3, 4, 5)))


@pytest.mark.parametrize(
    ("text", "star", "either"),
    [
        ("* 2 * * *", True, False),
        ("5 */2 1 * 1", True, True),
        ("0-59 2 * * 1-5", False, False),
        ("H H * * *", False, False),
        ("0 0 */2 * mon", False, False),
        ("0 0 1-31 * mon", False, True),
        ("0 0 13 * */2", False, False),
        ("0 0 13 * 0-6", False, True),
        ("0,* 2 * * *", False, False),
    ],
)
def test_a_star_is_what_a_field_begins_with(text: str, star: bool, either: bool) -> None:
    schedule = parse(text)
    assert (schedule.star, schedule.either) == (star, either)


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("daily 09:00", ((0,), (9,), DAYS, MONTHS, WEEK)),
        ("Daily 23:59", ((59,), (23,), DAYS, MONTHS, WEEK)),
        ("daily 9:05", ((5,), (9,), DAYS, MONTHS, WEEK)),
        ("weekly mon 09:00", ((0,), (9,), DAYS, MONTHS, (1,))),
        ("weekly SUNDAY 00:30", ((30,), (0,), DAYS, MONTHS, (0,))),
        ("weekly Thursday 07:00", ((0,), (7,), DAYS, MONTHS, (4,))),
    ],
)
def test_words_are_a_wall_clock_time_that_comes_once(text: str, cron: tuple[tuple[int, ...], ...]) -> None:
    assert parse(text) == Schedule(text, cron)


@pytest.mark.parametrize(
    ("text", "seconds"), [("every 10m", 600), ("every 60s", 60), ("EVERY 2H", 7_200), ("every 1d", 86_400)]
)
def test_an_interval_is_seconds(text: str, seconds: int) -> None:
    assert parse(text) == Schedule(text, every=seconds)


def test_less_than_a_minute_is_for_loops_added_as_fast() -> None:
    with pytest.raises(ScheduleError, match=r"less than a minute.*--fast"):
        parse("every 59s")
    assert parse("every 1s", fast=True).every == 1
    with pytest.raises(ScheduleError, match="longer than nothing"):
        parse("every 0s", fast=True)


BAD = [
    ("99 * * * *", '"99" is out of range in the minute field, which takes 0 to 59'),
    ("* 24 * * *", '"24" is out of range in the hour field, which takes 0 to 23'),
    ("* * 0 * *", '"0" is out of range in the day-of-month field, which takes 1 to 31'),
    ("* * * 13 *", '"13" is out of range in the month field, which takes 1 to 12'),
    ("* * * * 8", '"8" is out of range in the day-of-week field, which takes 0 to 7'),
    ("1-99 * * * *", '"1-99" is out of range in the minute field'),
    (f"{'9' * 900} * * * *", "is out of range in the minute field"),
    ("5-1 * * * *", '"5-1" in the minute field runs backwards. Write `5-59,0-1`.'),
    ("* 22-2/2 * * *", '"22-2/2" in the hour field runs backwards. Write `22-23,0-2`.'),
    ("* * * nov-feb *", '"nov-feb" in the month field runs backwards. Write `11-12,1-2`.'),
    ("* * * * fri-mon", '"fri-mon" in the day-of-week field runs backwards. Write `5-6,0-1`.'),
    ("* * * * 6-0", '"6-0" in the day-of-week field runs backwards. Write `6,0`.'),
    ("* * * * 7-2", '"7-2" in the day-of-week field runs backwards. Write `0-2`.'),
    ("*/0 * * * *", '"*/0" in the minute field has a step of 0'),
    ("* * * * mon/0", '"mon/0" in the day-of-week field has a step of 0'),
    ("1,,2 * * * *", 'The minute field "1,,2" has an empty part'),
    ("* 1, * * *", 'The hour field "1," has an empty part'),
    ("* * L * *", '"L" in the day-of-month field uses L (the last day)'),
    ("* * l-3 * *", '"l-3" in the day-of-month field uses L'),
    ("* * * * 5L", '"5L" in the day-of-week field uses L'),
    ("* * 15W * *", '"15W" in the day-of-month field uses W (the nearest weekday)'),
    ("* * LW * *", '"LW" in the day-of-month field uses L'),
    ("* * * * mon#2", '"mon#2" in the day-of-week field uses # (the n-th weekday of a month)'),
    ("* * ? * *", '"?" in the day-of-month field uses ?'),
    ("R * * * *", '"R" in the minute field uses R'),
    ("0~9 * * * *", '"0~9" in the minute field uses ~'),
    ("-5 * * * *", '"-5" in the minute field cannot be read'),
    ("+5 * * * *", '"+5" in the minute field cannot be read'),
    ("1-2-3 * * * *", '"1-2-3" in the minute field cannot be read'),
    ("*-5 * * * *", '"*-5" in the minute field cannot be read'),
    ("*5 * * * *", '"*5" in the minute field cannot be read'),
    ("*/x * * * *", '"*/x" in the minute field cannot be read'),
    ("1.5 * * * *", '"1.5" in the minute field cannot be read'),
    ("mon * * * *", '"mon" in the minute field cannot be read'),
    ("* * * foo *", '"foo" in the month field is no name that cron knows'),
    ("* * * mon *", '"mon" in the month field is no name that cron knows'),
    ("* * * january *", '"january" in the month field is no name that cron knows. Write jan.'),
    ("* * * * Monday", '"Monday" in the day-of-week field is no name that cron knows. Write mon.'),
    ("H/0 * * * *", '"H/0" in the minute field has a step of 0'),
    ("H/1 * * * *", '"H/1" in the minute field is one value in Jenkins'),
    ("H/61 * * * *", '"H/61" in the minute field steps over its whole range of 60'),
    ("* H(9-17)/10 * * *", '"H(9-17)/10" in the hour field steps over its whole range of 9'),
    ("* H(17-9) * * *", '"H(17-9)" in the hour field runs backwards. Write H(9-17).'),
    ("* H(9-24) * * *", '"H(9-24)" is out of range in the hour field'),
    ("* H() * * *", '"H()" in the hour field cannot be read'),
    ("@daily", '"@daily" is no schedule here. Write `0 0 * * *`.'),
    ("@reboot", '"@reboot" is no schedule here'),
    ("0 0 9 * * 1", '"0 0 9 * * 1" has 6 cron fields, and it takes exactly 5'),
    ("0 0 9 * * 1 2026", "has 7 cron fields, and it takes exactly 5"),
    ("0 9 * *", '"0 9 * *" has 4 cron fields, and it takes exactly 5'),
    ("tomorrow", '"tomorrow" is no schedule. Write five cron fields'),
    ("10m", '"10m" is no schedule'),
    ("", "The schedule is empty"),
    ("*" * 2_000, "The schedule has 2000 characters"),
    ("٣ * * * *", '"\\u0663" holds U+0663'),
    ("* * ² * *", '"\\xb2" holds U+00B2'),
    ("0 9\u00a0* * *", '"9\\xa0*" holds U+00A0'),
    ("0\n9 * * *", '"0\\n9" holds U+000A'),
    ("\x1b[31m * * * *", '"\\x1b[31m" holds U+001B'),
    ("daily", '"daily" takes one time. Write `daily 09:00`.'),
    ("daily 09:00 10:00", '"daily" takes one time'),
    ("daily 24:00", '"24:00" is no time of day'),
    ("daily 09:60", '"09:60" is no time of day'),
    ("daily 9", '"9" is no time of day'),
    ("daily 9:5", '"9:5" is no time of day'),
    ("weekly 09:00", '"weekly" takes a day and a time. Write `weekly mon 09:00`.'),
    ("weekly moon 09:00", '"moon" is no day of the week'),
    ("weekly mon 25:00", '"25:00" is no time of day'),
    ("every", '"every" takes an interval. Write `every 10m`.'),
    ("every 0s", '"0s" is no interval'),
    ("every -5m", '"-5m" is no interval'),
    ("every 5min", '"5min" is no interval: it is a whole number and one of s, m, h, d. Write `every 5m`.'),
    ("every 5 m", '"5 m" is no interval: it is a whole number and one of s, m, h, d. Write `every 5m`.'),
    ("every 2 hours", "Write `every 2h`."),
    ("every 1.5h", '"1.5h" is no interval'),
    ("every 10", '"10" is no interval'),
    ("every m", '"m" is no interval'),
    ("every 30s", '"30s" is less than a minute'),
    ("every 99999d", '"99999d" is longer than ten years'),
    (f"every {'9' * 900}d", "is no interval"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[text[:20] for text, _ in BAD])
def test_a_refusal_names_what_is_at_fault_and_what_to_write(text: str, sentence: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse(text, name="loop")
    assert sentence in str(refused.value)
    assert refused.value.next_step.endswith(".")
    assert isinstance(refused.value, UsageError) and refused.value.exit_code == 2


def test_what_h_means_is_between_the_name_and_the_field() -> None:
    """Jenkins' meaning: one value of the range, or every n-th from one of the first n; days end at the 28th."""
    names = [f"loop {number}" for number in range(500)]
    assert {parse("H * * * *", name=name).cron[0] for name in names} == {(minute,) for minute in range(60)}
    assert {parse("* * H * *", name=name).cron[2] for name in names} == {(day,) for day in range(1, 29)}
    assert {parse("* * * * H", name=name).cron[4] for name in names} == {(day,) for day in range(7)}
    assert {parse("H/15 * * * *", name=name).cron[0] for name in names} == {
        tuple(range(first, 60, 15)) for first in range(15)
    }
    assert {parse("* H(9-17)/2 * * *", name=name).cron[1] for name in names} == {(9, 11, 13, 15, 17), (10, 12, 14, 16)}
    assert {parse("H(0-29),h(30-59) * * * *", name=name).cron[0] for name in names} == {(m, m + 30) for m in range(30)}


def test_h_is_the_same_in_every_process_and_stays_so() -> None:
    assert parse("H H H H H", name="nightly").cron == ((43,), (4,), (23,), (4,), (2,))
    assert parse("H H * * *", name="\ud800").cron  # Half a character, as file names may hold.


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 0 30 2 *", '"0 0 30 2 *" never fires: no day 30 in feb.'),
        ("* * 31 4,6,9,11 *", '"* * 31 4,6,9,11 *" never fires: no day 31 in apr, jun, sep, nov.'),
        ("0 0 30-31 feb */2", '"0 0 30-31 feb */2" never fires: no day 30 in feb.'),
        ("0 0 31 4,6 1", ""),
        ("0 0 29 2 *", ""),
        ("0 0 30 2,3 *", ""),
        ("every 10m", ""),
    ],
)
def test_what_never_fires_is_no_error_and_says_why(text: str, why: str) -> None:
    schedule = parse(text)
    assert why_never(schedule) == why
    assert schedule.never == bool(why)


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text("0123456789*/-,HLW#?()sunjamoe \t", max_size=40)))
def test_any_text_is_read_or_refused(text: str) -> None:
    refusal = None
    try:
        schedule = parse(text, name="x")
    except ScheduleError as error:
        refusal = error
    assert (refusal.what and refusal.next_step) if refusal else (schedule.every >= 60 or all(schedule.cron))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 4), st.from_regex(r"\A(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?\Z"))
def test_a_field_of_numbers_is_read_as_it_is_anywhere(index: int, text: str) -> None:
    low, high = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))[index]
    words = ["*"] * 5
    words[index] = text
    base, _, step = text.partition("/")
    ends = [low, high] if base == "*" else [int(end) for end in base.split("-")]
    if step and "-" not in base and base != "*":
        return  # `5/15` has its cases above.
    if low <= min(ends) and max(ends) <= high and ends == sorted(ends) and (not step or int(step)):
        assert set(parse(" ".join(words)).cron[index]) == by_numbers(index, text)
    else:
        with pytest.raises(ScheduleError):
            parse(" ".join(words))


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"])
def test_a_zone_is_an_iana_name(name: str) -> None:
    assert zone(name).key == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/berlin", "Did you mean Europe/Berlin?"),
        ("Berlin", "Did you mean Europe/Berlin?"),
        ("new york", "Did you mean America/New_York?"),
        ("Europe/Berln", "Did you mean Europe/Berlin or "),
        ("Europe/Kyiv ", "Did you mean Europe/Kyiv?"),
        ("America", "Did you mean America/"),
        ("", "Write a name like Europe/Berlin, or UTC."),
        ("/etc/passwd", "Write a name like"),
        ("../../etc/passwd", "Write a name like"),
        ("right/UTC", "Write a name like"),
        ("posix/Europe/Berlin", "Did you mean Europe/Berlin"),
        ("localtime", ""),
        ("Europe/Berlin\0", "Did you mean Europe/Berlin"),
        ("tzdata.zi", ""),
        ("é" * 400, "Write a name like"),
        ("\ud800", "Write a name like"),
    ],
)
def test_an_unknown_zone_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ScheduleError, match="is no time zone") as refused:
        zone(name)
    assert hint in refused.value.next_step
    assert "localtime" not in refused.value.next_step


def test_a_system_without_zones_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ScheduleError, match="no time zone data") as refused:
        zone("Atlantis/Capital")
    assert "tzdata" in refused.value.next_step


def test_reading_a_schedule_pays_neither_for_croniter_nor_for_zones() -> None:
    code = (
        "import sys; from harness_tui.domain.schedule import parse; parse('0 9 * * mon-fri'); parse('every 10m');"
        "print(sorted({'croniter', 'dateutil', 'zoneinfo', 'asyncio', 'difflib'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
