"""What an operator wants of a run at work: cancel, pause, go on, try again, another plan; and words on what waits."""

from __future__ import annotations

import msgspec

from .. import events as ev
from ..errors import UsageError
from ..events import Event
from ..inputs import Decided, Resolved
from .decide import dead, reset, reset_of, sent_back, undone
from .spec import SLICE, Job, answer_digest, plan_digest
from .state import UNDER_WAY, DagState, JobState


class Cancel(msgspec.Struct, frozen=True):
    """End the run, or the branch that begins with `job`."""

    by: str
    reason: str = ""
    job: str = ""


class Pause(msgspec.Struct, frozen=True):
    """Start nothing more, of the run or of the branch that begins with `job`."""

    by: str
    reason: str = ""
    job: str = ""


class Resume(msgspec.Struct, frozen=True):
    by: str
    job: str = ""


class Retry(msgspec.Struct, frozen=True):
    """Do `job` anew, and of what follows from it whatever is then given something else; "" = all that failed.

    Attributes:
        feedback: what the job is told beside its last answer.
    """

    by: str
    job: str = ""
    feedback: str = ""


class Propose(msgspec.Struct, frozen=True):
    """Change the plan. Jobs whose id is there already replace it.

    Attributes:
        widens: why it needs an approval, a sentence each; () = it applies at once.
    """

    by: str
    jobs: tuple[Job, ...] = ()
    drop: tuple[str, ...] = ()
    widens: tuple[str, ...] = ()
    reason: str = ""


Word = Cancel | Pause | Resume | Retry | Decided | Resolved


def steer(s: DagState, x: Word, t: int) -> list[Event]:
    """The events of a word, at `t`. Raises UsageError when it fits nothing here; () when it comes too late."""
    match x:
        case Cancel():
            return _cancel(s, x, t)
        case Pause():
            return _pause(s, x)
        case Resume():
            return _resume(s, x)
        case Retry():
            return _retry(s, x, t)
        case Resolved():
            return _resolved(s, x, t)
        case Decided():
            return _decided(s, x, t)


def _job(s: DagState, ident: str) -> JobState:
    if ident not in s.jobs:
        from difflib import get_close_matches

        near = get_close_matches(ident, s.jobs, 1)
        hint = f"Did you mean {near[0]}?" if near else f"List them with: harness-tui dag show {s.uid}"
        raise UsageError(f"{s.uid} has no job {ident}.", hint)
    return s.jobs[ident]


class RunOver(UsageError):
    """A word on a run that has ended."""


def check_open(s: DagState) -> None:
    """Raises RunOver when the run has ended."""
    if s.finished:
        raise RunOver(f"{s.uid} is over: {s.finished.state}.", f"Try again with: harness-tui dag retry {s.uid}")


def _cancel(s: DagState, x: Cancel, t: int) -> list[Event]:
    check_open(s)
    if not x.job:
        return [] if s.cancel else [ev.CancelRequested(x.by, x.reason)]
    if _job(s, x.job).over:
        raise UsageError(f"{x.job} is over: {s.jobs[x.job].state}.")
    rest = tuple(ident for ident in reset_of(s, x.job) if not s.jobs[ident].over)
    why = f"cancelled by {x.by}" + (f": {x.reason}" if x.reason else "")
    return [ev.JobsCancelled(rest, why, t, x.job, x.by)]


def _pause(s: DagState, x: Pause) -> list[Event]:
    check_open(s)
    if s.paused and not x.job:
        raise UsageError(f"{s.uid} is paused already, by {s.paused.by}.")
    if x.job:
        _job(s, x.job)
    return [ev.DagPaused(x.by, x.reason, x.job)]


def _resume(s: DagState, x: Resume) -> list[Event]:
    check_open(s)
    held = _job(s, x.job).held if x.job else any(job.held for job in s.jobs.values())
    if not held and (x.job or not s.paused):
        raise UsageError(f"{x.job or s.uid} is not paused.")
    return [ev.DagResumed(x.by, x.job)]


def _retry(s: DagState, x: Retry, t: int) -> list[Event]:
    """From a job on; or every dead letter and what was cancelled, each from where it begins."""
    if x.job:
        _job(s, x.job)
        targets = [x.job]
    else:
        lost = [ident for ident in s.dag.order if s.jobs[ident].state in ("dead_lettered", "cancelled")]
        after = set(s.dag.after(lost))
        targets = [ident for ident in lost if ident not in after]
        if not targets:
            raise UsageError(f"Nothing of {s.uid} failed.", "Name a job: harness-tui dag retry RUN --from JOB")
    out: list[Event] = [ev.RunReopened(x.by, "tried again")] if s.finished else []
    seen: set[str] = set()
    for ident in targets:
        again = [each for each in reset_of(s, ident) if each not in seen]
        seen.update(again)
        unmet = [dep for dep in s.jobs[ident].spec.deps if s.jobs[dep].state in ("dead_lettered", "cancelled")]
        if x.job and unmet:
            raise UsageError(f"{ident} needs {unmet[0]}, which is {s.jobs[unmet[0]].state.replace('_', ' ')}.")
        out.append(reset(s, ident, again, x.by, x.feedback))
    return out


