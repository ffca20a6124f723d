"""What can begin now: ready jobs into free slots, longest way first; and what to do when nothing is left."""

from __future__ import annotations

import heapq

import msgspec

from .. import events as ev
from ..events import Event
from ..money import from_usd
from .decide import inputs_of
from .evolve import evolve
from .state import DagState, JobState

BATCH = 1024
"""Starts in one go: a wide graph must not become one endless transaction."""


class Room(msgspec.Struct, frozen=True):
    """What the run's ancestors and itself have left; None = no limit. `scope`: whose it is, for people."""

    tokens: int | None = None
    usd: int | None = None
    scope: str = ""


def settle(s: DagState, t: int, room: Room, *, busy: int = 0) -> list[Event]:
    """Everything that follows from the state by itself, evolved as it goes.

    Args:
        busy: attempts that are still at work, also those of jobs that were cancelled meanwhile: the run ends after.
    """
    out: list[Event] = []
    while s.finished is None:
        step = _next(s, t, room, busy)
        if not step:
            break
        for event in step:
            evolve(s, event)
        out += step
    return out


def _next(s: DagState, t: int, room: Room, busy: int) -> list[Event]:
    if s.moot:
        return [ev.ApprovalWithdrawn(ident, "its job was cancelled or is done anew") for ident in s.moot]
    if s.proposed and s.proposed.widens and (s.cancel or s.stopped):
        asked = [ev.ApprovalWithdrawn(s.asked, "the run ended")] if s.asked else []
        return [*asked, ev.PlanRefused(s.proposed.number, "", "the run ended")]
    if over := _over(s, t):
        return over
    started = _starts(s, t, room)
    if started:
        return started
    if s.left:
        return _starved(s, t, room) if not busy else []
    if busy or s.planning or s.proposed:
        return []
    return [ev.PlannerStarted(s.replans + 1) if _replans(s) else _finish(s)]


def _replans(s: DagState) -> bool:
    """Whether the planner is asked before the run ends."""
    ended = s.planner_done or s.cancel or s.stopped or s.paused
    return s.spec.planner is not None and not ended and s.replans < s.spec.max_replans


def _over(s: DagState, t: int) -> list[Event]:
    """The rest of a run that was cancelled, stopped by a route, or has nothing left to spend."""
    if not s.left:
        return []
    if s.cancel:
        why = f"cancelled by {s.cancel.by}" + (f": {s.cancel.reason}" if s.cancel.reason else "")
    elif s.stopped:
        why = f"{s.stopped.job} ended the run" if s.stopped.ok else s.stopped.reason
    else:
        return _orphans(s, t)
    rest = tuple(ident for ident, job in s.jobs.items() if not job.over)
    return [ev.JobsCancelled(rest, why, t, "", s.cancel.by if s.cancel else "")]


def _orphans(s: DagState, t: int) -> list[Event]:
    """Jobs behind one that is dead already, added or set back there; looked for when nothing else is left to do."""
    if not s.strays or s.running or s.able:
        return []
    for ident, job in s.jobs.items():
        if job.state == "pending":
            lost = next((d for d in job.spec.deps if s.jobs[d].state in ("dead_lettered", "cancelled")), None)
            if lost:
                rest = [ident, *(each for each in s.dag.after((ident,)) if not s.jobs[each].over)]
                return [ev.JobsCancelled(tuple(rest), f"{lost} is dead", t, lost)]
    s.strays = False
    return []


def _starts(s: DagState, t: int, room: Room) -> list[Event]:
    """Starts for the free slots, and answers that stand, which need none."""
    if s.paused or s.cancel or s.stopped:
        return []
    while True:
        came = _unpark(s)
        out, moved = _begin(s, t, room, came)
        if out or not moved:
            return out


def _begin(s: DagState, t: int, room: Room, came: dict[str, str]) -> tuple[list[Event], bool]:
    """One look at the heap; and whether a job that came back for a resource cannot begin for another reason, so
    that who stands behind it has not been looked at."""
    out: list[Event] = []
    moved = False
    later: list[tuple[int, int, str]] = []
    seen: set[str] = set()  # a job that became ready twice is in the heap twice
    taken = dict(s.used)
    free = s.spec.concurrency - s.running
    while s.ready and free > 0 and len(out) < BATCH:
        entry = heapq.heappop(s.ready)
        job = s.jobs.get(entry[2])
        if job is None or job.state != "ready" or job.held or entry[2] in seen:
            continue
        seen.add(entry[2])
        uses = job.spec.uses
        if uses and (lacks := _lacks(s, job, taken)):
            heapq.heappush(s.parked.setdefault(lacks, []), entry)
            moved = moved or came.get(entry[2], lacks) != lacks
            continue
        if s.budgeted and not _affords(job, room):
            later.append(entry)
            moved = moved or entry[2] in came
            continue
        inputs = inputs_of(s, job)
        if job.good and job.good.inputs == inputs and not job.anew:
            out.append(ev.JobReused(entry[2], t, job.good.tokens, job.good.usd))
            continue
        out.append(ev.JobStarted(entry[2], job.attempts + 1, inputs, t))
        free -= 1
        for name, amount in uses.items():
            taken[name] = taken.get(name, 0) + amount
    for entry in later:
        heapq.heappush(s.ready, entry)
    return out, moved


