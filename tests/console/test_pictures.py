"""Busy screens as pictures. The README shows `test_the_readme_picture`; `pytest --snapshot-update` draws them anew."""

from __future__ import annotations

import asyncio

import pytest
from textual.events import CursorPosition
from textual.pilot import Pilot

from harness_tui.console.app import ConsoleApp
from harness_tui.console.run import Options

from .fake_port import NOW, FakeEngine


class Scene:
    """A console whose clocks stand still, brought to where a picture is worth taking."""

    def __init__(self, keys: str, theme: str = "dark", *, arm: bool = False, picture: bool = False) -> None:
        self.seconds, self.keys, self.arm, self.picture = 100.0, keys, arm, picture
        options = Options(FakeEngine().connect, theme=theme, title="~/site", by="1000@pts/1")
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
        async with asyncio.timeout(10):
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


def test_the_readme_picture(snap_compare):
    scene = Scene("4j", arm=True)
    assert snap_compare(scene.app, terminal_size=(120, 40), run_before=scene.play)


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