def _decided(s: DagState, x: Decided, t: int) -> list[Event]:
    """A gate's decision, or one on the plan. Too late: ()."""
    if x.approval not in s.requests:
        return []
    word = ev.ApprovalDecided(x.approval, x.decision, x.by, x.digest, x.reason)
    ident = s.requests[x.approval]
    if not ident:
        return [word, *_plan_decided(s, x)]
    why = f": {x.reason}" if x.reason else ""
    if x.decision == "approved":
        return [word, ev.JobSucceeded(ident, answer_digest(x.reason), t)]
    failed = ev.JobFailed(ident, f"{x.decision.replace('_', ' ')} by {x.by}{why}", t)
    gate = s.jobs[ident].spec
    if x.decision == "pushed_back":
        goal = gate.back or (gate.deps[0] if len(gate.deps) == 1 else "")
        if not goal:
            raise UsageError(f"{ident} does not say which job a push-back goes to.", 'Its key is: back = "JOB"')
        return [word, failed, *sent_back(s, goal, ident, x.reason, t, failed=True)]
    return [word, failed, *dead(s, ident, failed.error, t)]


def expired(s: DagState, approval: str, t: int) -> list[Event]:
    """Nobody decided in time."""
    ident = s.requests.get(approval)
    if ident is None:
        return []
    if not ident:
        number = s.proposed.number if s.proposed else 0
        return [ev.ApprovalExpired(approval), ev.PlanRefused(number, "", "nobody decided in time")]
    failed = ev.JobFailed(ident, "nobody decided in time", t)
    return [ev.ApprovalExpired(approval), failed, *dead(s, ident, failed.error, t)]


def _resolved(s: DagState, x: Resolved, t: int) -> list[Event]:
    """An attempt in doubt: it happened (what it answered is not known), it did not, or it is to be done again."""
    ident = s.requests.get(x.approval)
    if not ident:
        return []
    word = ev.ApprovalResolved(x.approval, x.resolution, x.by, x.reason)
    if x.resolution == "happened":
        return [word, ev.JobSucceeded(ident, answer_digest(x.reason), t)]
    if x.resolution == "again":
        return [word, ev.JobWent(ident, t)]
    error = f"it did not happen, says {x.by}"
    return [word, ev.JobFailed(ident, error, t), *dead(s, ident, error, t)]


# -- the plan -------------------------------------------------------------------------------------------------------


def proposal(s: DagState, x: Propose) -> list[list[Event]]:
    """A change of the plan in slices, an append each: the last one applies it unless it widens."""
    number = 0 if not s.plans else s.plans
    replaced = sum(job.id in s.jobs for job in x.jobs)
    head = ev.PatchProposed(number, x.by, len(x.jobs), x.drop, x.widens, x.reason, replaced)
    slices = [x.jobs[at : at + SLICE] for at in range(0, len(x.jobs), SLICE)] or [()]
    out: list[list[Event]] = [[ev.JobsPlanned(each)] if each else [] for each in slices]
    out[0].insert(0, head)
    return out


def applied(s: DagState) -> list[Event]:
    """What is proposed holds from now on. Attempts it replaces are over, and so is what they led to."""
    patch = s.proposed
    assert patch is not None
    kept = {ident: job.spec for ident, job in s.jobs.items() if ident not in patch.drop}
    fresh = {job.id: job for job in s.staged}
    replaced = [ident for ident in fresh if ident in kept]
    seen = set(patch.drop)
    out: list[Event] = []
    lost = [ident for ident, job in s.jobs.items() if job.state == "cancelled" and job.cause in patch.drop]
    for ident in (*replaced, *lost):
        if ident not in seen:
            again = [each for each in reset_of(s, ident) if each not in seen]
            seen.update(again)
            out.append(reset(s, ident, again, patch.by))
    whole = kept | fresh
    return [*out, ev.PlanApplied(patch.number, plan_digest([*whole.values()]), len(whole), undone(s, patch.drop))]


def _begun(s: DagState) -> str:
    """A job that what is proposed would replace or drop, and that is at work or over by now: it was not when asked."""
    drop = s.proposed.drop if s.proposed else ()
    touched = (*drop, *(job.id for job in s.staged if job.id in s.jobs))
    return next((ident for ident in touched if s.jobs[ident].state in (*UNDER_WAY, "succeeded")), "")


def _plan_decided(s: DagState, x: Decided) -> list[Event]:
    number = s.proposed.number if s.proposed else 0
    if x.decision == "approved":
        begun = _begun(s)
        return [ev.PlanRefused(number, "", f"{begun} has begun since this was asked")] if begun else applied(s)
    return [ev.PlanRefused(number, x.by, x.reason or x.decision.replace("_", " "))]
