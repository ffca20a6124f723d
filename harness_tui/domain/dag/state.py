"""The state of a graph's run, folded from its own stream: engine, console and offline reader all fold it with this.

`evolve` works in place on state owned by one run: a copy per event would make large graphs quadratic.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .. import events as ev
from ..events import Event
from .graph import Dag
from .spec import DagSpec, Job, Limits, job_digest

Word = Literal["pending", "ready", "running", "retrying", "waiting", "succeeded", "dead_lettered", "cancelled"]
OVER = frozenset({"succeeded", "dead_lettered", "cancelled"})
UNDER_WAY = frozenset({"running", "retrying", "waiting"})
HOLDING = frozenset({"running", "waiting"})
"""States that hold what the job uses: a waiting attempt goes on by itself, and must find what it shares as it was."""


class Bar(msgspec.Struct, array_like=True):
    """A stretch of a job's time; `end` -1 = it lasts. what: run | ask | limit | retry | doubt."""

    start: int
    end: int
    what: str


class Good(msgspec.Struct, array_like=True):
    """Its last success: what it was given and answered (hashes), who has the answer, and what that cost."""

    inputs: str
    result: str
    child: str
    tokens: int = 0
    usd: int | None = 0


class JobState(msgspec.Struct, omit_defaults=True):
    """One job.

    Attributes:
        attempts: begun in all, over all visits: exact also after crashes and replans. `tries`: since it was last set
            back, which is what its retry policy counts.
        visits: how often it was entered, by the plan or by a route.
        child: stream of its newest attempt: `r20/a#1`, or an agent run (`r31`), "" while that is not there yet.
        children: all agent runs that were attempts of it.
        inputs: what the newest attempt was given (hash).
        waits: what it waits for: approval | rate_limit | in_doubt, or ""; `approval` its id; `until` us of wall clock.
        due: when it is tried again, in `t`.
        by: who wrote it into the plan: operator | planner, with a name behind a colon.
        cause: the job whose end cancelled it.
        feedback, prior: why it came back, and who has its last answer.
        anew: it is not to be answered with its earlier success.
        tokens, usd: of all its attempts, the failed ones included.
        reused: its newest success is an earlier one.
    """

    spec: Job
    state: Word = "pending"
    attempts: int = 0
    tries: int = 0
    visits: int = 1
    child: str = ""
    children: list[str] = []
    inputs: str = ""
    good: Good | None = None
    waits: str = ""
    approval: str = ""
    until: int = 0
    due: int = 0
    error: str = ""
    cause: str = ""
    by: str = "operator"
    feedback: str = ""
    prior: str = ""
    anew: bool = False
    reused: bool = False
    tokens: int = 0
    usd: int | None = 0
    bars: list[Bar] = []
    held: bool = False
    index: int = 0
    unmet: int = 0
    digest: str = ""

    @property
    def started(self) -> int | None:
        """When its first attempt began, in `t`."""
        return self.bars[0].start if self.bars else None

    @property
    def ended(self) -> int | None:
        """When it was over, in `t`; None while it is not, or when it never began."""
        return self.bars[-1].end if self.state in OVER and self.bars else None

    @property
    def over(self) -> bool:
        return self.state in OVER


class DagState:
    """One run of a graph.

    Attributes:
        jobs: in the plan's order, those added later behind.
        dag: the shape of the plan as it is now.
        proposed, staged: a change of the plan on its way, and its jobs so far; `asked` the request about it, or "".
        replans: changes the planner was asked for; `planning`: it is at work; `planner` its run.
        digest: of the plan that holds.
        paused: why nothing starts, or None.
        running: attempts that hold a slot; `used` what these and the waiting ones take of each resource.
        ready: heap of (-jobs below, index, id); entries of jobs that are no longer ready are skipped.
        able: jobs that are ready, the held ones, which leave the heap, included.
        parked: entries of ready jobs that lack a resource, by its name: they are not looked at while it is in use.
        left: jobs that are not over.
        requests: what the run itself asks: approval id -> job, "" = the plan; `moot`: those nobody needs to answer
            any more, not yet withdrawn.
        budgeted: some job declares what it may spend.
        strays: jobs may be pending behind one that is dead: the plan changed, or a part of it is done anew.
        t: newest moment seen.
    """

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.seq = 0
        self.spec = DagSpec()
        self.jobs: dict[str, JobState] = {}
        self.dag = Dag.from_jobs(())
        self.proposed: ev.PatchProposed | None = None
        self.staged: list[Job] = []
        self.asked = ""
        self.plans = 0
        self.planned = 0
        self.replans = 0
        self.planning = False
        self.planner = ""
        self.planner_by = ""
        self.planner_done = False
        self.planner_error = ""
        self.refused: ev.PlanRefused | None = None
        self.digest = ""
        self.patches: list[tuple[ev.PatchProposed, tuple[str, ...]]] = []
        self.paused: ev.DagPaused | None = None
        self.stopped: ev.RunStopped | None = None
        self.cancel: ev.CancelRequested | None = None
        self.finished: ev.RunFinished | None = None
        self.requests: dict[str, str] = {}
        self.moot: list[str] = []
        self.budgeted = False
        self.strays = True
        self.running = 0
        self.used: dict[str, int] = {}
        self.ready: list[tuple[int, int, str]] = []
        self.parked: dict[str, list[tuple[int, int, str]]] = {}
        self.able = 0
        self.left = 0
        self.t = 0

    def child(self, job: str, attempt: int) -> str:
        """The stream of an attempt without an agent."""
        return f"{self.uid}/{job}#{attempt}"

    def count(self, state: str) -> int:
        return sum(job.state == state for job in self.jobs.values())


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
    if s.requests.pop(job.approval, None) is not None:
        s.moot.append(job.approval)
    job.waits, job.approval, job.until = "", "", 0


def _pay(job: JobState, tokens: int, usd: int | None) -> None:
    job.tokens += tokens
    job.usd = None if job.usd is None or usd is None else job.usd + usd


def _succeeded(s: DagState, x: ev.JobSucceeded) -> None:
    job = s.jobs[x.job]
    s.t = x.t
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
        job.unmet = sum(s.jobs[dep].state != "succeeded" for dep in set(job.spec.deps))
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
    for job in s.staged:
        known = s.jobs.get(job.id)
        s.planned += known is None
        fresh = JobState(job, by=patch.by, index=known.index if known else s.planned)
        fresh.digest = job_digest(job)
        if known:
            _enter(s, known, "pending")
            _settle(s, known)
            fresh.attempts, fresh.children, fresh.good = known.attempts, known.children, known.good
            fresh.tokens, fresh.usd, fresh.bars = known.tokens, known.usd, known.bars
            s.left -= 1
        s.left += 1
        s.jobs[job.id] = fresh
    s.dag = Dag.from_jobs(job.spec for job in s.jobs.values())
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
