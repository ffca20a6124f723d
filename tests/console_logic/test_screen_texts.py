"""Every screen as text: one file for what is written, one for how it is marked. UPDATE_SNAPSHOTS=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.cells import cell_len

from harness_tui.console.arming import SETTLE
from harness_tui.domain import events as ev
from harness_tui.domain.events import Flow

from .hands import hands
from .scene import NOW, US, Bench, Log, batch, busy, spending

FOLDER = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 40), (200, 60))


def check(name: str, bench: Bench) -> None:
    """Compare the screen with the stored one; every line is exactly the terminal's width in cells."""
    text, tokens = bench.screen()
    assert [cell_len(row) for row in text] == [bench.model.width] * bench.model.height
    for kind, rows in (("txt", text), ("tokens.txt", tokens)):
        path = FOLDER / f"{name}.{kind}"
        content = "\n".join(row.rstrip() for row in rows) + "\n"
        if os.environ.get("UPDATE_SNAPSHOTS"):
            FOLDER.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == content, f"{path.name} differs: UPDATE_SNAPSHOTS=1 shows how"


@pytest.mark.parametrize("pane", range(1, 8))
@pytest.mark.parametrize("state", ["busy", "empty"])
def test_each_pane_at_80x24(pane: int, state: str) -> None:
    bench = Bench(busy() if state == "busy" else Log())
    if pane != 2:
        bench.press(str(pane))
    if state == "busy":
        bench.press("greater_than_sign")
    check(f"80x24-{pane}-{state}", bench)


@pytest.mark.parametrize(("width", "height"), SIZES[1:])
@pytest.mark.parametrize("ascii", [True, False])
def test_arrangements(width: int, height: int, ascii: bool) -> None:
    bench = Bench(busy(), ascii=ascii, width=width, height=height)
    bench.press("greater_than_sign")
    bench.arm()
    check(f"{width}x{height}-{'ascii' if ascii else 'unicode'}", bench)


@pytest.mark.parametrize(("width", "height"), [(120, 24), (60, 16), (40, 12), (20, 6)])
@pytest.mark.parametrize("pane", [2, 4])
def test_small_ones_survive(width: int, height: int, pane: int) -> None:
    bench = Bench(busy(), width=width, height=height)
    if pane == 4:
        bench.press("4")
        bench.press("j")
    check(f"{width}x{height}-{pane}", bench)


def test_cards() -> None:
    bench = Bench(busy())
    bench.press("4")
    check("card-doubt-not-armed", bench)
    bench.arm()
    check("card-doubt-armed", bench)
    bench.press("j")
    bench.arm()
    check("card-pages", bench)
    bench.press("j")
    bench.arm()
    check("card-browser-armed", bench)
    bench.press("a")
    check("card-browser-again", bench)
    bench.press("D")
    bench.press("D", SETTLE)
    check("card-browser-reason", bench)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_cards_of_files_and_of_the_shell(width: int, height: int) -> None:
    bench = Bench(hands(), width=width, height=height, ascii=width == 80)
    bench.press("4")
    bench.press("4")
    bench.arm()
    check(f"card-edit-{width}x{height}", bench)
    bench.press("space")
    bench.arm()
    check(f"card-edit-page-{width}x{height}", bench)
    bench.press("j")
    bench.arm()
    check(f"card-shell-{width}x{height}", bench)


def test_overlays() -> None:
    for key, name in (("i", "may"), ("w", "why"), ("question_mark", "help"), ("enter", "run")):
        bench = Bench(busy())
        bench.press("greater_than_sign")
        bench.press(key)
        check(f"over-{name}", bench)
    bench = Bench(busy())
    bench.press("1")
    bench.press("enter")
    check("over-event", bench)


def test_spending() -> None:
    bench = Bench(spending())
    check("spend-runs", bench)
    bench.press("5")
    check("spend-80x24", bench)
    bench.press("j")
    bench.press("j")
    bench.press("enter")
    check("spend-card", bench)
    bench.press("escape")
    bench.press("1")
    check("spend-trace", bench)


@pytest.mark.parametrize(("width", "height"), SIZES[1:])
def test_spending_where_there_is_room(width: int, height: int) -> None:
    bench = Bench(spending(), ascii=False, width=width, height=height)
    bench.press("5")
    check(f"spend-{width}x{height}", bench)


def test_link_states() -> None:
    bench = Bench()
    bench.wall += US
    check("link-starting", bench)
    bench = Bench(busy())
    bench.press("4")
    bench.model.set_link("lost", since=NOW - 12 * US, tries=3, retry_at=NOW + 4 * US)
    check("link-lost", bench)
    bench.model.set_link("stalled", late=2.1)
    check("link-stalled", bench)
    other = bench.log.snapshot().engine
    again = bench.log.snapshot(engine=type(other)(**{**_fields(other), "pid": 4}))
    bench.model.set_link("live")
    bench.model.attach(again)
    bench.wall += 3 * US
    check("link-restarted", bench)


def _fields(struct: object) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}  # type: ignore[attr-defined]


def test_filter_hold_and_flow() -> None:
    bench = Bench(busy())
    flow = (Flow("r19/1", "model", "wor", 408), Flow("r19/1", "model", "d", 412))
    for item in flow:
        bench.model.fold(batch(flow=(item,)))
    check("flow-runs", bench)
    bench.press("1")
    check("flow-trace", bench)
    bench.press("k")
    bench.press("slash")
    bench.model.text("kind:ask !doubt", bench.at)
    check("filter-typing", bench)
    bench.press("enter")
    fresh = bench.log.add("r18/1", 0, ev.ApprovalExpired("A-28"))
    bench.model.fold(batch(*fresh))
    check("filter-held", bench)


def test_link_hints_and_command_line() -> None:
    bench = Bench(busy())
    bench.press("colon")
    bench.model.text("dmo", bench.at)
    check("command-typing", bench)
    bench.press("enter")
    check("command-unknown", bench)
