"""The outline, the bars over time, and a change of the plan as a diff: drawings to be read as they are."""

from __future__ import annotations

import pytest

from harness_tui.console.glyphs import ASCII
from harness_tui.console.graph.diff import draw_patch, size
from harness_tui.console.graph.gantt import draw_gantt, order
from harness_tui.console.graph.layers import Look
from harness_tui.console.graph.look import keep
from harness_tui.console.graph.notes import note
from harness_tui.console.graph.outline import draw_outline, rows
from harness_tui.console.graph.shape import suggest
from harness_tui.console.lines import width_of
from harness_tui.domain import events as ev
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.spec import Job, Retry
from tests.workflows import montage

from .drawn import CRITICAL, MOCK_UP, SECOND, job, mock_up, planned, text

PLAIN = Look("score-b", critical=CRITICAL, glyphs=ASCII, now_t=13 * SECOND)
FINE = Look("score-b", critical=CRITICAL, now_t=13 * SECOND)


def test_the_outline_at_80_columns() -> None:
    s = mock_up()
    assert (
        text(draw_outline(rows(s, (), CRITICAL), s, PLAIN, 80, 12))
        == """\
  node                       state      time    tok      $  needs / note
  fetch-a                    + done     4.0s   2.1k   0.02
    score-a                  + done     5.0s    100   0.01
      approve-plan           ? ask      4.0s                A-31 human gate
        merge =              . wait                         approve-plan score-b
          publish =          . wait                         merge
  fetch-b =                  + done     5.0s   2.1k   0.02
>   score-b =                r retry    8.0s   4.1k   0.05  try 2 of 3 in 3 s: ~
  fetch-c                    x fail     2.0s    300 0.0010  dead letter: 404
    score-c                  - cancel                       dep fetch-c dead"""
    )


def test_the_outline_at_120_columns() -> None:
    s = mock_up()
    assert (
        text(draw_outline(rows(s, (), CRITICAL), s, FINE, 120, 12))
        == """\
  node                                       state      time    tok      $  needs / note
  fetch-a                                    ✓ done     4.0s   2.1k   0.02
  └ score-a                                  ✓ done     5.0s    100   0.01
    └ approve-plan                           ? ask      4.0s                A-31 human gate
      └ merge ═                              ∙ wait                         approve-plan score-b
        └ publish ═                          ∙ wait                         merge
  fetch-b ═                                  ✓ done     5.0s   2.1k   0.02
❯ └ score-b ═                                ↻ retry    8.0s   4.1k   0.05  try 2 of 3 in 3 s: timeout
  fetch-c                                    ✗ fail     2.0s    300 0.0010  dead letter: 404
  └ score-c                                  - cancel                       dep fetch-c dead"""
    )


def test_a_job_stands_below_the_dependency_with_the_longest_way_to_it() -> None:
    s = planned([job("a"), job("b", "a"), job("c", "a", "b"), job("d", "c", "a"), job("e", "a"), job("f")])
    assert (
        text(draw_outline(rows(s), s, Look(), 60, 8))
        == """\
  node                  state      time    tok  needs / note
  a                     ∙ wait                  a slot
  ├ b                   ∙ wait                  a
  │ └ c                 ∙ wait                  a b
  │   └ d               ∙ wait                  c a
  └ e                   ∙ wait                  a
  f                     ∙ wait                  a slot"""
    )


def test_folded_names_and_a_folded_branch() -> None:
    s = planned(montage(40))
    evolve(s, ev.JobStarted("mProject_ID0000003", 1, "", 0))
    assert (
        text(draw_outline(rows(s, suggest(s.dag, 5)), s, Look("mDiffFit_ID*@1"), 80, 12))
        == """\
  node                       state      time    tok      $  needs / note
  mProject_ID* x7            ▸ run                          1 run 6 wait
❯ └ mDiffFit_ID* x20         ∙ wait
    └ mConcatFit_ID0000028   ∙ wait                         mDiffFit_ID0000008 ~
      └ mBgModel_ID0000029   ∙ wait                         mConcatFit_ID0000028
        └ mBackground_ID* x7 ∙ wait
          └ mImgtbl_~0000037 ∙ wait                         mBackground_ID00000~
            └ mAdd_ID0000038 ∙ wait                         mImgtbl_ID0000037 m~
            ~7 mShrin~000039 ∙ wait                         mAdd_ID0000038
            ~8 mJPEG_~000040 ∙ wait                         mShrink_ID0000039"""
    )
    assert (
        text(draw_outline(rows(s, ("mConcatFit_ID0000028",)), s, Look("mConcatFit_ID0000028"), 80, 4))
        == """\
  node                       state      time    tok      $  needs / note
  mProject_ID0000001         ∙ wait                         a slot
  ├ mDiffFit_ID0000008       ∙ wait                         mProject_ID0000001 ~
❯ │ └ mConcatFit~0000028 +12 ∙ wait                         mDiffFit_ID0000008 ~"""
    )


