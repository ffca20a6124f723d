"""Pane 3 on graphs as text and tokens at three sizes (UPDATE_SNAPSHOTS=1 writes them anew)."""

from __future__ import annotations

import pytest

from harness_tui.console.stores.dags import View
from harness_tui.domain.dag.spec import Job
from harness_tui.domain.dag.steer import Cancel, Pause

from .graph_scene import GraphBench, Story, fan, halfway, replanned
from .scene import Log
from .test_screen_texts import check

SIZES = ((80, 24), (120, 40), (200, 60))
VIEWS: tuple[View, ...] = ("outline", "layers", "gantt")


def bench_of(
    story: Story, size: tuple[int, int], view: View = "", cursor: str = "", ascii: bool | None = None
) -> GraphBench:
    width, height = size
    bench = GraphBench(story, width=width, height=height, ascii=width == 80 if ascii is None else ascii)
    bench.model.dags.view = view
    bench.press("3")
    graph = bench.model.dags.get("r20")
    assert graph is not None
    graph.cursor = cursor
    bench.draw()
    return bench


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
def test_each_view(view: View, size: tuple[int, int]) -> None:
    check(f"dag-{view}-{size[0]}x{size[1]}", bench_of(halfway(), size, view, "score-b"))


@pytest.mark.parametrize(("size", "zoom", "view"), [((80, 24), False, "outline"), ((120, 40), True, "layers")])
def test_the_view_follows_the_width_until_one_was_chosen(size: tuple[int, int], zoom: bool, view: str) -> None:
    bench = bench_of(halfway(), size)
    if zoom:
        bench.press("z")
    assert f" {view} " in bench.screen()[0][1]
    seen = []
    for _ in range(3):
        bench.press("v")
        seen.append(bench.model.dags.view)
    assert set(seen) == set(VIEWS)
    assert seen[-1] == view


@pytest.mark.parametrize(
    ("name", "job", "keys"),
    [
        ("job", "fetch-c", ("enter",)),
        ("gate", "approve-plan", ("enter",)),
        ("why", "merge", ("w",)),
        ("retry", "fetch-b", ("r",)),
        ("cancel", "score-b", ("x",)),
        ("filter", "", ("slash", "s", "c", "o", "r", "e", "enter")),
    ],
)
def test_cards_and_prompts(name: str, job: str, keys: tuple[str, ...]) -> None:
    bench = bench_of(halfway(), (80, 24), "outline", job)
    for key in keys:
        if bench.model.typing and len(key) == 1:
            bench.model.text(key, bench.at)
        else:
            bench.press(key)
    bench.draw()
    check(f"dag-{name}-80x24", bench)


def test_a_change_of_the_plan() -> None:
    bench = bench_of(replanned(), (80, 24), "outline")
    bench.press("d")
    check("dag-patch-80x24", bench)
    bench.press("d")
    check("dag-patch-older-80x24", bench)


def test_paused_and_over() -> None:
    story = halfway()
    story.word(Pause("operator:ada", "lunch"), 40.0)
    check("dag-paused-80x24", bench_of(story, (80, 24), "outline"))
    story.word(Cancel("operator:ada"), 50.0)
    check("dag-over-80x24", bench_of(story, (80, 24), "layers"))


def test_wide_ranks_are_folded_at_first() -> None:
    check("dag-folded-120x24", bench_of(fan(400), (120, 24), "layers"))


HOSTILE = tuple(
    Job(name, deps, wait=1.0)
    for name, deps in (
        ("a\x1b[31mred", ()),
        ("b\u202egnp.exe", ("a\x1b[31mred",)),
        ("c" * 200 + "-0007", ("a\x1b[31mred",)),
        ("名前" * 30, ("b\u202egnp.exe",)),
        ("[bold]d[/bold]\n\t", ("c" * 200 + "-0007",)),
    )
)


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_names_are_shown_and_keep_every_line_its_width(view: View) -> None:
    story = Story(Log(), HOSTILE, title="\x1b]0;evil\x07\u202e", goal="\x1b[2J")
    for size in (*SIZES, (60, 16), (40, 12)):
        bench = bench_of(story, size, view)
        for key in ("j", "j", "right", "enter", "escape", "w", "escape", "r", "escape", "x", "escape"):
            bench.press(key)
            for name, rect in bench.model.places(*size).items():
                for line in bench.model.lines(name, rect.width, rect.height):
                    text = "".join(span.text for span in line)
                    assert not set(text) & set("\x1b\x07\u202e\n\t"), (name, text)


def test_the_drawing_follows_the_cursor_and_begins_at_its_beginning_with_the_run() -> None:
    chain = tuple(Job(f"step-{n}", (f"step-{n - 1}",) if n else (), wait=1.0) for n in range(30))
    bench = bench_of(Story(Log(), chain), (80, 24), "layers")

    def drawn() -> str:
        return "\n".join(bench.screen()[0][2:-5])

    assert "step-0 " in drawn()
    assert "step-29" not in drawn()
    bench.press("G")
    assert "step-29" in drawn()
    assert "step-0 " not in drawn()
    bench.press("g")
    assert "step-0 " in drawn()
