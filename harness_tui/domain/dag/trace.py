"""The lines of a graph's events in the trace; part of `domain.trace`. Plain (unsafe) text."""

from __future__ import annotations

from .. import events as ev

EVENTS = frozenset(cls for cls in ev.KINDS.values() if cls.__module__ == ev.DagStarted.__module__)
_WAITS = {"approval": "ask", "in_doubt": "doubt", "rate_limit": "wait"}


def draw(event: ev.Event) -> tuple[str, str, str] | None:
    """(state, kind, text), or None for an event of something else and for what another line says already."""
    drawn = _of_job(event) or _of_plan(event) or _of_run(event)
    return (drawn[0], "dag", drawn[1]) if drawn else None


def _of_job(event: ev.Event) -> tuple[str, str] | None:
    match event:
        case ev.JobStarted(job=job, attempt=attempt):
            return "run", f"{job} started" + (f", attempt {attempt}" if attempt > 1 else "")
        case ev.JobBound(job=job, run=run):
            return "run", f"{job} is {run}"
        case ev.JobWaits(job=job, why="approval", approval=approval):
            return "ask", f"{job} waits for {approval}"
        case ev.JobWaits(job=job, why="in_doubt", approval=approval):
            return "doubt", f"{job} is IN DOUBT, waits for {approval}"
        case ev.JobWaits(job=job, why=why):
            return _WAITS.get(why, "wait"), f"{job} waits: {why.replace('_', ' ')}"
        case ev.JobWent(job=job):
            return "run", f"{job} goes on"
        case ev.JobSucceeded(job=job):
            return "done", f"{job} succeeded"
        case ev.JobReused(job=job, tokens=tokens):
            return "done", f"{job}: its earlier answer stands" + (f", {tokens:,} tok saved" if tokens else "")
        case ev.JobFailed(job=job, error=error, t=t, due=due, tries=tries, of=of) if due:
            return "retry", f"{job}: try {tries + 1} of {of} in {max(0, due - t) / 1_000_000:.1f} s: {error}"
        case ev.JobFailed(job=job, error=error):
            return "fail", f"{job} failed: {error}"
        case ev.JobDeadLettered(job=job, error=error):
            return "fail", f"{job} is dead: {error}"
        case ev.JobsCancelled(jobs=jobs, reason=reason) if jobs:
            return "cancel", f"{jobs[0]} cancelled: {reason}" + (f" (+{len(jobs) - 1} more)" if len(jobs) > 1 else "")
        case ev.JobsReset(target=target, jobs=jobs, by=by, feedback=feedback, visits=visits, of=of):
            said = f": {feedback}" if feedback else ""
            if visits:
                return "retry", f"back to {target} (visit {visits} of {of}), says {by}{said}"
            more = f" and what follows ({len(jobs) - 1})" if len(jobs) > 1 else ""
            return "retry", f"{target}{more} is done anew, says {by}{said}"
        case ev.TaskFinished(value=value, error="") if value is not None:
            return "note", f"answered {value}"
        case _:
            return None


def _of_plan(event: ev.Event) -> tuple[str, str] | None:
    match event:
        case ev.PatchProposed(number=0, by=by, size=size):
            return "note", f"{_jobs(size)} planned by {by}"
        case ev.PatchProposed(by=by, size=size, drop=drop, widens=widens, reason=reason, replaced=replaced):
            what = f"+{size - replaced} -{len(drop)} ~{replaced}"
            wider = f"  WIDENS: {'; '.join(widens)}" if widens else ""
            return "ask" if widens else "note", f"{by} wants another plan: {what}" + _colon(reason) + wider
        case ev.PlanApplied(number=number, size=size, digest=digest) if number:
            return "done", f"plan {number} holds: {_jobs(size)}  (digest {digest[:12]})"
        case ev.PlanRefused(by=by, reason=reason):
            return "cancel", "the other plan is refused" + (f" by {by}" if by else "") + _colon(reason)
        case ev.PlannerStarted(number=number, by=by):
            return "run", f"the planner is asked, time {number}" + ("" if by == "drain" else f", by {by}")
        case ev.PlannerBound(run=run):
            return "run", f"the planner is {run}"
        case ev.PlannerEnded(error=error) if error:
            return "fail", f"the planner failed, the plan stays: {error}"
        case ev.PlannerEnded(done=done):
            return "done", "the planner wants nothing more" if done else "the planner has answered"
        case _:
            return None


def _of_run(event: ev.Event) -> tuple[str, str] | None:
    match event:
        case ev.DagStarted(spec=spec):
            return "run", f"started: {spec.title or spec.goal}  ({spec.concurrency} at a time, {spec.level})"
        case ev.RunStopped(job=job, reason=reason, ok=ok):
            return ("done", f"{job} ends the run: {reason}") if ok else ("fail", f"the run ends: {reason}")
        case ev.DagPaused(by=by, reason=reason, job=job):
            return "wait", (f"{job} and what follows " if job else "") + f"paused by {by}" + _colon(reason)
        case ev.DagResumed(by=by, job=job):
            return "note", (f"{job} and what follows go on" if job else "goes on") + f", by {by}"
        case ev.RunReopened(by=by, reason=reason):
            return "run", f"open again, by {by}" + _colon(reason)
        case _:
            return None


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"


def _colon(reason: str) -> str:
    return f": {reason}" if reason else ""
