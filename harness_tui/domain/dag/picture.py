"""A graph's run as it crosses the socket: the state at one event; what comes after is folded by whoever has it."""

from __future__ import annotations

import heapq

import msgspec

from .. import events as ev
from .graph import Dag
from .spec import DagSpec, Job, Limits
from .state import HOLDING, DagState, JobState


class DagPicture(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything of a `DagState` that cannot be derived. seq: of the newest event in it; started: us."""

    uid: str
    seq: int
    started: int
    spec: DagSpec
    jobs: tuple[JobState, ...] = ()
    t: int = 0
    digest: str = ""
    plans: int = 0
    planned: int = 0
    replans: int = 0
    planning: bool = False
    planner: str = ""
    planner_by: str = ""
    planner_done: bool = False
    planner_error: str = ""
    gone: dict[str, int] = {}
    proposed: ev.PatchProposed | None = None
    staged: tuple[Job, ...] = ()
    moot: tuple[str, ...] = ()
    asked: str = ""
    refused: ev.PlanRefused | None = None
    patches: tuple[tuple[ev.PatchProposed, tuple[str, ...]], ...] = ()
    paused: ev.DagPaused | None = None
    stopped: ev.RunStopped | None = None
    cancel: ev.CancelRequested | None = None
    finished: ev.RunFinished | None = None


_SAME = (
    *("seq", "spec", "t", "digest", "plans", "planned", "replans", "planning", "planner", "planner_by"),
    *("planner_done", "planner_error", "gone"),
    *("proposed", "asked", "refused", "paused", "stopped", "cancel", "finished"),
)


def picture(s: DagState, started: int) -> DagPicture:
    """The state as it is now; its jobs are shared, so encode it before the next event is folded."""
    same = {name: getattr(s, name) for name in _SAME}
    return DagPicture(
        s.uid,
        started=started,
        jobs=tuple(s.jobs.values()),
        staged=tuple(s.staged),
        patches=tuple(s.patches),
        moot=tuple(s.moot),
        **same,
    )


def restore(p: DagPicture) -> DagState:
    """The state a picture was taken of."""
    s = DagState(p.uid)
    for name in _SAME:
        setattr(s, name, getattr(p, name))
    s.jobs = {job.spec.id: job for job in p.jobs}
    s.dag = Dag.from_jobs(job.spec for job in p.jobs)
    s.staged, s.patches, s.gone = list(p.staged), list(p.patches), dict(p.gone)
    for ident, job in s.jobs.items():
        s.left += not job.over
        s.running += job.state == "running"
        s.able += job.state == "ready"
        if job.state in HOLDING:
            for name, amount in job.spec.uses.items():
                s.used[name] = s.used.get(name, 0) + amount
        elif job.state == "ready":
            heapq.heappush(s.ready, (-s.dag.below[ident], job.index, ident))
        s.budgeted = s.budgeted or job.spec.budget != Limits()
        if job.approval and not job.spec.of_agent:
            s.requests[job.approval] = ident
    if s.asked:
        s.requests[s.asked] = ""
    s.moot = list(p.moot)
    return s
