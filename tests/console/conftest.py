"""A console over the engine double, with a clock the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from textual.pilot import Pilot

from harness_tui.console.app import ConsoleApp
from harness_tui.console.options import Options

from .fake_port import NOW, FakeEngine


@dataclass
class Console:
    """An app under a pilot, its engine, its clock (s) and its wall clock (us)."""

    engine: FakeEngine
    seconds: float = 100.0
    app: ConsoleApp = field(init=False)
    pilot: Pilot[None] = field(init=False)

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(strip.text for strip in self.app.surface._strips)

    async def settle(self) -> None:
        """Let queued batches be folded and drawn."""
        for _ in range(3):
            await self.pilot.pause()
            self.app.feed.fold()
            self.app.paint()

    async def after(self, seconds: float) -> None:
        """Turn the clock; what falls due on the way happens at its own moment, as under a prompt timer."""
        end = self.seconds + seconds
        while (due := self.app.model.due()) is not None and due <= end:
            self.seconds = max(self.seconds, due) + 0.001
            self.app.performer.perform(self.app.model.tick(self.seconds))
        self.seconds = max(self.seconds, end)
        self.app.performer.perform(self.app.model.tick(self.seconds))
        await self.settle()

    async def press(self, *keys: str) -> None:
        """Keys as a person types them: half a second apart."""
        for key in keys:
            await self.pilot.press(key)
            await self.after(0.5)

    async def answer(self) -> None:
        """What a terminal says to `CSI 6n`, for every question asked so far."""
        from textual.events import CursorPosition

        await self.settle()
        for _ in range(len(self.app._asked)):
            self.app.post_message(CursorPosition(0, 0))
        await self.settle()


@pytest.fixture
def console() -> Callable[..., AbstractAsyncContextManager[Console]]:
    @asynccontextmanager
    async def start(
        engine: FakeEngine | None = None, size: tuple[int, int] = (80, 24), theme: str = "dark", ascii: bool = False
    ) -> AsyncIterator[Console]:
        made = Console(engine or FakeEngine())
        options = Options(made.engine.connect, theme=theme, ascii=ascii, title="~/site", by="1000@pts/1")
        made.app = ConsoleApp(
            options, clock=lambda: made.seconds, wall=lambda: NOW + int((made.seconds - 100.0) * 1_000_000)
        )
        async with made.app.run_test(size=size) as made.pilot:
            await made.settle()
            yield made

    return start
