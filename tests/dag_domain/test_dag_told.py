"""What people read of a graph: why a job does not run, what trying again costs, and a line per event."""

from __future__ import annotations

import inspect

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain import why as answers
from harness_tui.domain.dag.decide import Waits
from harness_tui.domain.dag.preview import preview
from harness_tui.domain.dag.settle import Room
from harness_tui.domain.dag.spec import DagSpec, Job, Limits, Retry
from harness_tui.domain.dag.steer import Cancel, Pause
from harness_tui.domain.dag.trace import draw
from harness_tui.domain.dag.why import why
from harness_tui.domain.errors import UsageError
from harness_tui.domain.events import Envelope
from harness_tui.domain.events import dag as of_dags
from harness_tui.domain.events.base import Event
from harness_tui.domain.trace import line

from .rig import SECOND, Rig

# -- why ------------------------------------------------------------------------------------------------------------


def test_why_tells_what_is_missing_and_what_that_does() -> None:
    jobs = [Job("a", wait=1.0), Job("b", wait=1.0, retry=Retry(3, "fixed", delay=3.0)), Job("ask", gate="?")]
    rig = Rig([*jobs, Job("end", ("a", "b", "ask"), wait=1.0), Job("last", ("end",), wait=1.0)])
    rig.fail("b")
    waits = rig.asked["ask"]
    said = why(rig.state, "end", 2 * SECOND)
    assert said == f"It needs a (runs for 2.0 s), b (goes again in 1.0 s), ask (waits for {waits})."
    assert why(rig.state, "last", 0) == "It needs end (waits for others)."
    assert why(rig.state, "b", 0) == "It goes again in 3.0 s, try 2 of 3; it failed: exit 1."
    assert why(rig.state, "ask", 9 * SECOND) == f"It waits for your decision on {waits}, since 9.0 s."
    assert why(rig.state, "a", 125 * SECOND) == "It runs, attempt 1, for 2 min 5 s."


def test_why_a_ready_job_does_not_start() -> None:
    jobs = [Job("a", wait=1.0, uses={"db": 1}), Job("b", wait=1.0, uses={"db": 1}), Job("c", wait=1.0)]
    rig = Rig([*jobs, Job("d", prompt="p", budget=Limits(500))], concurrency=2)
    assert why(rig.state, "b", 0) == "No slot is free: 2 of 2. It takes 1 of db, of which 1 is; in use by a."
    rig.ok("c")
    assert rig.words()["d"] == "running" and "in use by a" in why(rig.state, "b", 0)
    rig.say(Pause("ada", "lunch"))
    assert why(rig.state, "b", 0).startswith("The run is paused by ada: lunch. No slot is free")
    poor = Rig([Job("d", prompt="p", budget=Limits(500, 2.0))], room=Room(100, 10**9, "the day"))
    told = why(Rig([Job("d", prompt="p", budget=Limits(500, 2.0))], settled=False).state, "d", 0, poor.room)
    assert told == (
        "Its budget of 500 tokens does not fit: the day has 100 left. "
        "Its budget of $2.00 does not fit: the day has $1.00 left."
    )


def test_why_of_what_is_over() -> None:
    rig = Rig([Job("a", wait=1.0, retry=Retry(1)), Job("b", ("a",), wait=1.0), Job("x", wait=1.0), Job("y", wait=1.0)])
    rig.fail("a", "HTTP 404")
    rig.ok("x")
    rig.say(Cancel("ada", "not needed", "y"))
    assert why(rig.state, "a", 0).startswith("It is dead after 1 of 1 tries: HTTP 404. Do it anew: dag retry r20")
    assert why(rig.state, "b", 0).startswith("It was cancelled: a is dead; a: HTTP 404.")
    assert why(rig.state, "x", 0).startswith("It succeeded, attempt 1.")
    assert why(rig.state, "y", 0).startswith("It was cancelled: cancelled by ada: not needed.")
    with pytest.raises(UsageError, match="r20 has no job z"):
        why(rig.state, "z", 0)


def test_why_of_what_waits_for_a_word_or_a_branch() -> None:
    rig = Rig([Job("a", call="m:f"), Job("b", prompt="p"), Job("c", ("a",), wait=1.0)])
    rig.put(Waits("a", 1, "in_doubt", "A-7"))
    rig.put(Waits("b", 1, "rate_limit"))
    rig.say(Pause("ada", job="c"))
    assert why(rig.state, "a", SECOND) == "It is in doubt: waits for your word on A-7, since 1.0 s."
    assert why(rig.state, "b", 0) == "It waits for its model's patience, since 0.0 s."
    assert why(rig.state, "c", 0).startswith("Its branch is paused; go on with: dag resume r20 --job c. It needs a")


