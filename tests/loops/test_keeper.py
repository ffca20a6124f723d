"""The keeper in a simulated time: slots, policies, pauses, restarts; makers have nothing to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from harness_tui.domain.errors import HarnessError, UsageError
from harness_tui.domain.loop.spec import Action, Caps
from harness_tui.port.commands import AddLoop, BackfillLoop, PauseLoop, RemoveLoop, ResumeLoop, RunLoop
from tests.agent.worlds import ManualClock
from tests.e2e.shell import say

from .crew import CLEAN, Crew, crew

IDLE = say("NOTHING TO DO")
MINUTE = 60_000_000
START = 1_700_006_400_000_000  # 2023-11-15T00:00:00Z
REPORTS = Action(kind="report", do="report")


def clock(at: int = START) -> ManualClock:
    return ManualClock(at)


async def pass_time(c: Crew, time: ManualClock, minutes: int, step: int = 1) -> None:
    """Minute by minute; each round that begins has ended before the next minute comes."""
    for _ in range(0, minutes, step):
        await time.advance(step * 60)
        await c.until(lambda: quiet(c, time))


def quiet(c: Crew, time: ManualClock) -> bool:
    """The keeper has looked at the clock as it is now, and what it began has ended."""
    due = c.engine._keeper.next("l1")
    looked = due > time.now() if due is not None else c.row.state != "active" and not c.row.paused_until
    return looked and not c.row.running


async def states(c: Crew) -> dict[int, str]:
    return {slot.at: slot.state for slot in await c.engine.slots("l1", 10_000)}


async def test_each_slot_fires_once_and_a_quiet_round_is_one_row(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS))
        await pass_time(c, time, 60, 5)
        found = await states(c)
        assert found == {START + n * 10 * MINUTE: "fired" for n in range(1, 7)}
        assert c.row.marks == "......"
        assert not c.engine.journal.views.approvals


async def test_slots_missed_while_the_engine_was_down_are_rows_and_one_is_made_up_for(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="0 * * * *", action=REPORTS))
        await c.restart(clock(START + 5 * 60 * MINUTE + 30 * MINUTE))
        done = await c.ended()
        assert (done.trigger, done.slot) == ("missed", START + 5 * 60 * MINUTE)
        found = await states(c)
        assert Counter(found.values()) == {"missed": 4, "fired": 1}
        slot = (await c.engine.slots("l1"))[-1]
        assert "not running" in slot.reason


async def test_an_operator_adds_too_fast_a_loop_only_when_he_says_so(tmp_path: Path) -> None:
    async with crew(tmp_path, [IDLE], [CLEAN], clock()) as c:
        with pytest.raises(UsageError, match="--fast"):
            await c.add(c.spec(schedule="every 5s"), fast=False)
        assert "l1" not in c.engine.journal.views.loops
        await c.add(c.spec(schedule="every 5s"), fast=True)


async def test_a_pause_keeps_slots_from_firing_and_they_are_told_of_afterwards(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS))
        await c.engine.send(PauseLoop("tidy", "op", "holiday"))
        await pass_time(c, time, 30, 5)
        assert c.row.rounds == 0
        await c.engine.send(ResumeLoop("tidy", "op"))
        slots = await c.engine.slots("l1")
        assert [slot.state for slot in slots] == ["missed"] * 3
        assert "paused by op: holiday" in slots[0].reason
        await pass_time(c, time, 10, 5)
        assert c.row.rounds == 1


async def test_a_pause_ends_by_itself(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS))
        await c.engine.send(PauseLoop("tidy", "op", "lunch", START + 25 * MINUTE))
        await pass_time(c, time, 30, 5)
        assert c.row.state == "active"
        assert c.row.rounds == 1


async def test_a_round_that_still_runs_is_not_doubled(tmp_path: Path) -> None:
    time, hangs = clock(), asyncio.Event()
    async with crew(tmp_path, [[hangs], IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS))
        await time.advance(600)
        await c.until(lambda: c.row.running)
        await time.advance(600)
        await c.until(lambda: len(c.row.slots) == 2)
        assert [slot.state for slot in c.row.slots] == ["fired", "skipped"]
        with pytest.raises(UsageError, match="still runs"):
            await c.engine.send(RunLoop("tidy", "op"))


async def test_a_queued_slot_fires_when_the_round_has_ended(tmp_path: Path) -> None:
    time, hangs = clock(), asyncio.Event()
    async with crew(tmp_path, [[hangs], IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS, overlap="queue"))
        await time.advance(600)
        await c.until(lambda: c.row.running and c.maker.seen)
        await time.advance(600)
        await c.until(lambda: c.row.queued)
        await c.engine._keeper.cancel("l1/1", "op", "too long")
        await c.until(lambda: c.row.rounds == 2 and not c.row.running)
        assert [slot.state for slot in c.row.slots] == ["fired", "fired"]


async def test_the_old_round_makes_room_where_the_policy_says_so(tmp_path: Path) -> None:
    time, hangs = clock(), asyncio.Event()
    async with crew(tmp_path, [[hangs], IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS, overlap="cancel", pause_after=0))
        await time.advance(600)
        await c.until(lambda: c.row.running and c.maker.seen)
        await time.advance(600)
        await c.until(lambda: c.row.rounds == 2 and not c.row.running)
        assert c.round(1).outcome == "failed"
        assert "the next slot has come" in c.round(1).reason
        assert c.round(2).slot == START + 20 * MINUTE


async def test_a_range_is_backfilled_oldest_first(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="0 * * * *", action=REPORTS, missed="skip"))
        await c.restart(clock(START + 4 * 60 * MINUTE + 30 * MINUTE))
        assert Counter((await states(c)).values()) == {"missed": 4}
        await c.engine.send(BackfillLoop("tidy", START + MINUTE, START + 3 * 60 * MINUTE, "op"))
        await c.until(lambda: c.row.rounds == 3 and not c.row.running)
        found = await states(c)
        assert [found[START + n * 60 * MINUTE] for n in (1, 2, 3, 4)] == ["fired", "fired", "fired", "missed"]
        assert [c.round(n).trigger for n in (1, 2, 3)] == ["backfill"] * 3
        reply = await c.engine.send(BackfillLoop("tidy", START + MINUTE, START + 3 * 60 * MINUTE, "op"))
        assert "no slot in that range without a round" in reply.text


async def test_a_clock_that_jumps_doubles_nothing(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="0 * * * *", action=REPORTS))
        await pass_time(c, time, 120, 10)
        before = await states(c)
        await time.advance(-3 * 3600)
        await pass_time(c, time, 150, 10)
        assert await states(c) == before
        await pass_time(c, time, 120, 10)
        found = await states(c)
        assert len(found) == len(before) + 1, found
        assert set(found.values()) == {"fired"}


async def test_a_removed_loop_fires_no_more_and_its_name_is_free(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS))
        await c.engine.send(RemoveLoop("tidy", "op"))
        await pass_time(c, time, 30, 10)
        assert c.row.rounds == 0
        with pytest.raises(HarnessError, match="no loop"):
            await c.engine.send(RunLoop("tidy", "op"))
        assert await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS)) == "l2"


async def test_added_again_with_other_work_it_loses_its_level_and_with_other_times_it_does_not(tmp_path: Path) -> None:
    async with crew(tmp_path, [IDLE], [CLEAN], clock()) as c:
        await c.add(c.spec(schedule="daily 09:00"))
        assert "nothing has changed" in (await c.engine.send(_again(c, schedule="daily 09:00"))).text
        await c.engine.send(_again(c, schedule="daily 10:00"))
        assert c.row.level == "L2"
        await c.engine.send(_again(c, schedule="daily 10:00", level="L1"))
        assert c.row.level == "L1"


def _again(c: Crew, **more: object) -> AddLoop:
    return AddLoop(c.spec(**more), "pattern:x", "", "op", True)


async def test_when_the_day_is_spent_slots_are_skipped_with_that_reason(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS, budget=Caps(tokens=0, day_tokens=300)))
        await pass_time(c, time, 30, 10)
        assert [slot.state for slot in c.row.slots] == ["fired", "skipped", "skipped"]
        assert c.round(1).outcome == "exhausted"
        assert "too little" in c.row.slots[-1].reason
        assert c.round(1).spent == f"l1:{c.engine._day()}"
        await c.engine.send(_again(c, schedule="*/10 * * * *", action=REPORTS))
        await pass_time(c, time, 10, 10)
        assert c.row.last == "reported", "with another budget it tries again"


async def test_with_another_day_it_tries_again(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS, budget=Caps(tokens=0, day_tokens=300)))
        await pass_time(c, time, 20, 10)
        await c.restart(time)
        await pass_time(c, time, 10, 10)
        assert [slot.state for slot in c.row.slots] == ["fired", "skipped", "skipped"]
        await pass_time(c, time, 24 * 60, 24 * 60)
        assert c.row.rounds == 2


async def test_a_round_that_spent_what_is_its_own_keeps_no_other_from_its_slot(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        budget = Caps(tokens=300, day_tokens=1_000_000)
        await c.add(c.spec(schedule="*/10 * * * *", action=REPORTS, budget=budget))
        await pass_time(c, time, 30, 10)
        assert [slot.state for slot in c.row.slots] == ["fired"] * 3
        assert [(c.round(n).outcome, c.round(n).spent) for n in (1, 2, 3)] == [
            ("exhausted", scope) for scope in ("run:r1", "run:r2", "run:r3")
        ]


async def test_a_hundred_loops_due_at_once_all_begin(tmp_path: Path) -> None:
    time = clock()
    async with crew(tmp_path, [IDLE], [CLEAN], time) as c:
        for number in range(100):
            spec = c.spec(name=f"loop{number}", schedule="0 * * * *", action=REPORTS, checker=None)
            await c.engine.send(AddLoop(spec, "pattern:x", "", "op", False))
        await time.advance(3600)
        loops = c.engine.journal.views.loops
        await c.until(lambda: all(row.rounds == 1 and not row.running for row in loops.values()))
        assert {row.last for row in loops.values()} == {"reported"}