def test_the_window_follows_the_cursor_and_moves_no_further_than_it_must() -> None:
    s = planned([job(f"j{i:02d}") for i in range(30)])
    listed = rows(s)
    assert text(draw_outline(listed, s, Look("j20"), 40, 4, 0)).splitlines()[1:] == [
        "  j18                           ∙ wait",
        "  j19                           ∙ wait",
        "❯ j20                           ∙ wait",
    ]
    assert "j05" in text(draw_outline(listed, s, Look("j07"), 40, 4, 5)).splitlines()[1]
    assert "j02" in text(draw_outline(listed, s, Look("j02"), 40, 4, 5)).splitlines()[1]
    assert "j27" in text(draw_outline(listed, s, Look(), 40, 4, 99)).splitlines()[1]
    assert keep(5, 2, 0, 3) == 2


def test_the_bars_at_80_columns() -> None:
    assert (
        text(draw_gantt(mock_up(), PLAIN, 80, 12))
        == """\
  node                 0s               5s                10s     now state
  fetch-a              ===============                               | + done
  fetch-b =            ==================                            | + done
  fetch-c              ========                                      | x fail
  score-a                            ==================              | + done
> score-b =                             =========================rrrr| r retry
  approve-plan                                        ???????????????| ? ask
  score-c                                                            | - cancel
  merge =                                                            | . wait
  publish =                                                          | . wait

  = at work   ? waits for you   ! in doubt   r next try   : rate limit"""
    )


def test_the_bars_at_120_columns() -> None:
    assert (
        text(draw_gantt(mock_up(), FINE, 120, 12))
        == """\
  node                         0s          2s          4s          6s          8s          10s            now state
  fetch-a                      ████████████████████████                                                      │ ✓ done
  fetch-b ═                    ██████████████████████████████                                                │ ✓ done
  fetch-c                      ████████████                                                                  │ ✗ fail
  score-a                                              ██████████████████████████████                        │ ✓ done
❯ score-b ═                                                  ██████████████████████████████████████████░░░░░░│ ↻ retry
  approve-plan                                                                       ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│ ? ask
  score-c                                                                                                    │ - cancel
  merge ═                                                                                                    │ ∙ wait
  publish ═                                                                                                  │ ∙ wait

  █ at work   ▒ waits for you   ! in doubt   ░ next try   : rate limit"""
    )


def test_the_axis_of_a_run_that_is_over_ends_with_it() -> None:
    s = planned([job("a"), job("b", "a")], ev.JobStarted("a", 1, "", 0), ev.JobSucceeded("a", "", 7200 * SECOND))
    evolve(s, ev.RunFinished("succeeded", None, "", "", "goal", 0))
    assert (
        text(draw_gantt(s, Look(now_t=99_999 * SECOND), 80, 4))
        == """\
  node                 0s                     1h                  end state
  a                    ██████████████████████████████████████████████│ ✓ done
  b                                                                  │ ∙ wait"""
    )


def test_every_stretch_is_seen_however_short() -> None:
    s = planned(
        [job("a"), job("b")],
        ev.JobStarted("a", 1, "", 0),
        ev.JobWaits("a", "approval", 500 * SECOND, "A-1"),
        ev.JobWent("a", 500 * SECOND + 1),
        ev.JobStarted("b", 1, "", 999 * SECOND),
        ev.JobWaits("b", "in_doubt", 999 * SECOND + 1, "A-2"),
    )
    a, b = text(draw_gantt(s, Look(glyphs=ASCII, now_t=1000 * SECOND), 80, 3)).splitlines()[1:]
    assert a.count("?") == 1
    assert "=?=" in a
    assert "!|" in b


