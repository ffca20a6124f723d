"""Pane 7 as text and tokens at three sizes (UPDATE_SNAPSHOTS=1 writes them anew), and as pictures in two themes."""

from __future__ import annotations

import pytest

from harness_tui.console.intents import FetchLoop, PlanFires
from harness_tui.console.stores import fires
from tests.console_logic.scene import Bench
from tests.console_logic.test_screen_texts import check

from .fake_port import NOW
from .loop_scene import engine
from .test_pictures import Scene

SIZES = ((80, 24), (120, 40), (200, 60))
KEYS = {
    "loops": (),
    "paused": ("j",),
    "rounds": ("enter",),
    "report": ("enter", "j", "j", "enter"),
    "why": ("w",),
    "may": ("i",),
    "preview": ("v",),
    "promote": ("P",),
}
LARGE = ("loops", "rounds", "report")


class LoopBench(Bench):
    """A bench that carries out at once what pane 7 wants to know."""

    def __init__(self, width: int, height: int, *, ascii: bool) -> None:
        super().__init__(ascii=ascii, width=width, height=height)
        self.engine, self.wall = engine(), NOW
        self.model.attach(self.engine.snapshot())
        self.model.set_link("live")

    def press(self, key: str, pause: float = 0.5) -> list[object]:
        out = super().press(key, pause)
        self.carry_out(out)
        return out

    def carry_out(self, wanted: list[object]) -> None:
        m, views = self.model, self.engine.views
        for intent in wanted:
            if isinstance(intent, PlanFires):
                m.loops.planned(fires.upcoming(intent.plans, NOW))
            elif isinstance(intent, FetchLoop):
                ident, row = intent.loop, views.loops[intent.loop]
                m.loops.take_spec(m.world, views.specs[ident])
                m.loops.take_rounds(ident, [each for each in views.rounds.values() if each.loop == ident])
                known = m.loops.rounds(m.world, ident)
                if intent.what == "preview":
                    m.loops.take_card("preview", ident, fires.preview(row, known, NOW))
                elif intent.what == "why":
                    m.loops.take_card("why", ident, fires.why(views.specs[ident], row, known, NOW))
        m.sync()


SCREENS = [*((what, SIZES[0]) for what in KEYS), *((what, size) for what in LARGE for size in SIZES[1:])]


@pytest.mark.parametrize(("what", "size"), SCREENS, ids=[f"{what}-{size[0]}" for what, size in SCREENS])
def test_each_of_its_screens(what: str, size: tuple[int, int]) -> None:
    width, height = size
    bench = LoopBench(width, height, ascii=width == 120)
    for key in ("7", *KEYS[what]):
        bench.press(key)
    check(f"loops-{what}-{width}x{height}", bench)


def test_budgets_name_the_loops_they_are_of() -> None:
    bench = LoopBench(80, 24, ascii=True)
    bench.press("5")
    check("loops-budgets", bench)


@pytest.mark.parametrize("theme", ["dark", "mono"])
@pytest.mark.parametrize("keys", ["7", "7\r"], ids=["loops", "rounds"])
def test_pictures(snap_compare, keys, theme):
    scene = Scene("", theme, engine=engine())

    async def play(pilot):
        await scene.play(pilot)
        for key in keys:
            await pilot.press({"\r": "enter"}.get(key, key))
            for _ in range(20):
                scene.seconds += 0.5
                scene.app.performer.perform(scene.app.model.tick(scene.seconds))
                await pilot.pause(0.02)
        scene.app.paint()
        await pilot.pause()

    assert snap_compare(scene.app, terminal_size=(80, 24), run_before=play)
