"""Pane 7 under keys: what is sent, what is fetched, what a burst, a paste or a wrong name does not do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness_tui.console import intents as want
from harness_tui.console.app import ConsoleApp
from harness_tui.console.intents import FetchLoop, LoadLoop, PlanFires
from harness_tui.domain import events as ev
from harness_tui.domain.errors import UsageError
from harness_tui.domain.loop.spec import digest
from harness_tui.port.commands import PauseLoop, ResumeLoop, RunLoop, SetLevel
from harness_tui.port.snapshot import Snapshot
from tests.console_logic.scene import Bench, batch

from .conftest import Console
from .fake_port import NOW, FakeEngine
from .loop_scene import CHANGE, LoopEngine, Story, asked, engine, spec

US = 1_000_000
BY = "1000@pts/1"


async def until(it: Console, words: str) -> None:
    """Until the screen shows it; what is worked out in a thread takes as long as it takes."""
    async with asyncio.timeout(60):
        while words not in it.text:
            await it.settle()


async def typed(it: Console, text: str, *, enter: bool = True) -> None:
    for char in text:
        await it.pilot.press({" ": "space", "-": "minus", ":": "colon", "/": "slash", ".": "full_stop"}.get(char, char))
    await it.after(0.5)
    if enter:
        await it.press("enter")


def row_of(it: Console, name: str) -> str:
    return next(line for line in it.text.splitlines() if name in line)


async def test_a_row_tells_level_state_next_fire_outcome_streak_spend_and_what_waits(console):
    async with console(engine()) as it:
        await it.press("7")
        await it.after(1)
        await until(it, " 49m ")
        assert row_of(it, "❯ changelog-drafter").split() == [
            "❯", "changelog-drafter", "L2", "?", "ask", "49m", "escalated", "..?+?", "0.30/1.00", "1",
        ]  # fmt: skip
        assert row_of(it, "  dependency-sweeper").split() == [
            "dependency-sweeper", "L1", "=", "paused", "-", "exhausted", "+xxx!", "0.22/0.20", "-",
        ]  # fmt: skip
        assert "* changed" in row_of(it, "issue-triage")
        assert "▸ run" in row_of(it, "post-merge-cleanup") and "+++++" in row_of(it, "post-merge-cleanup")


async def test_the_spec_is_asked_for_once_and_the_next_level_is_told(console):
    loops = engine()
    async with console(loops) as it:
        await it.press("7")
        await until(it, "To L3: 5 of 10 rounds that ended well")
        await it.press("j", "k")
        await it.after(5)
        assert loops.asked.count(("spec", "l1")) == 1


async def test_nothing_of_loops_is_fetched_while_they_are_not_on_the_screen(console):
    loops = engine()
    async with console(loops) as it:
        await it.after(5)
        assert loops.asked == []


async def test_run_pause_and_resume_ask_before_they_do(console):
    async with console(engine()) as it:
        await it.press("7", "r")
        assert "run changelog-drafter now: enter runs it" in it.text
        await it.press("escape")
        assert it.engine.sent == []
        await it.press("r", "enter")
        assert it.engine.sent == [RunLoop("l1", BY)]
        await it.press("p")
        await typed(it, "too many")
        assert it.engine.sent[1:] == [PauseLoop("l1", BY, "too many")]
        await it.press("j", "p")
        assert "resume dependency-sweeper" in it.text
        await it.press("enter")
        assert it.engine.sent[2:] == [ResumeLoop("l3", BY)]


async def test_a_burst_and_a_paste_start_nothing(console):
    async with console(engine()) as it:
        await it.press("7")
        for key in ("r", "enter", "r", "enter", "p", "enter", "P", "enter"):
            await it.pilot.press(key)
        it.app.model.paste("r\np\n:promote changelog-drafter\n", it.seconds)
        await it.after(1)
        assert it.engine.sent == []


@pytest.mark.parametrize(("key", "level", "verb"), [("P", "L3", "promote"), ("D", "L1", "demote")])
async def test_a_level_is_set_only_by_the_whole_name(console, key, level, verb):
    async with console(engine()) as it:
        await it.press("7", key)
        assert f"type changelog-drafter to {verb} it from L2 to {level}:" in it.text
        await typed(it, "changelog")
        assert it.engine.sent == [] and "Nothing was changed" in it.text
        await it.press(key)
        await typed(it, "changelog-drafter")
        assert it.engine.sent == [SetLevel("l1", level, BY)]


async def test_a_level_that_is_not_there_is_said(console):
    async with console(engine()) as it:
        await it.press("7", "G", "P")
        assert "post-merge-cleanup stands at L3: there is no higher level." in it.text
        await it.press("k", "D")
        assert "issue-triage stands at L1: there is no lower level." in it.text
        assert it.engine.sent == []


async def test_levels_by_command_take_a_name_and_a_reason(console):
    async with console(engine()) as it:
        await it.press("colon")
        await typed(it, "demote changelog-drafter too eager")
        assert it.engine.sent == [SetLevel("l1", "L1", BY, "too eager")]
        await it.press("colon")
        await typed(it, "promote changelog")
        assert "There is no loop changelog." in it.text
        await it.press("colon")
        await typed(it, "promote")
        assert ":promote NAME of a loop" in it.text
        assert len(it.engine.sent) == 1


async def test_rounds_older_ones_too_then_one_in_full_then_its_maker(console):
    loops = engine()
    async with console(loops) as it:
        await it.press("7")
        assert "209" not in it.text
        await it.press("enter")
        await until(it, " 208 ")
        assert loops.asked.count(("rounds", "l1")) == 1
        assert "A-214 waits" in row_of(it, "❯  214")
        assert "concerns" in row_of(it, " 213 ")
        await it.press("j", "j", "enter")
        assert "round 212" in it.text and "git -C /home/op/site revert --no-edit 77aa10b" in it.text
        await it.press("G")
        assert "Not sure about: commit 9c1e2f0" in it.text
        await it.press("m")
        assert it.app.model.focus == 2 and it.app.model.runs.current == loops.views.rounds["l1/212"].maker
        await it.press("7")
        assert "212" in it.text, "the rounds are still open"
        await it.press("escape")
        assert not it.app.model.loops.open and "next slot" in it.text


async def test_in_a_small_pane_the_rounds_get_the_screen_and_give_it_back(console):
    async with console(engine(), size=(120, 40)) as it:
        await it.press("7", "enter")
        assert it.app.model.zoom
        await it.press("escape")
        assert not it.app.model.zoom and not it.app.model.loops.open


async def test_why_and_preview_are_worked_out_and_follow_the_loop(console):
    loops = engine()
    async with console(loops) as it:
        await it.press("7", "w")
        await until(it, "your decision on A-214")
        late = Story(loops.pos)
        late.say("l1/214", 0, ev.ApprovalDecided("A-214", "denied", "ben@pts/4", "c3e41746"))
        loops.log += late.log
        for each in late.log:
            loops.views.apply(each)
        loops.say("l1/214", ev.ApprovalDecided("A-214", "denied", "ben@pts/4", "c3e41746"))
        async with asyncio.timeout(60):
            while "your decision on A-214" in it.text:
                await it.after(1)
        await it.press("escape", "v")
        await until(it, "2026-11-21 15:50:00 +0100")
        assert "24 rounds, about 432,000 tok" in it.text
        await it.press("v")
        assert "+0100" not in it.text


async def test_what_it_may_do_is_told_from_its_pinned_file(console):
    async with console(engine()) as it:
        await it.press("7", "i")
        await until(it, "git_log, read_file, edit_file")
        assert "apply-patch within CHANGELOG.md, docs/** but docs/legal/**" in it.text
        assert "200,000 tok and $0.50 a round, $1.00 a day" in it.text


async def test_a_spec_that_cannot_be_had_is_said_in_its_place(console):
    loops = engine()
    async with console(loops) as it:

        async def gone(name: str) -> Any:
            raise UsageError("There is no loop l1.")

        it.engine.ports[0].loop = gone
        await it.press("7", "i")
        await until(it, "There is no loop l1.")
        assert it.app.is_running


async def test_a_loop_is_added_by_the_launcher_or_the_command_is_named(console):
    async with console(engine(), size=(120, 40)) as it:
        it.app.performer._launch = refuse
        await it.press("colon")
        await typed(it, "loop add --pattern daily_triage")
        await until(it, "In a shell: harness-tui loop add --pattern daily_triage")
        got: list[object] = []
        it.app.performer._launch = lambda intent: (got.append(intent), RunLoop("l1", BY))[1]
        await it.press("colon")
        await typed(it, "loop add ~/l.toml --fast")
        async with asyncio.timeout(60):
            while not it.engine.sent:
                await it.settle()
        assert got == [LoadLoop("~/l.toml", fast=True)]
        for wrong in ("loop", "loop add", "loop remove x", "loop add --patern x"):
            await it.press("colon")
            await typed(it, wrong)
            assert ":loop add FILE.toml" in it.text


def refuse(intent: want.Intent) -> Any:
    raise UsageError("The console cannot start this.")


async def test_a_fire_that_passed_is_now_and_a_new_slot_brings_the_next(console):
    loops = engine()
    async with console(loops) as it:
        await it.press("7")
        await until(it, " 49m ")
        await it.after(50 * 60 + 5)
        assert " now " in row_of(it, "❯ changelog-drafter")
        # The engine fires it: the row's slot moves on, and so does what is shown.
        at = NOW + 50 * 60 * US
        loops.say("l1", ev.SlotFired(at, 215))
        async with asyncio.timeout(60):
            while " 59m " not in row_of(it, "❯ changelog-drafter"):
                await it.after(0.5)


async def test_a_removed_loop_leaves_and_the_cursor_stays_near(console):
    loops = engine()
    async with console(loops) as it:
        await it.press("7", "j")
        loops.say("l3", ev.LoopRemoved("ben@pts/4"))
        await it.settle()
        assert "dependency-sweeper" not in it.text
        assert it.app.model.loops.chosen.current == "l4"


async def test_a_loop_that_is_gone_under_a_prompt_is_not_touched(console):
    loops = engine()
    async with console(loops) as it:
        await it.press("7", "r")
        loops.say("l1", ev.LoopRemoved("ben@pts/4"))
        await it.settle()
        await it.press("enter")
        assert loops.sent == [] and "the loop is gone" in it.text


async def test_a_hostile_name_intent_and_report_stay_text(console):
    evil = "\x1b]52;c;ZXZpbA==\x07\u202e[@click=app.quit]x[/]"
    told = Story()
    made = spec("changelog", schedule="daily 09:00")
    told.add("l1", made, 60)
    told.say("l1", 50, ev.LoopPaused(evil, evil))
    told.round("l1", 1, 40, "escalated", change=CHANGE, report=evil, reasons=(evil,))
    told.say("l1/1", 30, ev.RolledBack(evil))
    loops = LoopEngine(told)
    async with console(loops) as it:
        for keys in (("7",), ("w",), ("escape", "enter"), ("enter",), ("G",)):
            await it.press(*keys)
            assert not set(it.text) & {"\x1b", "\x07", "\u202e"}
        assert "\\x1b]52" in it.text


async def test_the_status_of_many_loops_that_did_not_fit_is_told(console):
    class Many(LoopEngine):
        def snapshot(self) -> Snapshot:
            from msgspec.structs import replace

            return replace(super().snapshot(), more_loops=9_800)

    async with console(Many(Story()), size=(120, 40)) as it:
        await it.settle()
    told = Story()
    told.add("l1", spec("one"), 60)
    async with console(Many(told), size=(120, 40)) as it:
        assert "9,800 more: harness-tui loop list" in it.text


async def test_without_loops_it_says_how_they_begin(console):
    async with console(FakeEngine(busy=False)) as it:
        await it.press("7")
        assert ":loop add --pattern daily_triage" in it.text
        await it.press("enter", "r", "p", "m", "w", "v")
        assert it.engine.sent == []


async def test_a_change_that_waits_rings_once_with_the_name_of_its_loop(console, monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("STY", raising=False)
    loops = engine()
    async with console(loops) as it:
        app: ConsoleApp = it.app
        written: list[str] = []
        monkeypatch.setattr(type(app), "send_to_terminal", lambda self, data: written.append(data))
        loops.say("l2/66", asked("A-300", CHANGE))
        await it.settle()
        await it.after(1)
        loops.say("l2/66", asked("A-301", CHANGE))
        await it.settle()
        await it.after(1)
        rings = [data for data in written if "\x1b]9;" in data]
        said = "3 wait: A-300 post-merge-cleanup, A-214 changelog-drafter, dependency-sweeper paused itself"
        assert rings == [f"\a\x1b]9;harness-tui: {said}\a"]


def test_of_thousands_only_what_is_near_the_screen_is_worked_out():
    told = Story()
    made = spec("x", schedule="every 10m")
    for number in range(1, 400):
        from msgspec.structs import replace

        each = replace(made, name=f"loop-{number:03d}")
        told.say(f"l{number}", 60, ev.LoopAdded(each, digest(each), "f.toml", "", "L1", "ada"))
    bench = Bench()
    bench.wall = NOW
    bench.model.attach(LoopEngine(told).snapshot())
    bench.model.set_link("live")
    assert bench.model.tick(bench.at) == [], "the pane does not show"
    out = bench.press("7")
    plans = [each for each in out if isinstance(each, PlanFires)]
    assert len(plans) == 1 and 20 < len(plans[0].plans) < 60
    assert [each for each in out if isinstance(each, FetchLoop)] == [FetchLoop("spec", "l1")]
    assert bench.press("w")[-1] == FetchLoop("why", "l1")
    assert not [each for each in bench.wait(30) if isinstance(each, PlanFires | FetchLoop)], "each is asked for once"


def test_events_of_loops_and_rounds_the_snapshot_left_out_are_passed_over():
    loops = engine()
    loops.rows["loops"] = tuple(row for row in loops.rows["loops"] if row.id != "l2")
    loops.rows["rounds"] = tuple(row for row in loops.rows["rounds"] if row.number > 213)
    bench = Bench(width=120, height=40)
    bench.model.attach(loops.snapshot())
    told = Story(loops.pos)
    told.round("l2", 67, 0, "escalated", change=CHANGE)
    told.say("l2", 0, ev.LoopPaused("ada", "x"), ev.SlotSkipped(NOW, "x"), ev.LevelSet("L1", "ada", "x"))
    told.say("l1/213", 0, ev.VerdictGiven("clean"), ev.ActionStarted("commit", "d", "ada"), ev.RolledBack("x"))
    told.round("l1", 215, 0)
    bench.model.fold(batch(*told.log))
    bench.draw()
    assert "l2" not in bench.model.world.views.loops
    assert bench.model.world.views.rounds["l1/215"].outcome == "reported"
    assert bench.model.world.views.pos == told.pos, "everything else was folded"
