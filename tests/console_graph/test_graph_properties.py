"""What holds for the drawing of every graph: it is complete, exact in its cells, and its lines lead where they say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.console.glyphs import UNICODE
from harness_tui.console.graph.folding import CROWD, suggest
from harness_tui.console.graph.gantt import draw_gantt
from harness_tui.console.graph.layers import Look, draw, where
from harness_tui.console.graph.names import crop, middle
from harness_tui.console.graph.outline import draw_outline, rows
from harness_tui.console.graph.route import route
from harness_tui.console.graph.shape import Shape, lay_out
from harness_tui.console.graph.strokes import Canvas
from harness_tui.console.lines import Span, cells, width_of
from harness_tui.domain.dag.graph import Dag
from harness_tui.domain.dag.spec import Job
from tests.workflows import WORKFLOWS, epigenomics, random_dag

from .drawn import LOOKS, NAMES, cropped, grid, job, planned, plans, whole

LEFT, RIGHT, UP, DOWN = (-1, 0), (1, 0), (0, -1), (0, 1)
WAYS = {
    **{char: {LEFT, RIGHT} for char in "─━═"},
    **{char: {UP, DOWN} for char in "│┃║"},
    **{char: {DOWN, LEFT} for char in "┐┓╕╖╗"},
    **{char: {DOWN, RIGHT} for char in "┌┏╒╓╔"},
    **{char: {UP, LEFT} for char in "┘┛╛╜╝"},
    **{char: {UP, RIGHT} for char in "└┗╘╙╚"},
    **{char: {LEFT, RIGHT, DOWN} for char in "┬┳╤╥╦"},
    **{char: {LEFT, RIGHT, UP} for char in "┴┻╧╨╩"},
    **{char: {UP, DOWN, LEFT} for char in "┤┫╡╢╣"},
    **{char: {UP, DOWN, RIGHT} for char in "├┣╞╟╠"},
    **{char: {LEFT, RIGHT, UP, DOWN} for char in "┼╋╪╫╬"},
}


def reached(drawing: list[list[str]], shape: Shape, source: str) -> set[str]:
    """Nodes whose boxes one comes to from a node's box along drawn lines, never going left. A line that meets one it
    has no joint with passes it."""
    begins = {(shape.places[node.rank].x, node.row): key for key, node in shape.nodes.items()}
    node = shape.nodes[source]
    x = shape.places[node.rank].x
    while drawing[node.row][x] != "]":
        x += 1
    found: set[str] = set()
    seen: set[tuple[int, int, tuple[int, int]]] = set()
    stack = [(x, node.row, RIGHT)]
    while stack:
        x, y, way = stack.pop()
        x, y = x + way[0], y + way[1]
        if (x, y, way) in seen or not (0 <= x < shape.width and 0 <= y < shape.height):
            continue
        seen.add((x, y, way))
        if (x, y) in begins and way == RIGHT:
            found.add(begins[x, y])
            continue
        ways = WAYS.get(drawing[y][x], set())
        if (-way[0], -way[1]) in ways:
            stack += [(x, y, on) for on in ways if on not in (LEFT, (-way[0], -way[1]))]
        elif ways in ({LEFT, RIGHT}, {UP, DOWN}):
            stack.append((x, y, way))
    return found


@settings(max_examples=150, deadline=None)
@given(plans())
def test_lines_lead_from_every_job_to_what_depends_on_it(plan: list[Job]) -> None:
    s = planned(plan)
    shape = lay_out(s.dag)
    drawing = whole(shape, s)
    for key in shape.nodes:
        assert set(shape.after[key]) <= reached(drawing, shape, key)
        assert shape.after[key] == [] or reached(drawing, shape, key)


@settings(max_examples=60, deadline=None)
@given(plans(most=8))
def test_of_a_tree_no_line_leads_anywhere_else(plan: list[Job]) -> None:
    """With one dependency each there is nothing to share, so what the lines say is exactly what is so."""
    tree = [job(each.id, *each.deps[:1]) for each in plan]
    s = planned(tree)
    shape = lay_out(s.dag)
    drawing = whole(shape, s)
    for key in shape.nodes:
        assert set(shape.after[key]) == reached(drawing, shape, key)


@settings(max_examples=100, deadline=None)
@given(plans(), st.data())
def test_marked_edges_lead_there_too(plan: list[Job], data: st.DataObject) -> None:
    s = planned(plan)
    shape = lay_out(s.dag)
    if plan:
        cursor = data.draw(st.sampled_from([each.id for each in plan]))
        critical = frozenset(data.draw(st.lists(st.sampled_from([each.id for each in plan]))))
        drawing = whole(shape, s, Look(cursor=cursor, critical=critical))
        for key in shape.nodes:
            assert set(shape.after[key]) <= reached(drawing, shape, key)


@settings(max_examples=100, deadline=None)
@given(plans(NAMES), LOOKS, st.integers(0, 160), st.integers(0, 12), st.integers(1, 130), st.integers(0, 9))
def test_a_window_is_a_part_of_the_whole(
    plan: list[Job], glyphs: object, x: int, y: int, width: int, height: int
) -> None:
    s = planned(plan)
    shape = lay_out(s.dag)
    cursor = plan[0].id if plan else ""
    everything = whole(shape, s, Look(cursor, critical=[each.id for each in plan[::2]], glyphs=glyphs))  # type: ignore[arg-type]
    look = Look(cursor, x, y, [each.id for each in plan[::2]], glyphs)  # type: ignore[arg-type]
    drawn = draw(shape, s, look, width, height)
    assert len(drawn) == height
    for i, line in enumerate(drawn):
        assert width_of(line) == width
        row = everything[y + i] if y + i < len(everything) else []
        assert grid(line) == cropped(row, x, width)


@settings(max_examples=100, deadline=None)
@given(plans(NAMES), LOOKS, st.integers(2, 200), st.integers(0, 20), st.integers(0, 20))
def test_lists_have_lines_of_the_width_and_every_job_once(
    plan: list[Job], glyphs: object, width: int, height: int, top: int
) -> None:
    s = planned(plan)
    look = Look(plan[-1].id if plan else "", glyphs=glyphs)  # type: ignore[arg-type]
    listed = rows(s)
    assert sorted(each.ident for each in listed) == sorted(s.jobs)
    for lines in (draw_outline(listed, s, look, width, height, top), draw_gantt(s, look, width, height, top)):
        assert len(lines) == height
        for line in lines:
            assert width_of(line) == width
            assert all(span.text.isprintable() for span in line)


@settings(max_examples=100, deadline=None)
@given(plans(), st.sets(st.sampled_from(["a*", "b*", "ab*", "rank:0", "rank:1", "rank:2", "c*"])))
def test_every_node_is_drawn_once_and_holds_its_jobs_once(plan: list[Job], folds: set[str]) -> None:
    s = planned(plan)
    shape = lay_out(s.dag, frozenset(folds))
    assert sorted(ident for node in shape.nodes.values() for ident in node.jobs) == sorted(s.jobs)
    drawing = whole(shape, s)
    begins = [(x, y) for y, row in enumerate(drawing) for x, cell in enumerate(row) if cell == "["]
    assert len(begins) == len(shape.nodes)
    assert set(begins) == {where(shape, key)[:2] for key in shape.nodes}
    for key, node in shape.nodes.items():
        x, y, width = where(shape, key)
        assert node.label in "".join(drawing[y][x : x + width])
        for after in shape.after[key]:
            assert shape.nodes[after].rank > node.rank


@settings(max_examples=150, deadline=None)
@given(plans())
def test_no_line_ends_on_the_row_on_which_another_begins(plan: list[Job]) -> None:
    shape = lay_out(planned(plan).dag)
    for rank, gutter in enumerate(shape.gutters):
        for row in shape.places[rank + 1].by_row:
            assert row not in shape.places[rank].by_row or gutter.line(row, row)


@settings(max_examples=60, deadline=None)
@given(plans(NAMES))
def test_the_same_plan_is_the_same_drawing(plan: list[Job]) -> None:
    s = planned(plan)
    shape, again = lay_out(s.dag), lay_out(Dag.from_jobs(plan))
    assert whole(shape, s) == whole(again, s)


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("n", [30, 100, 400])
def test_lines_of_published_workflows_lead_where_they_should(name: str, n: int) -> None:
    s = planned(WORKFLOWS[name](n))
    shape = lay_out(s.dag)
    drawing = whole(shape, s)
    for key in list(shape.nodes)[:: max(1, n // 40)]:
        assert {after for after in shape.after[key] if shape.far.get((key, after)) != -1} <= reached(
            drawing, shape, key
        )


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_is_suggested_to_be_folded_makes_every_rank_readable(name: str) -> None:
    dag = Dag.from_jobs(WORKFLOWS[name](3_000))
    folds = suggest(dag)
    shape = lay_out(dag, folds)
    assert max(len(rank) for rank in shape.ranks) <= CROWD
    assert not any(fold.startswith("rank:") for fold in folds)
    assert suggest(Dag.from_jobs(WORKFLOWS[name](30))) == frozenset()


def test_names_without_a_common_part_are_folded_by_rank() -> None:
    dag = Dag.from_jobs([job(f"{chr(97 + i % 26)}{chr(97 + i // 26)}x") for i in range(60)])
    assert suggest(dag) == {"rank:0"}
    assert list(lay_out(dag, suggest(dag)).nodes) == ["rank:0@0"]


@given(
    st.dictionaries(
        st.integers(0, 40), st.sets(st.integers(0, 40), min_size=1, max_size=8).map(sorted), min_size=1, max_size=40
    )
)
def test_every_edge_has_a_line_and_lines_of_one_track_are_apart(edges: dict[int, list[int]]) -> None:
    gutter = route(edges)
    for left, rights in edges.items():
        for right in rights:
            line = gutter.line(left, right)
            assert line is not None
            assert left in line.lefts
    assert {(left, right) for net in gutter.nets for left in net.lefts for right in net.rights} == {
        (left, right) for left, rights in edges.items() for right in rights
    }
    for i, net in enumerate(gutter.nets):
        assert (net.track < 0) == (net.lefts == net.rights and len(net.lefts) == 1)
        assert net.track + 1 < gutter.width - 1
        if gutter.tracks < 12:
            for other in gutter.nets[:i]:
                apart = net.bottom < other.top or other.bottom < net.top
                assert net.track != other.track or net.track < 0 or apart
    assert gutter.touching(0, 41) == gutter.nets


@pytest.mark.parametrize("edges", [{1: [1], 0: [0, 2]}, {0: [0, 2], 1: [1]}])
def test_a_line_passes_another_whichever_is_drawn_first(edges: dict[int, list[int]]) -> None:
    canvas = Canvas(route(edges), 0, 3)
    assert ["".join(span.text for span in canvas.line(y, UNICODE)) for y in range(3)] == ["─┬─", "─│─", " └─"]
    canvas.mark(1, 1, critical=True)
    assert [span.text for span in canvas.line(1, UNICODE)] == ["═══"]


@given(st.one_of(NAMES, st.text("日\u0301a", max_size=60), st.text(max_size=60)), st.integers(0, 30))
def test_a_clipped_name_is_safe_and_fits(name: str, width: int) -> None:
    shown = middle(name, width)
    assert cells(shown) <= width
    assert shown.isprintable()
    assert "~\u0301" not in shown


@given(st.lists(NAMES, max_size=4), st.integers(0, 40), st.integers(0, 40))
def test_a_cropped_line_has_its_cells(texts: list[str], x: int, width: int) -> None:
    line = tuple(Span(middle(each, 30)) for each in texts)
    assert width_of(crop(line, x, width)) == width
    assert grid(crop(line, x, width)) == cropped(grid(line), x, width)


# -- how much work it is ----------------------------------------------------------------------------------------------


def calls(work: Callable[[], object]) -> int:
    """Python functions called by it."""
    count = 0

    def seen(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_drawing_costs_what_is_seen_and_not_what_there_is() -> None:
    small, large = (planned(epigenomics(n)) for n in (1_000, 10_000))
    look = Look(cursor="map_ID0000500", x=40, y=100, glyphs=UNICODE)
    drawn = {}
    for s in (small, large):
        shape = lay_out(s.dag)
        draw(shape, s, look, 160, 50)
        drawn[len(s.jobs)] = calls(lambda shape=shape, s=s: draw(shape, s, look, 160, 50))  # type: ignore[misc]
    assert drawn[10_000] <= 1.5 * drawn[1_000] + 200


@pytest.mark.parametrize("plan", [epigenomics, lambda n: random_dag(1, n, n * 7 // 2)])
def test_laying_out_ten_times_the_jobs_is_not_a_hundred_times_the_work(plan: Callable[[int], list[Job]]) -> None:
    small, large = (Dag.from_jobs(plan(n)) for n in (1_000, 10_000))
    assert calls(lambda: lay_out(large)) <= 16 * calls(lambda: lay_out(small))


def test_the_outline_of_ten_thousand_jobs_is_made_once_and_drawn_by_its_window() -> None:
    s = planned(random_dag(3, 10_000, 35_000))
    listed = rows(s)
    assert len(listed) == 10_000
    look = Look(cursor=listed[7_000].ident)
    assert calls(lambda: draw_outline(listed, s, look, 120, 40, 0)) < 40 * 300 + 10_000
    assert calls(lambda: rows(s)) < 10_000 * 40


def test_a_chain_of_ten_thousand_is_drawn() -> None:
    plan = [job(f"j{i}", *([f"j{i - 1}"] if i else [])) for i in range(10_000)]
    s = planned(plan)
    shape = lay_out(s.dag)
    assert (shape.height, len(shape.places)) == (1, 10_000)
    look = Look(cursor="j9999", x=shape.width - 80, critical=s.jobs.keys())
    assert "".join(grid(draw(shape, s, look, 80, 1)[0])).rstrip().endswith("═❯∙ j9999 wait]")
    assert [each.depth for each in rows(s)] == list(range(10_000))