def test_why_of_a_graphs_row() -> None:
    rig = Rig([Job("a", wait=1.0), Job("b", ("a",), wait=1.0), Job("ask", gate="?")])
    rig.say(Pause("ada"))
    rig.ok("a")
    facts = {fact.label: fact.value for fact in answers.why(rig.views, "r20", 0)}
    assert facts["jobs"] == "1 of 3 succeeded"
    assert "nothing more starts" in facts["paused"]
    assert rig.asked["ask"] in facts["waits"]


# -- trying again ---------------------------------------------------------------------------------------------------


def test_a_preview_tells_what_runs_and_what_stands() -> None:
    rig = Rig([Job("a", prompt="p"), Job("b", ("a",), prompt="p"), Job("c", ("b",), prompt="p"), Job("x", prompt="p")])
    rig.ok("a", tokens=100, usd=7), rig.ok("b", tokens=50, usd=3), rig.ok("x", tokens=5, usd=None), rig.fail("c")
    found = preview(rig.state, "b")
    assert (found.again, found.sure) == (("b", "c"), ("b", "c"))
    assert (found.reused, found.tokens, found.usd) == (("a", "x"), 105, None)
    assert preview(rig.state).again == ("c",)
    assert preview(rig.state, "a").sure == ("a", "c")
    assert preview(rig.state, "a").reused == ("x",)


def test_a_preview_refuses_what_trying_again_would() -> None:
    rig = Rig([Job("a", wait=1.0), Job("b", ("a",), wait=1.0)])
    with pytest.raises(UsageError, match="Nothing of r20 failed"):
        preview(rig.state)
    rig.fail("a")
    with pytest.raises(UsageError, match="b needs a, which is dead lettered"):
        preview(rig.state, "b")
    before = len(rig.log)
    preview(rig.state, "a")
    assert rig.words()["a"] == "dead_lettered" and len(rig.log) == before


# -- the trace ------------------------------------------------------------------------------------------------------

KINDS = [k for _, k in inspect.getmembers(of_dags, inspect.isclass) if issubclass(k, Event) and k is not Event]
SILENT = {ev.JobsPlanned, ev.JobDue, ev.TaskResumed}
"""What was proposed, that it is tried again, and that it has begun, is told before."""
LINES: list[tuple[ev.Event, str, str]] = [
    (ev.JobStarted("fetch-a", 1, "i", 0), "run", "fetch-a started"),
    (ev.JobFailed("fetch-a", "exit 1", SECOND, 5 * SECOND, tries=1, of=3), "retry",
     "fetch-a: try 2 of 3 in 4.0 s: exit 1"),
    (ev.JobFailed("fetch-a", "exit 1", SECOND), "fail", "fetch-a failed: exit 1"),
    (ev.JobsCancelled(("b", "x"), "a is dead", 0), "cancel", "b cancelled: a is dead (+1 more)"),
    (ev.PatchProposed(2, "planner", 2, ("a",)), "note", "planner wants another plan: +2 -1 ~0"),
    (ev.PatchProposed(2, "planner", 1, (), ("why",)), "ask", "planner wants another plan: +1 -0 ~0  WIDENS: why"),
    (ev.PlanApplied(2, "d" * 64, 9), "done", "plan 2 holds: 9 jobs  (digest dddddddddddd)"),
    (ev.JobsReset("draft", ("draft", "r"), "review", "shorter", True, visits=2, of=5), "retry",
     "back to draft (visit 2 of 5), says review: shorter"),
    (ev.JobsReset("a", ("a", "b"), "operator:ada"), "retry", "a and what follows (1) is done anew, says operator:ada"),
    (ev.JobWaits("a", "approval", 0, "A-1"), "ask", "a waits for A-1"),
    (ev.JobWaits("a", "in_doubt", 0, "A-1"), "doubt", "a is IN DOUBT, waits for A-1"),
    (ev.JobReused("a", 0, 1200), "done", "a: its earlier answer stands, 1,200 tok saved"),
    (ev.DagPaused("ada", "lunch", "b"), "wait", "b and what follows paused by ada: lunch"),
    (ev.RunStopped("b", "nothing is left", False), "fail", "the run ends: nothing is left"),
    (ev.DagStarted(DagSpec(goal="compare tools")), "run", "started: compare tools  (4 at a time, L2)"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "state", "text"), LINES, ids=lambda each: type(each).__name__)
def test_a_line_says_it(event: ev.Event, state: str, text: str) -> None:
    assert draw(event) == (state, "dag", text)
    drawn = line(Envelope(1, "r20", 1, 1, event))
    assert drawn is not None and drawn.text == text


def test_no_kind_is_forgotten() -> None:
    source = inspect.getsource(inspect.getmodule(draw))  # type: ignore[arg-type]
    missing = [kind.__name__ for kind in KINDS if kind not in SILENT and f"ev.{kind.__name__}(" not in source]
    assert missing == []


def test_hostile_names_are_made_visible() -> None:
    drawn = line(Envelope(1, "r20", 1, 1, ev.JobFailed("a\x1b[31m", "\x1b]52;x", 0)))
    assert drawn is not None and "\x1b" not in drawn.text
