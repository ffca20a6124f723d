"""SIGKILL at every step of a graph: it goes on where it stood, and only what was in flight is done again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.dag.spec import Job, PlannerSpec, Retry

from .graphs import COST, Case

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
