"""The fold of a graph's run into the one row lists show. Its jobs are folded from its stream, by who looks at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import events as ev
from ..events import Envelope
from ..money import from_usd
from ..views import RunRow

if TYPE_CHECKING:
    from ..fold import Views


def _started(v: Views, e: Envelope, x: ev.DagStarted) -> None:
    spec = x.spec
    main = spec.models.get("main")
    row = RunRow(
        id=e.run,
        kind="dag",
        title=spec.title or spec.goal[:80],
        workspace=spec.workspace,
        started=e.at,
        level=spec.level,
        model=main.model if main else "",
        api=main.api if main else "",
        may=x.may,
        budget_tokens=spec.budget.tokens,
        last="started",
    )
    v.runs[row.id] = row
    v.touch("run", row.id, row)
    budget = v.budget(f"run:{e.run}")
    budget.limit = spec.budget.tokens
    budget.usd_limit = None if spec.budget.usd is None else from_usd(spec.budget.usd)


def _row(v: Views, e: Envelope, last: str = "") -> RunRow | None:
    row = v.runs.get(e.run)
    if row:
        v.touch("run", row.id, row)
        row.last = last or row.last
    return row


def _count(v: Views, e: Envelope, word: str, by: int, last: str = "") -> None:
    row = _row(v, e, last)
    if row:
        row.jobs[word] = row.jobs.get(word, 0) + by


def _job_started(v: Views, e: Envelope, x: ev.JobStarted) -> None:
    row = _row(v, e, x.job)
    if row:
        row.attempts += 1


def _succeeded(v: Views, e: Envelope, x: ev.JobSucceeded | ev.JobReused) -> None:
    _count(v, e, "succeeded", 1, f"{x.job} succeeded")


def _failed(v: Views, e: Envelope, x: ev.JobFailed) -> None:
    _row(v, e, f"{x.job}: {x.error}")


def _dead(v: Views, e: Envelope, x: ev.JobDeadLettered) -> None:
    _count(v, e, "dead_lettered", 1, f"{x.job} is dead: {x.error}")


def _cancelled(v: Views, e: Envelope, x: ev.JobsCancelled) -> None:
    _count(v, e, "cancelled", len(x.jobs))


def _planned(v: Views, e: Envelope, x: ev.PlanApplied) -> None:
    row = _row(v, e, "planned" if x.number == 0 else f"plan changed ({x.number})")
    if row:
        row.jobs["all"] = x.size
        _undo(row, x.undone)


def _reset(v: Views, e: Envelope, x: ev.JobsReset) -> None:
    row = _row(v, e, f"{x.target} anew, by {x.by}")
    if row:
        _undo(row, x.undone)


def _undo(row: RunRow, undone: dict[str, int]) -> None:
    for word, count in undone.items():
        row.jobs[word] = row.jobs.get(word, 0) - count


def _paused(v: Views, e: Envelope, x: ev.DagPaused) -> None:
    row = _row(v, e, f"paused by {x.by}")
    if row and not x.job:
        row.state = "paused"


def _resumed(v: Views, e: Envelope, x: ev.DagResumed) -> None:
    row = _row(v, e, f"resumed by {x.by}")
    if row and not x.job:
        row.state = "running"


def _reopened(v: Views, e: Envelope, x: ev.RunReopened) -> None:
    row = _row(v, e, f"{x.reason} by {x.by}")
    if row:
        row.state, row.ended, row.exit, row.error, row.reason, row.verified = "running", 0, 0, "", "", None


HANDLERS: dict[type[ev.Event], Callable[[Views, Envelope, Any], None]] = {
    ev.DagStarted: _started,
    ev.JobStarted: _job_started,
    ev.JobSucceeded: _succeeded,
    ev.JobReused: _succeeded,
    ev.JobFailed: _failed,
    ev.JobDeadLettered: _dead,
    ev.JobsCancelled: _cancelled,
    ev.PlanApplied: _planned,
    ev.JobsReset: _reset,
    ev.DagPaused: _paused,
    ev.DagResumed: _resumed,
    ev.RunReopened: _reopened,
}
