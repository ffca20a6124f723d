"""The console as an operator drives it, over the engine double: every way from a key to a command and back."""

from __future__ import annotations

import asyncio

import pytest
from textual import events

from harness_tui.domain.errors import ApprovalError
from harness_tui.port.commands import Decide

from .fake_port import DIGEST_VOTE, FakeEngine, med_approval

SIZES = [(80, 24), (120, 24), (120, 40), (200, 60), (60, 16), (20, 6)]


def one_approval() -> FakeEngine:
    engine = FakeEngine()
    engine.rows["approvals"] = (med_approval(),)
    return engine


@pytest.mark.parametrize("size", SIZES)
async def test_every_row_is_exactly_as_wide_as_the_terminal(console, size):
    async with console(size=size) as it:
        for pane in "1234567":
            await it.pilot.press(pane)
            rows = it.app.surface._strips
            assert [strip.cell_length for strip in rows] == [size[0]] * size[1]
            assert {sum(segment.cell_length for segment in strip) for strip in rows} == {size[0]}


async def test_attach_lands_on_runs_and_digits_move_the_focus(console):
    async with console() as it:
        assert "upvote the firs" in it.text and " live " in it.text
        await it.press("4")
        assert "IN DOUBT" in it.text and "A-27" in it.text
        await it.press("1")
        assert "browser_navigate 131 ms" in it.text


async def test_the_same_digit_zooms_where_there_is_more_to_see(console):
    async with console(size=(120, 40)) as it:
        both = it.text
        assert "A-29" in both and "deps-bump" in both
        await it.press("4", "4")
        assert "A-29" in it.text and "deps-bump" not in it.text
        await it.press("4")
        assert "deps-bump" in it.text


async def test_resize_to_nothing_and_back_loses_nothing(console):
    async with console() as it:
        before = it.text
        await it.pilot.resize_terminal(20, 6)
        await it.settle()
        assert len(it.app.surface._strips) == 6
        await it.pilot.resize_terminal(80, 24)
        await it.settle()
        assert it.text == before


async def test_one_armed_key_approves_what_is_shown(console):
    async with console(one_approval()) as it:
        await it.press("4")
        await it.press("a")
        assert it.engine.sent == [], "not armed: the terminal has not said that it shows the card"
        await it.answer()
        await it.after(0.6)
        await it.answer()
        await it.press("a")
        await it.settle()
        (sent,) = it.engine.sent
        assert isinstance(sent, Decide)
        assert (sent.approval, sent.decision, sent.by) == ("A-30", "approved", "1000@pts/1")
        assert sent.digest == "ab" * 32
        assert "A-30 approved" in it.text


async def test_a_held_key_and_a_paste_decide_nothing(console):
    async with console(one_approval()) as it:
        await it.press("4")
        await it.answer()
        await it.after(0.6)
        await it.answer()
        await it.pilot.press("a", "a", "a", "a")
        await it.after(1.0)
        it.app.post_message(events.Paste("a"))
        await it.after(1.0)
        assert it.engine.sent == []


async def test_a_key_that_arrives_while_blurred_decides_nothing(console):
    async with console(one_approval()) as it:
        await it.press("4")
        await it.answer()
        await it.after(0.6)
        it.app.post_message(events.AppBlur())
        await it.settle()
        await it.press("d")
        it.app.post_message(events.AppFocus())
        await it.settle()
        await it.pilot.press("d")
        await it.after(0.2)
        assert it.engine.sent == []
        await it.answer()
        await it.after(0.6)
        await it.answer()
        await it.press("d")
        assert len(it.engine.sent) == 1, "the focus is back and the item was armed anew"


async def test_high_risk_takes_two_presses(console):
    async with console() as it:
        await it.press("4", "j")
        for _ in range(3):
            await it.answer()
            await it.after(0.6)
        await it.press("a")
        assert it.engine.sent == []
        await it.press("a")
        assert [(c.approval, c.decision, c.digest) for c in it.engine.sent] == [("A-29", "approved", DIGEST_VOTE)]


async def test_a_refused_decision_is_said(console):
    async with console(one_approval()) as it:
        it.engine.answer = ApprovalError("A-30 was denied by 1001@pts/2 at 14:00.")
        await it.press("4")
        await it.answer()
        await it.after(0.6)
        await it.answer()
        await it.press("d")
        await it.settle()
        assert len(it.engine.sent) == 1
        assert "was denied by 1001@pts/2" in it.text


async def test_a_lost_link_turns_the_keys_off_and_a_new_one_is_found(console):
    async with console(one_approval()) as it:
        await it.press("4")
        it.engine.cut()
        await it.settle()
        assert " lost " in it.text and "A-30" in it.text, "what was known stays on the screen"
        await it.press("d")
        assert it.engine.sent == []
        it.engine.up = True
        await it.press("R")
        async with asyncio.timeout(60):
            while not it.app.feed.live:
                await it.settle()
        await it.settle()
        assert " live " in it.text


async def test_textuals_own_keys_are_off(console):
    async with console() as it:
        for key in ("ctrl+q", "ctrl+p", "ctrl+c", "tab", "escape", "ctrl+backslash"):
            await it.press(key)
        assert it.app.is_running and it.app.return_code is None
        assert len(it.app.screen_stack) == 1 and it.app.focused is None
        await it.press("ctrl+c")
        assert "q leaves the console" in it.text.splitlines()[-1]


async def test_q_detaches_and_says_what_goes_on(console):
    from harness_tui.console.run import farewell

    async with console() as it:
        words = farewell(it.app)
        await it.pilot.press("q")
        assert it.app.return_code == 0
    assert words == "engine keeps running (4 runs, 2 approvals waiting); harness-tui attaches again"
    assert it.engine.ports == [], "the link was closed"


async def test_the_picture_is_fetched_only_when_its_pane_shows(console):
    async with console() as it:
        fetched = []
        blob = it.engine.ports[0].blob
        it.engine.ports[0].blob = lambda sha: (fetched.append(sha), blob(sha))[1]
        await it.settle()
        assert fetched == []
        await it.press("6")
        async with asyncio.timeout(60):
            while "▀" not in it.text:
                await it.settle()
        assert fetched == ["frame1"]


async def test_a_theme_can_be_chosen_by_command(console):
    async with console() as it:
        await it.pilot.press("colon", *"theme mono", "enter")
        await it.settle()
        colours = {s.style.color for strip in it.app.surface._strips for s in strip if s.style is not None}
        assert colours == {None}


async def test_only_changed_cells_are_repainted(console):
    async with console() as it:
        await it.settle()
        assert it.app.surface._draw_changes() == []
        it.app.model.set_link("lost", since=0, text="gone")
        dirty = it.app.surface._draw_changes()
        assert dirty and all(region.height == 1 for region in dirty)
        assert sum(region.area for region in dirty) < 4 * 80