def _unpark(s: DagState) -> dict[str, str]:
    """Of the jobs that lack a resource, as many as may start with what is free of it: never all of them.

    Answers which these are, and what they lacked. Who is no longer ready, or held, takes nobody's turn.
    """
    came: dict[str, str] = {}
    for name, parked in s.parked.items():
        free = s.spec.resources.get(name, 1) - s.used.get(name, 0)
        while parked and free > 0:
            entry = heapq.heappop(parked)
            job = s.jobs.get(entry[2])
            if job and job.state == "ready" and not job.held and entry[2] not in came:
                heapq.heappush(s.ready, entry)
                came[entry[2]] = name
                free -= job.spec.uses.get(name, 0)
    return came


def _lacks(s: DagState, job: JobState, taken: dict[str, int]) -> str:
    """The first shared resource of which too little is free for it, or ""."""
    for name, amount in job.spec.uses.items():
        if taken.get(name, 0) + amount > s.spec.resources.get(name, 1):
            return name
    return ""


def _affords(job: JobState, room: Room) -> bool:
    """Whether its declared budget still fits what is left."""
    limits = job.spec.budget
    if limits.tokens and room.tokens is not None and limits.tokens > room.tokens:
        return False
    return limits.usd is None or room.usd is None or from_usd(limits.usd) <= room.usd


def _starved(s: DagState, t: int, room: Room) -> list[Event]:
    """Nothing is at work, and what is ready does not fit what is left: the run has failed, and says of what."""
    if s.running or s.paused or any(job.state in ("retrying", "waiting") for job in s.jobs.values()):
        return []
    waiting = [job for job in s.jobs.values() if job.state == "ready" and not job.held]
    greedy = next((job for job in waiting if _lacks(s, job, {})), None)
    if greedy:
        name = _lacks(s, greedy, {})
        why = f"{greedy.spec.id} takes {greedy.spec.uses[name]} of {name}, and there is {s.spec.resources.get(name, 1)}"
        return [ev.RunStopped(greedy.spec.id, why, ok=False)]
    poor = next((job for job in waiting if not _affords(job, room)), None)
    if poor is None:
        return []
    limits = poor.spec.budget
    asked = f"{limits.tokens:,} tokens" if limits.tokens else f"${limits.usd}"
    why = f"{poor.spec.id} may spend {asked}, more than {room.scope or 'the run'} has left"
    return [ev.RunStopped(poor.spec.id, why, ok=False)]


def _finish(s: DagState) -> ev.RunFinished:
    """How the run ends, in one sentence."""
    dead = [job for job in s.jobs.values() if job.state == "dead_lettered"]
    gone = s.count("cancelled")
    checked = [job for job in s.jobs.values() if job.spec.kind == "verify"]
    if s.cancel:
        why = f"cancelled by {s.cancel.by}" + (f": {s.cancel.reason}" if s.cancel.reason else "")
        return ev.RunFinished("cancelled", None, why, "", "cancelled", 8)
    if s.stopped and s.stopped.ok:
        return ev.RunFinished("succeeded", None, f"{s.stopped.job}: {s.stopped.reason}", "", "route", 0)
    if s.stopped:
        return ev.RunFinished("failed", False, s.stopped.reason, "", "budget", 3, s.stopped.reason)
    if dead or gone or s.planner_error:
        return _failed(s, dead, gone)
    verified = True if checked and all(job.state == "succeeded" for job in checked) else None
    count = len(s.jobs)
    why = f"{'all ' if count != 1 else ''}{count} job{'s' if count != 1 else ''} succeeded"
    return ev.RunFinished("succeeded", verified, why, "", "model" if verified is None else "verifier", 0)


def _failed(s: DagState, dead: list[JobState], gone: int) -> ev.RunFinished:
    first = min(dead, key=lambda job: (job.ended or 0, job.index), default=None)
    parts = [f"{first.spec.id} is dead: {first.error}"] if first else []
    if len(dead) > 1:
        parts.append(f"{len(dead) - 1} more dead")
    if gone:
        parts.append(f"{gone} cancelled")
    if s.planner_error:
        parts.append(f"the planner could not answer: {s.planner_error}")
    why = "; ".join(parts)
    denied = bool(dead) and all(job.spec.kind == "gate" for job in dead)
    return ev.RunFinished("failed", False, why, "", "denied" if denied else "error", 4 if denied else 1, why)
