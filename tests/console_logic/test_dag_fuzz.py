"""Any keys on any graph while it goes on: no line is too long, nothing unsafe shows, and no burst sends anything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from harness_tui.console.intents import Send
from tests import workflows

from .graph_scene import GraphBench, Story, halfway, replanned
from .scene import Log

KEYS = st.sampled_from(
    [*"vrpPadwixjkhlgG", *("enter", "escape", "up", "down", "left", "right", "space", "slash", "backspace", "f", "z")]
)
STORIES = st.sampled_from([halfway, replanned, lambda: Story(Log(), tuple(workflows.random_dag(5, 30, 60)))])


def proper(bench: GraphBench) -> None:
    text, _ = bench.screen()
    assert {cell_len(row) for row in text} == {bench.model.width}
    assert not set("".join(text)) & set("\x1b\x07\u202e")


@settings(max_examples=20, deadline=None)
@given(STORIES, st.lists(KEYS, max_size=25), st.sampled_from([(80, 24), (120, 40), (60, 16), (40, 8)]), st.booleans())
def test_keys_at_leisure_draw_proper_screens(story, keys, size, ascii):
    made = story()
    bench = GraphBench(made, width=size[0], height=size[1], ascii=ascii)
    bench.model.dags.view = ""
    bench.press("3")
    running = [ident for ident, job in made.s.jobs.items() if job.state == "running"]
    for n, key in enumerate(keys):
        bench.press(key)
        proper(bench)
        if n % 5 == 4 and running:
            before = len(made.log.all)
            made.ended(running.pop(), 41.0 + n, "" if n % 2 else "exit 1")
            bench.tell(*made.log.all[before:])
            proper(bench)


@settings(max_examples=30, deadline=None)
@given(st.lists(KEYS, max_size=25), st.floats(0.0, 0.1))
def test_no_burst_of_keys_sends_anything(keys, gap):
    bench = GraphBench(halfway())
    bench.press("3")
    out: list[object] = []
    for key in keys:
        out += bench.press(key, gap)
    assert not [each for each in out if isinstance(each, Send)]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from(["fold", "fold job-*", "fold rank 1", "unfold", "fold job-0*"])))
def test_folding_in_any_order_keeps_every_job_in_the_drawing_once(seed, commands):
    made = Story(Log(), tuple(workflows.random_dag(seed, 40, 70)))
    bench = GraphBench(made, width=120)
    bench.press("3")
    graph = bench.model.dags.get("r20")
    for words in commands:
        bench.press("colon")
        bench.model.text(words, bench.at)
        bench.press("enter")
        for view in ("layers", "outline"):
            bench.model.dags.view = view
            bench.tick()
            proper(bench)
        shown = [ident for node in graph.shape.nodes.values() for ident in node.jobs]
        assert sorted(shown) == sorted(made.s.jobs)
        assert graph.cursor == "" or graph.shape.node(graph.cursor)
