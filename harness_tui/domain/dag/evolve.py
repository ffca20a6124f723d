"""The fold of a graph's run from its own stream: engine, console and offline reader all fold it with this.

It works in place on state owned by one run: a copy per event would make large graphs quadratic.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from .. import events as ev
from ..events import Event
from .graph import Dag
from .spec import Limits, job_digest
from .state import HOLDING, OVER, Bar, DagState, Good, JobState, Word


def evolve(s: DagState, event: Event) -> None:
    """Fold one event of the run's stream into its state, in place."""
    s.seq += 1
    handler = _HANDLERS.get(type(event))
    if handler:
        handler(s, event)


# -- jobs -----------------------------------------------------------------------------------------------------------


def _enter(s: DagState, job: JobState, word: Word) -> None:
    """The one place that changes a job's state: slots, resources, and what is left are counted here."""
    was = job.state
    if was == word:
        return
    s.running += (word == "running") - (was == "running")
    if (taken := (word in HOLDING) - (was in HOLDING)) and job.spec.uses:
        for name, amount in job.spec.uses.items():
            s.used[name] = s.used.get(name, 0) + taken * amount
    s.left += (was in OVER) - (word in OVER)
    s.able += (word == "ready") - (was == "ready")
    job.state = word
    if word == "ready":
        heapq.heappush(s.ready, (-s.dag.below.get(job.spec.id, 1), job.index, job.spec.id))


def _bar(job: JobState, t: int, what: str) -> None:
    """The stretch that lasts ends, and another begins."""
    _close(job, t)
    job.bars.append(Bar(t, -1, what))


def _close(job: JobState, t: int) -> None:
    if job.bars and job.bars[-1].end < 0:
        job.bars[-1].end = t


def _started(s: DagState, x: ev.JobStarted) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    _enter(s, job, "running")
    job.attempts, job.inputs = x.attempt, x.inputs
    job.tries += 1
    job.reused = False
    job.child = "" if job.spec.of_agent else s.child(x.job, x.attempt)
    _bar(job, x.t, "run")


def _bound(s: DagState, x: ev.JobBound) -> None:
    job = s.jobs[x.job]
    job.child = x.run
    job.children.append(x.run)


def _waits(s: DagState, x: ev.JobWaits) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    _enter(s, job, "waiting")
    if job.approval != x.approval:
        _settle(s, job)
    job.waits, job.approval, job.until = x.why, x.approval, x.until
    _bar(job, x.t, {"approval": "ask", "in_doubt": "doubt"}.get(x.why, "limit"))
    if x.approval and not job.spec.of_agent:
        s.requests[x.approval] = x.job


def _went(s: DagState, x: ev.JobWent) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    _enter(s, job, "running")
    _settle(s, job)
    _bar(job, x.t, "run")


def _settle(s: DagState, job: JobState) -> None:
    if not job.waits:
        return
    if s.requests.pop(job.approval, None) is not None:
        s.moot.append(job.approval)
    job.waits, job.approval, job.until = "", "", 0


def _pay(job: JobState, tokens: int, usd: int | None) -> None:
    job.tokens += tokens
    job.usd = None if job.usd is None or usd is None else job.usd + usd


def _succeeded(s: DagState, x: ev.JobSucceeded) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    if x.tokens or x.usd != 0:
        _pay(job, x.tokens, x.usd)
    job.good = Good(job.inputs, x.result, job.child, job.tokens, job.usd)
    _done(s, job, x.t)


def _reused(s: DagState, x: ev.JobReused) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    job.reused = True
    if job.good:
        job.child = job.good.child
    if not job.bars:
        job.bars = [Bar(x.t, x.t, "run")]
    _done(s, job, x.t)


def _done(s: DagState, job: JobState, t: int) -> None:
    _enter(s, job, "succeeded")
    _settle(s, job)
    _close(job, t)
    job.error, job.anew = "", False
    for ident in s.dag.dependents[job.spec.id]:
        after = s.jobs[ident]
        after.unmet -= 1
        if not after.unmet and after.state == "pending":
            _enter(s, after, "ready")