def test_jobs_are_in_the_order_in_which_they_began() -> None:
    s = planned([job("a"), job("b"), job("c"), job("d")], ev.JobStarted("c", 1, "", 5), ev.JobStarted("b", 1, "", 9))
    assert order(s) == ["c", "b", "a", "d"]
    evolve(s, ev.JobStarted("d", 1, "", 12))
    assert order(s) == ["c", "b", "d", "a"]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((), "fetch-a"),
        ((ev.DagPaused("ada"),), "fetch-a"),
        ((ev.JobStarted("fetch-a", 1, "", 0), ev.JobSucceeded("fetch-a", "", 1)), "a slot"),
        (
            (ev.JobStarted("fetch-a", 1, "", 0), ev.JobSucceeded("fetch-a", "", 1), ev.DagPaused("ada")),
            "the run is paused",
        ),
        ((ev.JobsCancelled(("score-a",), "cancelled by ada: \x1b[2J", 0, "", "ada"),), r"cancelled by ada: \x1b[2J"),
        ((ev.JobsCancelled(("score-a",), "fetch-a is dead", 0, "fetch-a"),), "dep fetch-a dead"),
        (
            (
                ev.JobStarted("fetch-a", 1, "", 0),
                ev.JobSucceeded("fetch-a", "", 1),
                ev.JobStarted("score-a", 1, "", 1),
                ev.JobWaits("score-a", "rate_limit", 2, "", 60 * SECOND),
            ),
            "rate limit, 20 s",
        ),
        (
            (
                ev.JobStarted("fetch-a", 1, "", 0),
                ev.JobSucceeded("fetch-a", "", 1),
                ev.JobStarted("score-a", 1, "", 1),
                ev.JobWaits("score-a", "in_doubt", 2, "A-7"),
            ),
            "A-7 in doubt",
        ),
    ],
)
def test_what_a_job_needs_is_said_in_a_few_words(events: tuple[ev.Event, ...], words: str) -> None:
    s = planned(MOCK_UP, *events)
    assert note(s, s.jobs["score-a"], Look(now=40 * SECOND)) == words


def test_missing_dependencies_are_named_up_to_a_few() -> None:
    s = planned([*(job(f"part-{i}") for i in range(9)), job("join", *(f"part-{i}" for i in range(9)))])
    assert note(s, s.jobs["join"], Look()) == "part-0 part-1 part-2 part-3 +5"


# -- a change of the plan -------------------------------------------------------------------------------------------

NEW = (
    Job("score-b", ("fetch-b",), command=("rm", "-rf", "\x1b[2J"), retry=Retry(3, "fixed", 3)),
    Job("extra", ("merge",), prompt="look at\nthis"),
)


def test_a_proposed_change_says_what_it_adds_replaces_and_drops_and_why_it_widens() -> None:
    s = mock_up()
    patch = ev.PatchProposed(
        1, "planner:main", 2, ("score-c",), ("score-b runs a command nobody had",), "404 is \x07 final"
    )
    for event in (patch, ev.JobsPlanned(NEW)):
        evolve(s, event)
    drawn = draw_patch(s, patch, s.staged, 80, 20)
    assert all(width_of(line) == 80 for line in drawn)
    assert (
        text(drawn)
        == r"""change 1 of the plan, by planner:main   +1 ~1 -1
widens  score-b runs a command nobody had
reason  404 is \x07 final

- score-c
  - deps = ["fetch-c"]
  - wait = 0.01
~ score-b
  + command = ["rm","-rf","\u001b[2J"]
  - wait = 0.01
+ extra
  + deps = ["merge"]
  + prompt = look at\nthis"""
    )
    assert size(s, patch, s.staged) == len(text(drawn).splitlines())
    assert text(draw_patch(s, patch, s.staged, 80, 2, 4)) == text(drawn[4:6])


def test_of_a_change_that_holds_what_was_there_is_not_made_up() -> None:
    s = mock_up()
    patch = ev.PatchProposed(1, "operator:ada", 2, ("score-c",))
    for event in (patch, ev.JobsPlanned(NEW), ev.PlanApplied(1, "", 9)):
        evolve(s, event)
    drawn = text(draw_patch(s, patch, NEW, 80, 12)).splitlines()
    assert drawn[0] == "change 1 of the plan, by operator:ada   *2 added or replaced  -1"
    assert "* score-b" in drawn
    known = {each.id: each for each in MOCK_UP}
    assert "~ score-b" in text(draw_patch(s, patch, NEW, 80, 12, before=known)).splitlines()
