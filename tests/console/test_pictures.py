"""Busy screens as pictures: the README's (UPDATE_SNAPSHOTS=1 draws it anew), the others with `--snapshot-update`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from textual.events import CursorPosition
from textual.pilot import Pilot

from harness_tui.console.app import ConsoleApp
from harness_tui.console.options import Options
from harness_tui.domain import events as ev
from harness_tui.domain.events import Envelope, Event
from harness_tui.domain.messages import Text, Usage
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile

from .fake_port import DIGEST_VOTE, NOW, FakeEngine

PICTURE = Path(__file__).with_name("picture.svg")


class Scene:
    """A console whose clocks stand still, brought to where a picture is worth taking."""

    def __init__(
        self,
        keys: str,
        theme: str = "dark",
        *,
        engine: FakeEngine | None = None,
        arm: bool = False,
        picture: bool = False,
    ) -> None:
        self.seconds, self.keys, self.arm, self.picture = 100.0, keys, arm, picture
        options = Options((engine or FakeEngine()).connect, theme=theme, title="~/site", by="1000@pts/1")
        self.app = ConsoleApp(options, clock=lambda: self.seconds, wall=lambda: NOW)

    async def play(self, pilot: Pilot[None]) -> None:
        while not self.app.feed.live:
            await pilot.pause()
        for key in self.keys:
            await pilot.press(key)
            await self._later(pilot, 0.5)
        for _ in range(3 if self.arm else 0):
            self.app.paint()
            await pilot.pause()
            for _ in range(len(self.app._asked)):
                self.app.post_message(CursorPosition(0, 0))
            await self._later(pilot, 0.6)
        async with asyncio.timeout(60):
            while self.picture and not any("▀" in strip.text for strip in self.app.surface._strips):
                await pilot.pause(0.02)
        await self._later(pilot, 0.1)

    async def _later(self, pilot: Pilot[None], seconds: float) -> None:
        await pilot.pause()
        self.seconds += seconds
        self.app.performer.perform(self.app.model.tick(self.seconds))
        self.app.feed.fold()
        self.app.paint()
        await pilot.pause()


def told() -> list[Envelope]:
    """What led to the vote that waits, beside two other runs."""
    model: dict[str, Any] = {"call": "m", "day": "2026-11-21"}

    def started(call: str, tool: str, summary: str) -> Event:
        return ev.ToolStarted(call, tool, "network", DIGEST_VOTE, summary)

    story: list[tuple[int, str, Event]] = [
        (74, "r17", ev.RunStarted(RunSpec(TaskFile("upvote the first story"), ModelSpec("stand-in", "stand-in")), {})),
        (74, "r17/1", ev.AttemptStarted("r17", 1)),
        (72, "r17/1", ev.EnvironmentOpened("browser", "s1")),
        (71, "r17/1", ev.ModelRequested(iteration=1, hold=4625, **model)),
        (70, "r17/1", ev.ModelAnswered("m", (Text("I will open the news site."),), Usage(615, 41))),
        (70, "r17/1", started("c1", "browser_navigate", "browser_navigate: http://127.0.0.1:8000/")),
        (69, "r17/1", ev.ToolFinished("c1", "browser_navigate", True, "HTTP 200: Hacker-ish News", took_ms=131)),
        (66, "r18/1", ev.ModelAnswered("m", (Text("Two packages have new majors."),), Usage(8800, 212))),
        (61, "r18/1", started("c4", "shell", "shell: npm ci --ignore-scripts")),
        (52, "r15/1", ev.ToolFinished("c9", "shell", False, "pytest exit 1: 3 failed, 211 passed", took_ms=8700)),
        (51, "r17/1", ev.ModelRequested(iteration=2, hold=4708, **model)),
        (50, "r17/1", ev.ModelAnswered("m", (Text("I will read the list of stories."),), Usage(703, 31))),
        (50, "r17/1", ev.ToolFinished("c2", "browser_get_stories", True, '30, "Show HN: a durable log"', took_ms=12)),
        (48, "r17/1", ev.LoginHandled(True, "http://127.0.0.1:8000", "signed in as demo")),
        (35, "r17/1", ev.ModelAnswered("m", (Text("I will click the arrow of the first story."),), Usage(1930, 47))),
        (34, "r17/1", ev.ApprovalRequested(id="A-29", call="c3", tool="browser_click", risk="high",
                                           risk_class="destructive", summary="browser_click: upvote story 1", facts=(),
                                           digest=DIGEST_VOTE, action="", expires=NOW + 866_000_000)),
    ]  # fmt: skip
    return [Envelope(pos, run, pos, NOW - ago * 1_000_000, event) for pos, (ago, run, event) in enumerate(story, 1)]


async def test_the_readme_picture() -> None:
    engine = FakeEngine()
    engine.log = told()
    scene = Scene("j4j", engine=engine, arm=True)
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.play(pilot)
        drawn = scene.app.export_screenshot(title="harness-tui")
    # Some viewers drop spaces at the start of a text unless told to keep them.
    drawn = drawn.replace("<svg ", '<svg xml:space="preserve" ', 1)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        PICTURE.write_text(drawn, encoding="utf-8")
    assert drawn == PICTURE.read_text(encoding="utf-8"), "the picture differs: UPDATE_SNAPSHOTS=1 draws it anew"


@pytest.mark.parametrize("theme", ["dark", "mono"])
def test_runs_at_80x24(snap_compare, theme):
    scene = Scene("j", theme)
    assert snap_compare(scene.app, terminal_size=(80, 24), run_before=scene.play)


def test_a_vote_waits_at_80x24(snap_compare):
    scene = Scene("4j", arm=True)
    assert snap_compare(scene.app, terminal_size=(80, 24), run_before=scene.play)


def test_all_seven_panes_at_200x60(snap_compare):
    scene = Scene("j", picture=True)
    assert snap_compare(scene.app, terminal_size=(200, 60), run_before=scene.play)