def _failed(s: DagState, x: ev.JobFailed) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    _pay(job, x.tokens, x.usd)
    job.error, job.due = x.error, x.due
    _settle(s, job)
    if x.due:
        _enter(s, job, "retrying")
        _bar(job, x.t, "retry")


def _due(s: DagState, x: ev.JobDue) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    _close(job, x.t)
    job.due = 0
    _enter(s, job, "ready")


def _dead(s: DagState, x: ev.JobDeadLettered) -> None:
    job = s.jobs[x.job]
    s.t = x.t
    _enter(s, job, "dead_lettered")
    _settle(s, job)
    _close(job, x.t)
    job.error, job.due = x.error, 0


def _cancelled(s: DagState, x: ev.JobsCancelled) -> None:
    s.t = x.t
    for ident in x.jobs:
        job = s.jobs[ident]
        _enter(s, job, "cancelled")
        _settle(s, job)
        _close(job, x.t)
        job.error, job.cause, job.due = x.reason, x.cause, 0


def _reset(s: DagState, x: ev.JobsReset) -> None:
    for ident in x.jobs:
        job = s.jobs[ident]
        _enter(s, job, "pending")
        _settle(s, job)
        _close(job, s.t)
        job.tries, job.due, job.error, job.cause, job.reused = 0, 0, "", "", False
    target = s.jobs[x.target]
    target.anew = True
    target.feedback = x.feedback
    target.prior = target.good.child if target.good else ""
    target.visits += x.visit
    s.strays = True
    _await(s, x.jobs)


def _await(s: DagState, jobs: tuple[str, ...]) -> None:
    """Count what jobs wait for; those that wait for nothing are ready."""
    for ident in jobs:
        job = s.jobs[ident]
        job.unmet = sum([s.jobs[dep].state != "succeeded" for dep in set(job.spec.deps)])
        if job.state == "pending" and not job.unmet:
            _enter(s, job, "ready")


# -- the plan -------------------------------------------------------------------------------------------------------


def _dag_started(s: DagState, x: ev.DagStarted) -> None:
    s.spec = x.spec


def _proposed(s: DagState, x: ev.PatchProposed) -> None:
    s.requests.pop(s.asked, None)
    s.proposed, s.staged, s.asked = x, [], ""


def _planned(s: DagState, x: ev.JobsPlanned) -> None:
    s.staged += x.jobs


_NO_LIMITS = Limits()


def _applied(s: DagState, x: ev.PlanApplied) -> None:
    patch = s.proposed
    assert patch is not None
    for ident in patch.drop:
        gone = s.jobs.pop(ident)
        _enter(s, gone, "cancelled")
        _settle(s, gone)
        s.gone[ident] = gone.attempts
    for job in s.staged:
        known = s.jobs.get(job.id)
        s.planned += known is None
        fresh = JobState(job, by=patch.by, index=known.index if known else s.planned)
        fresh.digest, fresh.attempts = job_digest(job), s.gone.pop(job.id, 0)
        if known:
            _enter(s, known, "pending")
            _settle(s, known)
            fresh.attempts, fresh.children, fresh.good = known.attempts, known.children, known.good
            fresh.tokens, fresh.usd, fresh.bars = known.tokens, known.usd, known.bars
            fresh.held = known.held
            s.left -= 1
        s.left += 1
        s.jobs[job.id] = fresh
    whole = [job.spec for job in s.jobs.values()]
    s.dag = s.checked if s.checked and s.checked.of(whole) else Dag.from_jobs(whole)
    s.patches.append((patch, tuple(job.id for job in s.staged)))
    s.digest, s.plans = x.digest, s.plans + 1
    s.proposed, s.staged = None, []
    s.requests.pop(s.asked, None)
    s.asked, s.refused = "", None
    s.budgeted = any(job.spec.budget != _NO_LIMITS for job in s.jobs.values())
    s.planner_done, s.strays = False, True
    s.ready = [(-s.dag.below[i], job.index, i) for i, job in s.jobs.items() if job.state == "ready"]
    heapq.heapify(s.ready)
    _await(s, tuple(ident for ident, job in s.jobs.items() if job.state == "pending"))


