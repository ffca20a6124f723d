"""The small parts: lines, places, filters, the ring, the action table, figures, why and may."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from harness_tui.console.actions import ACTIONS, COMMANDS, find, in_scope, key_table
from harness_tui.console.intents import Copy, Detach, Export, Pace, Resync, RunTask, StartDemo, UseTheme
from harness_tui.console.lines import Span, cut, fit, marked, width_of, wrap
from harness_tui.console.panes import words
from harness_tui.console.place import place
from harness_tui.console.stores.filter import Filter
from harness_tui.console.stores.ring import Ring, Row
from harness_tui.domain import events as ev
from harness_tui.domain.codec import WireEvent
from harness_tui.domain.events import Flow
from harness_tui.domain.fold import Views
from harness_tui.domain.why import may, why
from harness_tui.port.snapshot import Batch

from .scene import NOW, US, Bench, Log, batch, busy, spec

PRINTABLE = st.text(st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), max_size=60)


@given(st.lists(PRINTABLE, max_size=4), st.integers(0, 50))
@settings(deadline=None)
def test_fit_is_exact(texts: list[str], width: int) -> None:
    assert width_of(fit([Span(text) for text in texts], width)) == width


@given(PRINTABLE, st.integers(2, 40))
@settings(deadline=None)
def test_wrap_loses_nothing_but_the_spaces_it_breaks_at(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cell_len(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")


def test_wrap_breaks_at_spaces() -> None:
    assert wrap("sends GET it cookie yes", 12) == ["sends GET it", "cookie yes"]
    assert wrap("abcdefgh", 3) == ["abc", "def", "gh"]


@given(PRINTABLE, st.integers(0, 40))
@settings(deadline=None)
def test_cut_is_the_longest_start(text: str, width: int) -> None:
    head = cut(text, width)
    assert text.startswith(head)
    assert cell_len(head) <= width


def test_marked_escapes_stand_out() -> None:
    assert [span.token for span in marked("a \\x1b b <40 spaces>")] == ["base", "escaped", "base", "escaped"]


@given(st.integers(1, 300), st.integers(1, 120), st.integers(1, 7), st.booleans(), st.sampled_from([1, 3, 6]))
@settings(deadline=None)
def test_places_tile_without_overlap(width: int, height: int, focus: int, zoom: bool, stage: int) -> None:
    places = place(width, height, focus, zoom, stage)
    cells = sum(rect.width * rect.height for rect in places.values())
    covered = {
        (x, y)
        for rect in places.values()
        for x in range(rect.x, rect.x + rect.width, max(1, rect.width // 3))
        for y in range(rect.y, rect.y + rect.height)
    }
    assert all(0 <= x < width and 0 <= y < height for x, y in covered)
    assert cells <= width * height
    assert "status" in places
    if height >= 2:
        assert f"pane{focus}" in places


def test_a_filter_takes_kinds_states_runs_text_and_their_opposites() -> None:
    def lets(source: str) -> bool:
        return Filter(source).lets("tool", "fail", "r17/1", lambda: "pytest exit 1")

    assert lets("")
    assert lets("kind:tool state:fail run:r17 pytest")
    assert not lets("!pytest")
    assert not lets("run:r1")
    assert not lets("kind:model")
    assert lets("!kind:model EXIT")


def test_the_ring_keeps_numbers_stable_while_rows_go() -> None:
    ring = Ring(4)
    for i in range(6):
        ring.add(Row(0, i, "r1", "r1", "run", "step", str(i)))
    assert (ring.first, ring.next, len(ring)) == (2, 6, 4)
    assert ring.get(1) is None
    assert ring.get(5).text == "5"  # type: ignore[union-attr]


def test_a_held_trace_does_not_move_while_rows_arrive() -> None:
    bench = Bench(busy())
    bench.press("1")
    bench.press("k")
    before = bench.screen()[0][1:15]
    for i in range(30):
        bench.model.fold(batch(*bench.log.add("r18/1", 0, ev.ToolNoted(f"note {i}"))))
    assert bench.screen()[0][1:15] == before
    assert "+30 new" in bench.screen()[0][21]
    bench.press("G")
    assert "note 29" in bench.screen()[0][21]


def test_a_filter_counts_what_arrives_and_loses_nothing() -> None:
    bench = Bench(busy())
    bench.press("1")
    bench.press("slash")
    bench.model.text("kind:ask", bench.at)
    bench.press("enter")
    seen = len(bench.model.world.matched)
    bench.model.fold(batch(*bench.log.add("r18/1", 0, ev.ToolNoted("x"), ev.ApprovalExpired("A-28"))))
    assert len(bench.model.world.matched) == seen + 1
    bench.press("escape")
    assert len(bench.model.world.matched) == len(bench.model.world.ring)


def test_flow_of_one_stream_is_one_row_with_a_count() -> None:
    bench = Bench(busy())
    rows = len(bench.model.world.ring)
    for i in range(2319):
        bench.model.fold(Batch(flow=(Flow("r19/1", "embed", f"embed {i}/4096", i),)))
    assert len(bench.model.world.ring) == rows + 1
    bench.press("1")
    assert "(+2318 alike)" in "\n".join(bench.screen()[0])


def test_an_event_of_a_newer_engine_is_counted_not_fatal() -> None:
    bench = Bench(busy())
    odd = WireEvent(10_000, "r17", 99, NOW, 999, WireEvent.of(bench.log.all[0]).body)
    bench.model.fold(Batch(events=(odd,)))
    assert bench.model.world.unreadable == 1


def test_the_console_folds_what_its_bounded_snapshot_does_not_hold() -> None:
    log = Log()
    log.add("r1", 9, ev.RunStarted(spec("old")))
    bench = Bench(Log())
    bench.model.fold(batch(*log.add("r1", 0, ev.RunFinished("failed", None, "", "", "error", 1))))
    assert bench.model.world.roots() == []


def test_folding_leaves_the_rows_of_the_snapshot_alone() -> None:
    bench = Bench(busy())
    snapshot = bench.log.snapshot()
    before = repr(snapshot)
    bench.model.attach(snapshot)
    started = ev.ToolStarted("c9", "browser_click", "destructive", "d" * 64, "click")
    bench.model.fold(
        batch(*bench.log.add("r17/1", 0, started), *bench.log.add("r19/1", 0, ev.ModelFailed("m1", "x", "retry", 9)))
    )
    assert repr(snapshot) == before


def test_resync_continues_the_trace_and_keeps_the_cursor() -> None:
    bench = Bench(busy())
    bench.press("greater_than_sign")
    chosen, rows = bench.model.runs.current, len(bench.model.world.ring)
    bench.log.add("r18/1", 0, ev.ToolNoted("while away"))
    bench.model.attach(bench.log.snapshot())
    assert bench.model.runs.current == chosen
    assert len(bench.model.world.ring) == rows + 1
    for i in range(9):
        bench.log.add("r18/1", 0, ev.ToolNoted(f"missed {i}"))
    bench.model.attach(bench.log.snapshot(trace=2))
    assert "not received" in "\n".join(row.text for row in bench.model.world.ring._rows if row)


def test_folding_is_cheap() -> None:
    """10,000 events a second, 2 % state, must leave most of a core: here, 256 a batch, by the CPU clock."""
    bench = Bench(busy())
    started = time.process_time()
    for i in range(40):
        state = bench.log.add("r19/1", 0, *(ev.ToolNoted("x") for _ in range(5)))
        flow = tuple(Flow(f"r{j}/1", "model", "delta", i) for j in range(251))
        bench.model.fold(Batch(events=batch(*state).events, flow=flow))
    assert time.process_time() - started < 0.5


def test_every_key_has_one_meaning_in_every_pane() -> None:
    for pane in range(1, 8):
        own = [key for action in in_scope(pane) if action.panes for key in action.keys]
        everywhere = [key for action in in_scope(pane) if not action.panes for key in action.keys]
        assert len(own) == len(set(own))
        assert len(everywhere) == len(set(everywhere))
    taken = {"ctrl+b", "ctrl+a", "ctrl+s", "ctrl+q", "ctrl+p", "tilde", "f1"}
    assert not taken & {key for action in ACTIONS for key in action.keys}
    assert find("a", 2) is None


def test_the_readme_table_and_help_name_every_action() -> None:
    table = key_table()
    for action in ACTIONS:
        assert action.help in table
    bench = Bench(busy())
    for name in COMMANDS:
        assert f"`:{name}" in table
    bench.press("question_mark")
    assert "cancel the run" in "\n".join(bench.screen()[0])


def test_commands_become_intents() -> None:
    def typed(text: str) -> list[object]:
        bench = Bench(busy())
        bench.press("colon")
        bench.model.text(text, bench.at)
        bench.wait(1)
        return bench.press("enter")

    assert typed("demo") == [StartDemo("")]
    assert typed("run go to the site") == [RunTask("go to the site")]
    assert typed("theme mono") == [UseTheme("mono")]
    assert typed("fps 2") == [Pace(2)]
    assert typed("quit") == [Detach()]
    assert typed("resync") == [Resync()]
    assert typed("fps many") == typed("theme neon") == typed("run") == typed("nonsense") == []


def test_copies_and_exports_are_bounded_and_safe() -> None:
    bench = Bench(busy())
    for pane in "1234567":
        bench.press(pane)
        for key in "yYE":
            for intent in bench.press(key):
                assert isinstance(intent, Copy | Export)
                assert len(intent.text) <= 8192 or isinstance(intent, Export)


def test_figures() -> None:
    assert [words.age(s * US) for s in (-5, 24, 240, 3960, 200_000)] == ["0s", "24s", "4m", "1h06", "2d"]
    assert [words.tokens(n) for n in (0, 412, 12_000, 999_949, 1_200_000)] == ["-", "412", "12.0k", "999.9k", "1.2M"]
    assert [words.money(usd, n) for usd, n in ((None, 0), (None, 5), (114_000_000, 5))] == ["-", "?", "0.11"]
    assert words.clock(NOW, 3600) == "13:58:00"
    assert words.zone(-19_800) == "-05:30"


def test_why_answers_for_every_row() -> None:
    views = Views()
    for envelope in busy().all:
        views.apply(envelope)
    for ident in (*views.runs, *views.approvals):
        assert why(views, ident, NOW), ident
        assert may(views, ident, NOW), ident
    assert why(views, "nobody", NOW) == may(views, "nobody", NOW) == []
    assert "A-29" in str(why(views, "r17", NOW))
    assert "all green" in str(why(views, "r15", NOW)), "the claim stands beside the verdict"
