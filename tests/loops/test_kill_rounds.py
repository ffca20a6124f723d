"""The kill switch and rounds: one between its runs is ended like any other, one whose action has begun ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness_tui.domain.loop.spec import Accept, Action, Gate
from harness_tui.loops import work
from harness_tui.port.commands import BackfillLoop, CancelAll, SetLevel
from tests.agent.worlds import ManualClock
from tests.e2e.shell import say

from .crew import CLEAN, Crew, crew, git, writes

PROPOSES = [writes("NOTES.md", "tidy\n"), say("I wrote notes.")]
START = 1_700_006_400_000_000  # 2023-11-15T00:00:00Z
GATE = Gate(use="allowlist", kinds=("tidy",), paths=("NOTES.md",))


class Hold:
    """A step of a round that goes on only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        real = getattr(work, step)

        async def held(*given: Any, **more: Any) -> Any:
            self.begun.set()
            await self.go.wait()
            return await real(*given, **more)

        monkeypatch.setattr(work, step, held)


async def at_l3(c: Crew, **more: Any) -> None:
    await c.add(c.spec(gate=GATE, **more))
    await c.engine.send(SetLevel("tidy", "L3", "op"))
    await c.run()


@pytest.mark.parametrize("step", ["take", "verdict", "acceptance", "gated"])
async def test_a_round_between_its_runs_is_ended_and_lands_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    hold = Hold(monkeypatch, step)
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await at_l3(c, accept=Accept(argv=("grep", "-q", "tidy", "NOTES.md")))
        await c.until(hold.begun.is_set)
        reply = await c.engine.send(CancelAll("op", "enough"))
        assert reply.text == "1 round is being cancelled."
        hold.go.set()
        done = await c.ended()
        assert (done.outcome, done.reason) == ("failed", "cancelled by op: enough")
        assert git(c.repo, "rev-list", "--count", "main") == "1"
        assert not (c.repo / "NOTES.md").exists()
        assert (await c.engine.send(CancelAll("op", "enough"))).text == "No run is open."


async def test_a_round_and_the_run_it_waits_for_are_both_counted(tmp_path: Path) -> None:
    async with crew(tmp_path, [[asyncio.Event()]], [CLEAN]) as c:
        await at_l3(c)
        await c.until(lambda: c.maker.seen)
        assert (await c.engine.send(CancelAll("op"))).text == "1 run and 1 round are being cancelled."
        done = await c.ended()
        assert (done.outcome, done.reason) == ("failed", "cancelled by op")


async def test_an_action_that_has_begun_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(monkeypatch, "act")
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await at_l3(c)
        await c.until(hold.begun.is_set)
        assert (await c.engine.send(CancelAll("op"))).text == "No run is open."
        hold.go.set()
        done = await c.ended()
        assert done.outcome == "proceeded", done.reason
        assert git(c.repo, "rev-list", "--count", "main") == "2"


async def test_a_change_that_waits_goes_on_waiting(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec())
        await c.run()
        asked = await c.asked()
        await c.ended()
        assert (await c.engine.send(CancelAll("op"))).text == "No run is open."
        assert (await c.asked()).id == asked.id


async def test_what_was_to_be_backfilled_does_not_begin_after_it(tmp_path: Path) -> None:
    hour, idle = 3_600_000_000, say("NOTHING TO DO")
    async with crew(tmp_path, [[asyncio.Event()], idle], [CLEAN], ManualClock(START)) as c:
        await c.add(c.spec(schedule="0 * * * *", action=Action(kind="report", do="report"), missed="skip"))
        await c.restart(ManualClock(START + 4 * hour + 1))
        await c.engine.send(BackfillLoop("tidy", START + 1, START + 3 * hour, "op"))
        await c.until(lambda: c.maker.seen)
        assert (await c.engine.send(CancelAll("op"))).text == "1 run and 1 round are being cancelled."
        assert (await c.ended()).outcome == "failed"
        for number in (2, 3):
            await c.run()
            done = await c.ended(number)
            assert (done.trigger, done.outcome) == ("manual", "reported"), "what is asked for now, and nothing else"