def _plan_refused(s: DagState, x: ev.PlanRefused) -> None:
    s.requests.pop(s.asked, None)
    s.proposed, s.staged, s.asked, s.refused = None, [], "", x


def _planner_started(s: DagState, x: ev.PlannerStarted) -> None:
    s.planning, s.planner, s.planner_by = True, "", x.by
    s.replans += 1


def _planner_bound(s: DagState, x: ev.PlannerBound) -> None:
    s.planner = x.run


def _planner_ended(s: DagState, x: ev.PlannerEnded) -> None:
    s.planning, s.planner_done, s.planner_error = False, x.done or bool(x.error), x.error


def _requested(s: DagState, x: ev.ApprovalRequested) -> None:
    if x.kind == "plan":
        s.asked = x.id
        s.requests[x.id] = ""


def _answered(s: DagState, x: ev.ApprovalDecided | ev.ApprovalResolved | ev.ApprovalExpired) -> None:
    s.requests.pop(x.id, None)


def _withdrawn(s: DagState, x: ev.ApprovalWithdrawn) -> None:
    s.requests.pop(x.id, None)
    s.moot = [each for each in s.moot if each != x.id]


# -- the run --------------------------------------------------------------------------------------------------------


def _paused(s: DagState, x: ev.DagPaused) -> None:
    if not x.job:
        s.paused = x
        return
    for ident in (x.job, *s.dag.after((x.job,))):
        s.jobs[ident].held = True


def _resumed(s: DagState, x: ev.DagResumed) -> None:
    idents = (x.job, *s.dag.after((x.job,))) if x.job else tuple(s.jobs)
    s.paused = s.paused if x.job else None
    for ident in idents:
        job = s.jobs[ident]
        if job.held:
            job.held = False
            if job.state == "ready":
                heapq.heappush(s.ready, (-s.dag.below[ident], job.index, ident))


def _stopped(s: DagState, x: ev.RunStopped) -> None:
    s.stopped = x


def _cancel_requested(s: DagState, x: ev.CancelRequested) -> None:
    s.cancel = x


def _finished(s: DagState, x: ev.RunFinished) -> None:
    s.finished = x


def _reopened(s: DagState, x: ev.RunReopened) -> None:
    s.finished = s.cancel = s.stopped = s.paused = None
    s.planner_done, s.planner_error = False, ""


_HANDLERS: dict[type[Event], Callable[[DagState, Any], None]] = {
    ev.JobStarted: _started,
    ev.JobSucceeded: _succeeded,
    ev.JobFailed: _failed,
    ev.JobDeadLettered: _dead,
    ev.JobsCancelled: _cancelled,
    ev.JobBound: _bound,
    ev.JobWaits: _waits,
    ev.JobWent: _went,
    ev.JobDue: _due,
    ev.JobReused: _reused,
    ev.JobsReset: _reset,
    ev.DagStarted: _dag_started,
    ev.PatchProposed: _proposed,
    ev.JobsPlanned: _planned,
    ev.PlanApplied: _applied,
    ev.PlanRefused: _plan_refused,
    ev.PlannerStarted: _planner_started,
    ev.PlannerBound: _planner_bound,
    ev.PlannerEnded: _planner_ended,
    ev.ApprovalRequested: _requested,
    ev.ApprovalDecided: _answered,
    ev.ApprovalResolved: _answered,
    ev.ApprovalExpired: _answered,
    ev.ApprovalWithdrawn: _withdrawn,
    ev.DagPaused: _paused,
    ev.DagResumed: _resumed,
    ev.RunStopped: _stopped,
    ev.CancelRequested: _cancel_requested,
    ev.RunFinished: _finished,
    ev.RunReopened: _reopened,
}
