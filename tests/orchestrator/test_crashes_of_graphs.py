"""SIGKILL at every step of a graph: it goes on where it stood, and only what was in flight is done again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.dag.spec import Job, PlannerSpec, Retry

from .graphs import COST, Case, sound

ALL = bool(os.environ.get("HARNESS_TESTS_CRASHES"))
"""HARNESS_TESTS_CRASHES=1 for every point; without it, every few."""
HERE = "tests.orchestrator.effects"


def jobs(effects: Path) -> tuple[Job, ...]:
    """All kinds but `tool`, with a retry, a way back and a planner's addition."""
    return (
        Job("first", call=f"{HERE}:note", risk="idempotent"),
        Job("pause", ("first",), wait=0.01),
        Job("shell", ("first",), command=("bash", "-c", f"echo shell#1 >> {effects.parent}/of-shell")),
        Job("asks", ("first",), prompt="Say done."),
        Job("flaky", ("first",), call=f"{HERE}:flaky", risk="idempotent", retry=Retry(3, "fixed", 0.01)),
        Job("draft", ("pause",), call=f"{HERE}:draft", risk="idempotent"),
        Job("review", ("draft",), call=f"{HERE}:review", risk="idempotent", router=f"{HERE}:verdict"),
        Job("gate", ("review", "shell", "asks"), gate="Publish?"),
        Job("last", ("gate", "flaky"), call=f"{HERE}:note", risk="idempotent"),
    )


ATTEMPTS = {
    "first": 1,
    "pause": 1,
    "shell": 1,
    "asks": 1,
    "flaky": 2,
    "draft": 2,
    "review": 2,
    "gate": 1,
    "last": 1,
    "added": 1,
}


def case(folder: Path, **answers: str) -> Case:
    whole = jobs(folder / "effects")
    return Case(folder, whole, {"planner": PlannerSpec(call=f"{HERE}:plans"), "concurrency": 3}, **answers)


def judged(here: Case) -> None:
    here.judge()
    s = here.state()
    assert s.finished and (s.finished.state, s.finished.exit) == ("succeeded", 0), s.finished
    assert {ident: job.state for ident, job in s.jobs.items()} == dict.fromkeys(ATTEMPTS, "succeeded")
    assert {ident: job.attempts for ident, job in s.jobs.items()} == ATTEMPTS
    assert s.jobs["draft"].visits == 2
    done = here.done()
    assert {key for key in done if not key.startswith("planner")} >= {
        f"{ident}#{number}"
        for ident, count in ATTEMPTS.items()
        for number in range(1, count + 1)
        if ident not in ("pause", "asks", "gate", "shell")
    }
    assert done["shell#1"] <= 1, "what is destructive is never repeated unasked"
    with here.reader as reader:
        assert reader.views().runs["r1"].usage.total == sum(job.tokens for job in s.jobs.values())
    if not here.events(ev.ModelFailed):  # what was cut off is counted as it might have been
        assert s.jobs["asks"].tokens == COST


def points(name: str, last: int, step: int, start: int = 1) -> list[str]:
    return [f"{name}:{number}" for number in range(start, last + 1, 1 if ALL else step)]


POINTS = [
    *points("dag.committed", 34, 3),
    *points("journal.before_commit", 60, 12),
    *points("journal.after_commit", 60, 12),
    "tool.after_intent",
    "tool.after_effect",
    "run.before_finish",
    "run.before_finish:2",
    "attempt.launched",
    "attempt.launched:2",
    "approve.before_commit",
    "approve.after_commit",
    "model.after_request",
]


@pytest.mark.parametrize("death", POINTS)
def test_a_graph_goes_on_wherever_its_engine_dies(tmp_path: Path, death: str) -> None:
    here = case(tmp_path)
    here.survive(death)
    judged(here)


@pytest.mark.parametrize("death", ["dag.committed:2", "dag.committed:5", "journal.after_commit:12"])
def test_engines_that_die_one_after_the_other_come_to_the_end(tmp_path: Path, death: str) -> None:
    here = case(tmp_path)
    assert here.survive(death, times=4) >= 2
    judged(here)


