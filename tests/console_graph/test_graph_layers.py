"""The layered drawing of small graphs, to be read as it is; what holds for every graph is in test_graph_properties."""

from __future__ import annotations

from typing import Any

from harness_tui.console.glyphs import ASCII, UNICODE
from harness_tui.console.graph.layers import Look, draw, neighbour, where
from harness_tui.console.graph.shape import lay_out, suggest
from harness_tui.domain import events as ev
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.spec import Job
from tests.workflows import epigenomics, genome, montage

from .drawn import CRITICAL, SECOND, job, layers, mock_up, planned, text

DIAMOND = (job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c"))
CHAIN = (job("one"), job("two", "one"), job("three", "two"), job("four", "three"), job("five", "four"))


def fan() -> list[Job]:
    parts = [f"part-{i}" for i in range(5)]
    return [job("split"), *(job(part, "split") for part in parts), job("join", *parts)]


def expected(drawing: str) -> str:
    """A drawing as it stands in this file: between empty lines, as far left as it goes."""
    return drawing.strip("\n")


def test_a_diamond() -> None:
    assert layers(planned(DIAMOND), 80) == expected("""
[∙ a wait]───┬─[∙ b wait]───┬─[∙ d wait]
             └─[∙ c wait]───┘
""")


def test_the_critical_path_is_double_and_edges_of_the_selected_job_are_heavy() -> None:
    look: dict[str, Any] = {"critical": ("d", "a", "c"), "cursor": "b"}
    assert layers(planned(DIAMOND), 80, **look) == expected("""
[∙ a wait]═══╦━❯∙ b wait]━━━╦═[∙ d wait]
             ╚═[∙ c wait]═══╝
""")
    assert layers(planned(DIAMOND), 80, glyphs=ASCII, **look) == expected("""
[. a wait]===+->. b wait]---+=[. d wait]
             +=[. c wait]===+
""")


def test_out_and_in_again() -> None:
    assert layers(planned(fan()), 80) == expected("""
[∙ split wait]───┬─[∙ part-0 wait]───┐
                 ├─[∙ part-1 wait]───┤
                 ├─[∙ part-2 wait]───┼─[∙ join wait]
                 ├─[∙ part-3 wait]───┤
                 └─[∙ part-4 wait]───┘
""")
    assert layers(planned(fan()), 80, glyphs=ASCII) == expected("""
[. split wait]---+-[. part-0 wait]---+
                 +-[. part-1 wait]---+
                 +-[. part-2 wait]---+-[. join wait]
                 +-[. part-3 wait]---+
                 +-[. part-4 wait]---+
""")


def test_a_chain_and_what_is_seen_of_it() -> None:
    whole = "[∙ one wait]─────[∙ two wait]─────[∙ three wait]─────[∙ four wait]─────[∙ five wait]"
    assert layers(planned(CHAIN), 120) == whole
    assert layers(planned(CHAIN), 80) == whole[:80]
    assert layers(planned(CHAIN), 40, x=30) == whole[30:70]


def test_parts_that_have_nothing_to_do_with_each_other() -> None:
    assert layers(
        planned([job("a"), job("b", "a"), job("lone"), job("x"), job("y", "x"), job("z", "y")]), 80
    ) == expected(
        """
[∙ a wait]────────[∙ b wait]
[∙ lone wait]
[∙ x wait]────────[∙ y wait]─────[∙ z wait]
"""
    )


def test_an_edge_over_several_ranks_has_a_row_of_its_own() -> None:
    plan = [job("a"), job("b", "a"), job("c", "b"), job("d", "c", "a"), job("e", "d", "a")]
    assert layers(planned(plan), 120) == expected("""
[∙ a wait]───┬─[∙ b wait]─────[∙ c wait]───┬─[∙ d wait]───┬─[∙ e wait]
             └─────────────────────────────┴──────────────┘
""")


def test_the_same_shape_in_itself() -> None:
    plan = [job("x")]
    for i in "ab":
        plan += [job(f"x{i}", "x"), job(f"x{i}a", f"x{i}"), job(f"x{i}b", f"x{i}")]
    plan.append(job("end", "xaa", "xab", "xba", "xbb"))
    assert layers(planned(plan), 120) == expected("""
[∙ x wait]───┬─[∙ xa wait]────┬─[∙ xaa wait]───┐
             └─[∙ xb wait]───┐│                │
                             │└─[∙ xab wait]───┼─[∙ end wait]
                             ├──[∙ xba wait]───┤
                             └──[∙ xbb wait]───┘
""")


def test_every_source_has_a_line_of_its_own() -> None:
    plan = [job("a"), job("b"), job("c"), job("x", "a", "b"), job("y", "b", "c"), job("z", "a", "b", "c")]
    assert layers(planned(plan), 80) == expected("""
[∙ a wait]───┬┬──[∙ x wait]
[∙ b wait]───┼┴┬─[∙ z wait]
[∙ c wait]───┴─┴─[∙ y wait]
""")


def test_lines_that_cross_are_told_from_lines_that_meet() -> None:
    plan = [job("a"), job("b"), job("c", "b"), job("d", "a"), job("e", "a"), job("f", "c", "d")]
    assert layers(planned(plan), 80) == expected("""
[∙ a wait]───┬─[∙ d wait]───┬─[∙ f wait]
[∙ b wait]───│─[∙ c wait]───┘
             └─[∙ e wait]
""")
    assert layers(planned(plan), 80, cursor="b", glyphs=ASCII) == expected("""
[. a wait]---+-[. d wait]---+-[. f wait]
>. b wait]-----[. c wait]---+
             +-[. e wait]
""")


def test_many_that_lead_into_one_job_share_a_line_however_many_they_are() -> None:
    plan = [job("z", *(f"s{i:02d}" for i in range(15)))]
    for i in range(15):
        plan += [job(f"s{i:02d}"), job(f"t{i:02d}", f"s{i:02d}")]
    shape = lay_out(planned(plan).dag)
    assert shape.gutters[0].tracks == 1
    for i in range(15):
        assert shape.nodes[f"s{i:02d}"].row == shape.nodes[f"t{i:02d}"].row


def test_one_job_and_none() -> None:
    assert layers(planned([job("only")]), 80) == "[∙ only wait]"
    assert layers(planned([]), 80) == ""


def test_wide_and_hostile_names() -> None:
    plan = [job("取得-一"), job("\x1b[2Jevil\u202e", "取得-一"), job("集計", "取得-一")]
    plan.append(job("合併-ID0000001", "\x1b[2Jevil\u202e", "集計"))
    assert layers(planned(plan), 120) == expected(r"""
[∙ 取得-一 wait]───┬─[∙ \x1b[2Jevil\u202e wait]───┬─[∙ 合併-ID0000001 wait]
                   └─[∙ 集計 wait]────────────────┘
""")


def test_a_long_name_keeps_its_number() -> None:
    plan = [job("SeismogramSynthesis_for_every_station_ID0001234"), job("x" * 100_000 + "7")]
    assert layers(planned(plan), 80) == expected("""
[∙ SeismogramSynthe~0001234 wait]
[∙ xxxxxxxxxxxxxxx~xxxxxxx7 wait]
""")


def test_the_mock_up() -> None:
    look: dict[str, Any] = {"critical": CRITICAL, "cursor": "approve-plan", "now_t": 13 * SECOND}
    drawing = expected("""
[✓ fetch-a done]─────[✓ score-a done]━━━━━━━━❯? approve-plan ask 4.0s]━━╦═[∙ merge wait]═════[∙ publish wait]
[✓ fetch-b done]═════[↻ score-b retry 2/3]══════════════════════════════╝
[✗ fetch-c fail]─────[- score-c cancel]
""")
    assert layers(mock_up(), 200, **look) == drawing
    assert layers(mock_up(), 120, **look) == drawing
    assert layers(mock_up(), 80, **look) == "\n".join(line[:80].rstrip() for line in drawing.splitlines())
    assert layers(mock_up(), 120, glyphs=ASCII, **look) == expected("""
[+ fetch-a done]-----[+ score-a done]-------->? approve-plan ask 4.0s]--+=[. merge wait]=====[. publish wait]
[+ fetch-b done]=====[r score-b retry 2/3]==============================+
[x fetch-c fail]-----[- score-c cancel]
""")


def test_a_published_workflow() -> None:
    assert layers(planned(genome(13)), 120) == expected("""
[∙ individuals_ID0000001 wait]───┐
[∙ individuals_ID0000002 wait]───┤
[∙ individuals_ID0000003 wait]───┤
[∙ individuals_ID0000004 wait]───┤
[∙ individuals_ID0000005 wait]───┼─[∙ individuals_merg~0000010 wait]───┬─[∙ mutation_overlap~0000012 wait]
[∙ individuals_ID0000006 wait]───┤                                     │
[∙ individuals_ID0000007 wait]───┤                                     │
[∙ individuals_ID0000008 wait]───┤                                     │
[∙ individuals_ID0000009 wait]───┘                                     │
[∙ sifting_ID0000011 wait]─────────────────────────────────────────────┴─[∙ frequency_ID0000013 wait]
""")


def test_thousands_of_jobs_are_nine_nodes_until_they_are_unfolded() -> None:
    s = planned(montage(1000))
    shape = lay_out(s.dag, suggest(s.dag))
    evolve(s, ev.JobStarted("mProject_ID0000007", 1, "", 0))
    assert text(draw(shape, s, Look(), 120, 3)) == expected("""
[▸ mProject_ID* x199 1 run 198 wait]─────┬─[∙ mDiffFit_ID* x596 wait]─────────────────[∙ mConcatFit_ID0000796 wait]─────
                                         └──────────────────────────────────────────────────────────────────────────────
""")
    assert shape.node("mProject_ID0000007") is shape.nodes["mProject_ID*@0"]


def test_nothing_moves_when_states_change() -> None:
    s = planned(epigenomics(60))
    shape = lay_out(s.dag)
    before = {ident: where(shape, ident) for ident in s.jobs}
    for ident in list(s.dag.order)[:20]:
        evolve(s, ev.JobStarted(ident, 1, "", SECOND))
        evolve(s, ev.JobSucceeded(ident, "", 2 * SECOND))
    draw(shape, s, Look(), 120, 40)
    assert {ident: where(shape, ident) for ident in s.jobs} == before
    assert lay_out(s.dag).nodes.keys() == shape.nodes.keys()
    assert {ident: where(lay_out(s.dag), ident) for ident in s.jobs} == before


def test_a_job_that_the_plan_no_longer_has_is_said_to_be_gone() -> None:
    s = planned(DIAMOND)
    shape = lay_out(s.dag)
    for event in (ev.PatchProposed(1, "planner", 0, ("d",)), ev.PlanApplied(1, "", 3)):
        evolve(s, event)
    assert "[  d gone]" in text(draw(shape, s, Look(), 80, 3))


def test_arrow_keys() -> None:
    shape = lay_out(planned(MOCK).dag)
    assert neighbour(shape, "fetch-a", "right") == "score-a"
    assert neighbour(shape, "score-a", "left") == "fetch-a"
    assert neighbour(shape, "merge", "left") in ("approve-plan", "score-b")
    assert neighbour(shape, "fetch-a", "down") == "fetch-b"
    assert neighbour(shape, "fetch-a", "up") == "fetch-a"
    assert neighbour(shape, "fetch-c", "down") == "fetch-c"
    assert neighbour(shape, "publish", "right") == "publish"
    assert neighbour(shape, "no such job", "right") == "fetch-a"
    folded = lay_out(planned(MOCK).dag, frozenset({"fetch-*"}))
    assert neighbour(folded, "score-b", "left") == "fetch-*@0"
    assert where(folded, "fetch-b") == where(folded, "fetch-*@0") == (0, 0, folded.places[0].width)


def test_a_rank_is_folded_by_its_number() -> None:
    s = planned(MOCK)
    shape = lay_out(s.dag, frozenset({"rank:1", "no-such-*"}))
    assert text(draw(shape, s, Look(glyphs=UNICODE), 80, 4)) == expected("""
[∙ fetch-a wait]───┐
[∙ fetch-b wait]───┼─[∙ rank:1 x3 wait]───────────────┬─[∙ approve-plan wait]───
[∙ fetch-c wait]───┘                                  └─────────────────────────
""")


def test_where_too_many_long_edges_would_pass_they_end_in_a_sign() -> None:
    s = planned(montage(400))
    assert not lay_out(s.dag).signs
    s = planned(
        [
            *(job(f"s{i}", *([f"s{i - 1}"] if i else [])) for i in range(60)),
            *(
                job(f"t{i}", "s0" if i % 2 else "s1", f"s{58 - i % 5}", *([f"t{i - 1}"] if i else []))
                for i in range(60)
            ),
            *(job(f"u{i}", f"s{i}", f"t{i}") for i in range(60)),
        ]
    )
    shape = lay_out(s.dag)
    assert shape.signs
    assert len(shape.lanes) <= 400 + 180
    drawing = text(draw(shape, s, Look(), shape.width, shape.height))
    for ident, node in shape.nodes.items():
        assert (
            "wait]»" in drawing.splitlines()[node.row][node_x(shape, ident) :][: shape.places[node.rank].width]
        ) == (node.leaves)
    entered = next(node for node in shape.nodes.values() if node.enters)
    assert drawing.splitlines()[entered.row][shape.places[entered.rank].x - 1] in "»─┴┬┼"


def node_x(shape: object, ident: str) -> int:
    return where(shape, ident)[0]  # type: ignore[arg-type]


MOCK = tuple(mock_up().dag.jobs.values())
