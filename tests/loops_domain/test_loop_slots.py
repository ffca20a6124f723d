"""No slot fires twice and none goes without a row, whatever clocks, engines, pauses and rounds do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.loop import slots
from harness_tui.domain.loop.slots import AWAY, LATE, Due, Fire

from .made import DAY, SECOND, round, row, spec
from .made_slots import Kept

HOUR = 3600 * SECOND
MINUTE = 60 * SECOND
T0 = int(datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()) * SECOND
"""A full hour."""


def at(hours: float) -> int:
    return T0 + int(hours * HOUR)


def hourly(**fields: Any) -> Kept:
    """Due at each full hour; added at T0, with a round that has ended for each slot until then."""
    return Kept(spec(schedule="0 * * * *", **fields), T0)


def ask(kept: Kept, now: int, **fields: Any) -> Due:
    for name, value in fields.items():
        setattr(kept.row, name, value)
    return slots.due(kept.row, kept.spec, now, since=kept.since)


def test_nothing_is_due_before_the_first_slot_and_that_is_when_to_ask_again() -> None:
    assert ask(hourly(), at(0.5)) == Due(next=at(1))
    assert ask(hourly(), T0) == Due(next=at(1))


@pytest.mark.parametrize("late", [0, 1, 59 * SECOND, MINUTE])
def test_a_slot_fires_within_its_grace(late: int) -> None:
    assert ask(hourly(), at(1) + late) == Due((), (Fire(at(1), "slot"),), at(2))


def test_after_its_grace_a_slot_was_missed_and_the_policy_speaks() -> None:
    late = at(1) + MINUTE + 1
    assert ask(hourly(missed="one"), late) == Due((), (Fire(at(1), "missed"),), at(2))
    assert ask(hourly(missed="skip"), late) == Due((ev.SlotMissed((at(1),), LATE),), (), at(2))


def test_the_grace_of_a_fast_loop_is_half_its_interval() -> None:
    kept = Kept(spec(schedule="every 10s", missed="skip"), T0)
    assert ask(kept, T0 + 15 * SECOND).fire == (Fire(T0 + 10 * SECOND, "slot"),)
    assert ask(kept, T0 + 16 * SECOND).events == (ev.SlotMissed((T0 + 10 * SECOND,), LATE),)


@pytest.mark.parametrize(
    ("policy", "limit", "fires", "missed"),
    [
        ("skip", 3, [], [1, 2, 3, 4]),
        ("one", 3, [(4, "missed")], [1, 2, 3]),
        ("all", 3, [(2, "missed"), (3, "missed"), (4, "missed")], [1]),
        ("all", 9, [(1, "missed"), (2, "missed"), (3, "missed"), (4, "missed")], []),
        ("all", 0, [], [1, 2, 3, 4]),
    ],
)
def test_the_missed_run_policy(policy: str, limit: int, fires: list[tuple[int, str]], missed: list[int]) -> None:
    kept = hourly(missed=policy, missed_limit=limit)
    kept.since = at(4.5)
    due = ask(kept, at(4.5))
    assert [tuple(each) for each in due.fire] == [(at(n), trigger) for n, trigger in fires]
    assert due.events == ((ev.SlotMissed(tuple(map(at, missed)), AWAY),) if missed else ())
    assert due.next == at(5)


def test_a_slot_that_is_on_time_makes_up_for_those_missed() -> None:
    assert ask(hourly(missed="one"), at(4)) == Due(
        (ev.SlotMissed((at(1), at(2), at(3)), LATE),), (Fire(at(4), "slot"),), at(5)
    )
    due = ask(hourly(missed="all", missed_limit=2), at(4))
    assert due.fire == (Fire(at(2), "missed"), Fire(at(3), "missed"), Fire(at(4), "slot"))


def test_three_days_down_is_one_round_and_a_row_for_each_slot() -> None:
    kept = hourly()
    kept.now = kept.since = at(72.5)
    kept.tick()
    assert kept.fired == [(at(72), "missed")]
    assert kept.counts() == {"missed": 71, "fired": 1}


def test_who_was_to_blame_is_told_by_when_the_engine_began_to_watch() -> None:
    kept = hourly(missed="skip")
    kept.since = at(2)
    assert ask(kept, at(4.5)).events == (ev.SlotMissed((at(1),), AWAY), ev.SlotMissed((at(2), at(3), at(4)), LATE))


def test_what_was_not_named_is_counted_once() -> None:
    kept = Kept(spec(schedule="every 1m", missed="skip"), T0)
    kept.since = T0 + 1_400 * MINUTE
    first, second = ask(kept, T0 + 1_500 * MINUTE + 40 * SECOND).events
    assert isinstance(first, ev.SlotMissed)
    assert isinstance(second, ev.SlotMissed)
    assert (len(first.slots), first.more, len(second.slots), second.more) == (899, 500, 101, 0)


# -- many ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["* * * * *", "every 1m"])
def test_of_very_many_the_newest_are_named_and_the_rest_is_counted(text: str) -> None:
    kept = Kept(spec(schedule=text, missed="skip"), T0)
    (missed,) = ask(kept, T0 + 1_500 * MINUTE + 40 * SECOND).events
    assert isinstance(missed, ev.SlotMissed)
    assert missed.slots == tuple(T0 + n * MINUTE for n in range(501, 1_501))
    assert missed.more == 500


def test_a_year_of_minutes_is_not_walked() -> None:
    kept = Kept(spec(schedule="* * * * *", missed="skip"), T0)
    now = T0 + 365 * DAY + 40 * SECOND
    (missed,) = ask(kept, now).events
    assert isinstance(missed, ev.SlotMissed)
    assert missed.slots == tuple(now - 40 * SECOND - n * MINUTE for n in reversed(range(1_000)))
    assert (missed.more, missed.reason) == (1_000, f"{LATE}; at least 1000 more before these")


def test_a_year_of_seconds_is_counted_exactly() -> None:
    kept = Kept(spec(schedule="every 1s", missed="skip"), T0)
    (missed,) = ask(kept, T0 + 365 * DAY + 900_000).events
    assert isinstance(missed, ev.SlotMissed)
    assert len(missed.slots) + missed.more == 365 * 86_400
    assert missed.slots[-1] == T0 + 365 * DAY


def test_the_newest_are_found_where_the_schedule_is_dense_far_back() -> None:
    kept = Kept(spec(schedule="* * 22-30 11 *", missed="skip"), T0)
    (missed,) = ask(kept, T0 + 120 * DAY).events
    assert isinstance(missed, ev.SlotMissed)
    last = int(datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp()) * SECOND
    assert missed.slots == tuple(last - n * MINUTE for n in reversed(range(1_000)))


# -- overlap ---------------------------------------------------------------------------------------------------------


def running(**fields: Any) -> Kept:
    kept = hourly(**fields)
    kept.now = at(1)
    kept.tick()
    assert kept.row.running == "l1/1"
    return kept


def test_a_running_round_skips_the_next_slot_and_says_so() -> None:
    assert ask(running(), at(2)) == Due((ev.SlotSkipped(at(2), "round 1 still ran"),), (), at(3))


def test_a_running_round_has_one_slot_wait_for_it() -> None:
    kept = running(overlap="queue")
    kept.now = at(2)
    assert ask(kept, at(2)) == Due((ev.SlotQueued(at(2)),), (), at(3))
    kept.tick()
    kept.now = at(3)
    kept.tick()
    assert kept.events[-1] == ev.SlotSkipped(at(3), "14:00 waits already, round 1 still ran")
    kept.now = at(3.5)
    kept.end()
    assert ask(kept, kept.now) == Due((), (Fire(at(2), "slot"),), kept.now)
    kept.tick()
    assert kept.fired == [(at(1), "slot"), (at(2), "slot")]
    assert kept.row.queued == 0
    kept.check()


def test_a_running_round_is_cancelled_for_the_next_slot() -> None:
    kept = running(overlap="cancel")
    assert ask(kept, at(2)) == Due((), (Fire(at(2), "slot"),), at(3), cancel=True)
    assert ask(kept, at(3.5)).cancel


def test_a_slot_missed_while_a_round_runs_goes_by_both_policies() -> None:
    still = f"{LATE}; round 1 still ran"
    late = at(4.5)
    skipped = ask(running(missed="one"), late)
    assert skipped == Due((ev.SlotMissed((at(2), at(3), at(4)), still),), (), at(5))
    queued = ask(running(missed="one", overlap="queue"), late)
    assert queued == Due((ev.SlotMissed((at(2), at(3)), still), ev.SlotQueued(at(4))), (), at(5))
    cancelled = ask(running(missed="one", overlap="cancel"), late)
    assert cancelled == Due((ev.SlotMissed((at(2), at(3)), LATE),), (Fire(at(4), "missed"),), at(5), cancel=True)
    assert ask(running(missed="skip"), late) == Due((ev.SlotMissed((at(2), at(3), at(4)), LATE),), (), at(5))


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_slots_to_be_made_up_for_stay_due_until_the_next_one_comes(overlap: str) -> None:
    kept = running(missed="all", overlap=overlap)
    assert ask(kept, at(4.5)) == Due(next=at(5))
    due = ask(kept, at(5))
    assert due.events[0] == ev.SlotMissed((at(2), at(3), at(4)), f"{LATE}; round 1 still ran")
    assert due.events[1] == (ev.SlotQueued(at(5)) if overlap == "queue" else ev.SlotSkipped(at(5), "round 1 still ran"))
    kept.end()
    assert [each.slot for each in ask(kept, at(4.5)).fire] == [at(2), at(3), at(4)]


def test_missed_rounds_are_made_up_for_one_after_the_other() -> None:
    kept = hourly(missed="all")
    kept.now = kept.since = at(4.5)
    kept.tick()
    assert kept.fired == [(at(2), "missed")]
    kept.end()
    kept.tick()
    kept.end()
    kept.tick()
    assert kept.fired == [(at(2), "missed"), (at(3), "missed"), (at(4), "missed")]
    kept.check()


# -- pauses ----------------------------------------------------------------------------------------------------------


def test_a_pause_leaves_one_row_when_it_ends_and_no_policy_applies() -> None:
    kept = hourly(missed="all")
    kept.pause()
    assert ask(kept, at(5)) == Due()
    kept.now = at(5)
    kept.restart()
    kept.resume()
    assert kept.events[-2] == ev.SlotMissed(tuple(at(n) for n in range(1, 6)), "paused by op: holiday")
    assert ask(kept, at(5)) == Due(next=at(6))


def test_a_short_pause_leaves_nothing() -> None:
    kept = hourly()
    kept.pause()
    kept.now = at(0.5)
    kept.resume()
    assert not kept.became


def test_a_pause_ends_by_itself_and_the_slot_of_that_moment_fires() -> None:
    kept = hourly()
    kept.pause(until=at(3))
    assert ask(kept, at(2.5)) == Due(next=at(3))
    kept.now = at(3)
    kept.tick()
    assert kept.fired == [(at(3), "slot")]
    assert kept.row.state == "active"
    resumed = next(each for each in kept.events if isinstance(each, ev.LoopResumed))
    assert resumed.by == "harness"
    assert kept.became == {at(1): ["missed"], at(2): ["missed"], at(3): ["fired"]}


def test_what_came_after_a_pause_ended_unseen_is_missed_as_usual() -> None:
    kept = hourly(missed="skip")
    kept.pause(until=at(2))
    kept.now = kept.since = at(4.5)
    kept.tick()
    reasons = [each.reason for each in kept.events if isinstance(each, ev.SlotMissed)]
    assert reasons == ["paused by op: holiday", AWAY]
    assert kept.became == {at(n): ["missed"] for n in (1, 2, 3, 4)}


def test_a_queued_slot_is_dropped_by_a_pause_with_a_row() -> None:
    kept = running(overlap="queue")
    kept.now = at(2)
    kept.tick()
    kept.pause()
    assert kept.became[at(2)] == ["queued", "skipped"]
    assert slots.dropped(kept.row, "again") == ()


# -- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_set_back_fires_nothing_again() -> None:
    kept = hourly()
    kept.run(at(3.1))
    kept.end()
    assert ask(kept, at(0.5)) == Due(next=at(4))
    assert ask(kept, at(3)) == Due(next=at(4))


def test_a_clock_set_forward_misses_what_it_jumped_over() -> None:
    kept = hourly(missed="skip")
    assert ask(kept, at(5)) == Due(
        (ev.SlotMissed(tuple(at(n) for n in (1, 2, 3, 4)), LATE),), (Fire(at(5), "slot"),), at(6)
    )


def test_the_second_pass_of_a_repeated_hour_is_another_slot() -> None:
    before = int(datetime(2026, 10, 25, 0, 0, tzinfo=UTC).timestamp()) * SECOND
    kept = Kept(spec(schedule="30 * * * *", zone="Europe/Berlin"), before)
    kept.run(before + 4 * HOUR)
    assert [slot for slot, _ in kept.fired] == [before + HOUR // 2 + n * HOUR for n in range(4)]
    kept.check()


def test_a_loop_without_a_schedule_or_removed_asks_for_nothing() -> None:
    assert ask(Kept(spec(schedule=""), T0), at(9)) == Due()
    assert ask(hourly(), at(9), state="removed") == Due()
    assert ask(Kept(spec(schedule="0 0 30 2 *"), T0), at(9_000)) == Due()


def test_a_year_passes_in_seconds() -> None:
    kept = Kept(spec(schedule="every 10m"), T0 + 123_456)
    kept.run(T0 + 365 * DAY)
    kept.check()
    assert kept.counts() == {"fired": 365 * 144}
    assert {trigger for _, trigger in kept.fired} == {"slot"}


def test_a_month_of_cron_has_every_slot_once() -> None:
    kept = Kept(spec(schedule="*/10 * * * *", zone="Europe/Berlin"), T0)
    kept.run(T0 + 31 * DAY)
    kept.check()
    assert [slot for slot, _ in kept.fired] == [T0 + n * 10 * MINUTE for n in range(1, 31 * 144 + 1)]


# -- what front ends ask ---------------------------------------------------------------------------------------------


def test_the_next_slot() -> None:
    loop = row(spec(schedule="0 * * * *"), slot=T0, added=T0)
    assert slots.next_at(loop, T0) == at(1)
    assert slots.next_at(loop, at(-5)) == at(1)
    loop.state, loop.paused_until = "paused", 0
    assert slots.next_at(loop, T0) is None
    loop.paused_until = at(3)
    assert slots.next_at(loop, T0) == at(3)
    loop.paused_until = at(3) + 1
    assert slots.next_at(loop, T0) == at(4)
    assert slots.next_at(row(spec(schedule="")), T0) is None
    assert slots.next_at(row(state="removed"), T0) is None


@pytest.mark.parametrize(("text", "count"), [("*/10 * * * *", 144), ("every 10m", 144), ("daily 09:00", 1), ("", 0)])
def test_the_fires_of_a_day(text: str, count: int) -> None:
    assert slots.count_within(row(spec(schedule=text), added=T0), T0, T0 + DAY) == count


def test_an_interval_has_no_slot_before_its_first() -> None:
    loop = row(spec(schedule="every 1h"), added=T0)
    assert slots.count_within(loop, T0 - 10 * DAY, T0) == 0
    assert slots.within(loop, T0 - 10 * DAY, at(2), 100) == [at(1), at(2)]


def test_a_range_has_both_its_ends() -> None:
    loop = row(spec(schedule="0 * * * *"), added=T0)
    assert slots.within(loop, at(1), at(3), 100) == [at(1), at(2), at(3)]
    assert slots.within(loop, at(1) + 1, at(3) - 1, 100) == [at(2)]
    assert slots.within(loop, at(1), at(3), 2) == [at(1), at(2)]


def test_the_cost_of_a_day_is_that_of_rounds_like_the_last() -> None:
    loop = row()
    rounds = [round(1, usd=100), round(2, usd=300), round(3, usd=9_999, ended=0)]
    assert slots.cost_estimate(loop, rounds, 6) == 1_200
    assert slots.cost_estimate(loop, rounds, 0) == 0
    assert slots.cost_estimate(loop, [], 6) is None
    assert slots.cost_estimate(loop, [*rounds, round(4, usd=None)], 6) is None
    assert slots.cost_estimate(row(id="l9"), rounds, 6) is None