def test_a_plan_in_slices_is_whole_or_nothing(tmp_path: Path) -> None:
    many = tuple(Job(f"w{number}", wait=0.0) for number in range(600))
    here = Case(tmp_path, many, {"concurrency": 100})
    # One append for the engine's start, two for its configured limits at most: the plan's slices are the next three.
    for number in (3, 4, 5):
        folder = tmp_path / str(number)
        folder.mkdir()
        here = Case(folder, many, {"concurrency": 100})
        assert here.survive(f"journal.after_commit:{number}") == 1
        here.judge()
        s = here.state()
        assert s.finished
        whole = s.plans == 1
        assert {job.state for job in s.jobs.values()} == ({"succeeded"} if whole else set())
        assert s.finished.state == ("succeeded" if whole else "failed")


# -- in doubt --------------------------------------------------------------------------------------------------------


def unsure(folder: Path, function: str = "note", **answers: str) -> Case:
    """A function of which nobody knows what doing it twice would mean, and one behind it."""
    whole = (Job("pay", call=f"{HERE}:{function}"), Job("tell", ("pay",), call=f"{HERE}:note", risk="read_only"))
    return Case(folder, whole, {}, **answers)


@pytest.mark.parametrize(
    ("answer", "state", "times"), [("happened", "succeeded", 1), ("did_not", "failed", 1), ("again", "succeeded", 2)]
)
def test_a_call_in_flight_is_in_doubt(tmp_path: Path, answer: str, state: str, times: int) -> None:
    here = unsure(tmp_path, "deadly", in_doubt=answer)
    here.dies("")
    assert here.done() == {"pay#1": 1}
    assert here.survive("") == 0
    sound_end(here, state)
    assert here.done()["pay#1"] == times
    assert here.done()["tell#1"] == (state == "succeeded")
    (asked,) = here.events(ev.ApprovalRequested)
    assert (asked.event.kind, asked.event.call) == ("in_doubt", "pay#1")


@pytest.mark.parametrize(
    ("answer", "state", "times"), [("happened", "succeeded", 1), ("did_not", "failed", 1), ("again", "succeeded", 2)]
)
def test_a_command_in_flight_is_in_doubt(tmp_path: Path, answer: str, state: str, times: int) -> None:
    shell = Job("shell", command=("bash", "-c", f"echo shell#1 >> {tmp_path}/of-shell"))
    here = Case(tmp_path, (shell, Job("tell", ("shell",), call=f"{HERE}:note", risk="read_only")), {}, in_doubt=answer)
    here.dies("tool.after_effect")
    assert here.done() == {"shell#1": 1}
    assert here.survive("") == 0
    assert here.done()["shell#1"] == times
    s = here.state()
    assert s.finished
    assert s.jobs["shell"].attempts == 1
    assert (s.finished.state, here.done()["tell#1"]) == (state, int(state == "succeeded"))
    assert [each.event.kind for each in here.events(ev.ApprovalRequested)] == ["in_doubt"]
    here.judge()


@pytest.mark.parametrize("last", ["happened", "did_not", "again"])
def test_a_doubt_that_is_answered_by_doing_it_again_can_be_in_doubt_again(tmp_path: Path, last: str) -> None:
    here = unsure(tmp_path, in_doubt="again")
    here.dies("dag.committed:1")
    here.dies("dag.committed:3")
    here.answers["in_doubt"] = last
    assert here.survive("") == 0
    sound_end(here, "failed" if last == "did_not" else "succeeded")
    assert len(here.events(ev.ApprovalRequested)) == 2


def test_a_gate_waits_through_two_deaths(tmp_path: Path) -> None:
    here = Case(tmp_path, (Job("gate", gate="Go?"), Job("tell", ("gate",), call=f"{HERE}:note", risk="read_only")), {})
    here.dies("dag.committed:1")
    here.dies("dag.committed:2")
    (asked,) = here.events(ev.ApprovalRequested)
    assert here.survive("") == 0
    sound_end(here, "succeeded")
    assert [each.event.digest for each in here.events(ev.ApprovalRequested)] == [asked.event.digest]


def sound_end(here: Case, state: str) -> None:
    s = here.state()
    assert s.finished
    assert s.finished.state == state, s.finished
    sound(Paths(here.home))
