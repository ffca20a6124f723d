"""What follows from what happened to an attempt: success, another try, a dead letter, the way back along a route.

Pure: the same state and input give the same events. An input about an attempt that is no longer the job's newest, or
of a job that has moved on, decides nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from .. import events as ev
from ..events import Event
from .spec import Retry, Route
from .state import DagState, JobState

SAID = 600
"""Characters of an error that are kept in the run's own stream; the attempt has the whole."""


class Ended(msgspec.Struct, frozen=True):
    """An attempt is over.

    Attributes:
        error: "" = it succeeded.
        result: over its answer (16 hex); `text` what routes are matched against.
        final: another try cannot help: it was denied, or cancelled by hand.
        exhausted: what of the run's own or the day's ran out under it, a sentence, or "": the rest has no chance.
        route: where a router function says to go, instead of the job's own routes.
    """

    job: str
    attempt: int
    error: str = ""
    result: str = ""
    text: str = ""
    tokens: int = 0
    usd: int | None = 0
    final: bool = False
    exhausted: str = ""
    route: Route | None = None


class Waits(msgspec.Struct, frozen=True):
    """An attempt waits for a person or for a model's patience; `request` where the run itself asks (gate, in doubt)."""

    job: str
    attempt: int
    why: Literal["approval", "rate_limit", "in_doubt"]
    approval: str = ""
    until: int = 0
    request: ev.ApprovalRequested | None = None


class Went(msgspec.Struct, frozen=True):
    """It waits no more, and is at work."""

    job: str
    attempt: int


class Due(msgspec.Struct, frozen=True):
    """The backoff of a job may be over."""

    job: str


class Bound(msgspec.Struct, frozen=True):
    """Which agent run an attempt is."""

    job: str
    attempt: int
    run: str


Fate = Ended | Waits | Went | Due | Bound


def decide(s: DagState, x: Fate, t: int) -> list[Event]:
    """The events of one input, at `t` (us since the run's start)."""
    job = s.jobs.get(x.job)
    if job is None:
        return []
    if isinstance(x, Due):
        return [ev.JobDue(x.job, t)] if job.state == "retrying" and job.due <= t else []
    if job.attempts != x.attempt or job.state not in ("running", "waiting"):
        return []
    match x:
        case Ended():
            return ended(s, job, x, t)
        case Waits() if job.state == "running" or job.approval != x.approval:
            asked = [x.request] if x.request else []
            return [*asked, ev.JobWaits(x.job, x.why, t, x.approval, x.until)]
        case Went() if job.state == "waiting":
            return [ev.JobWent(x.job, t)]
        case Bound() if not job.child:
            return [ev.JobBound(x.job, x.run)]
    return []


def ended(s: DagState, job: JobState, x: Ended, t: int) -> list[Event]:
    """What an attempt's end leads to."""
    if not x.error:
        routed = _routed(s, job, "succeeded", x, t) if x.route or job.spec.route else []
        if routed and isinstance(routed[0], ev.JobDeadLettered):  # it answered, and its answer led nowhere
            return [ev.JobFailed(x.job, routed[0].error, t, 0, x.tokens, x.usd), *routed]
        return [ev.JobSucceeded(x.job, x.result, t, x.tokens, x.usd), *routed]
    if x.exhausted:
        failed = ev.JobFailed(x.job, _short(x.error), t, 0, x.tokens, x.usd)
        dead_letter = ev.JobDeadLettered(x.job, _short(x.error), t)
        return [failed, dead_letter, ev.RunStopped(x.job, x.exhausted, ok=False)]
    again = not x.final and job.tries < job.spec.retry.attempts
    due = max(1, t + int(delay(job.spec.retry, job.tries, f"{s.uid}/{x.job}#{x.attempt}") * 1_000_000)) if again else 0
    failed = ev.JobFailed(
        x.job, _short(x.error), t, due, x.tokens, x.usd, job.tries if due else 0, job.spec.retry.attempts if due else 0
    )
    if again:
        return [failed]
    routed = _routed(s, job, "failed", x, t)
    return [failed, *(routed or dead(s, x.job, x.error, t))]


def dead(s: DagState, job: str, error: str, t: int) -> list[Event]:
    """A dead letter, and the end of everything that depends on it, however far."""
    return [ev.JobDeadLettered(job, _short(error), t), *bereaved(s, (job,), f"{job} is dead", t, job)]


def bereaved(s: DagState, jobs: Iterable[str], reason: str, t: int, cause: str = "", by: str = "") -> list[Event]:
    """Cancel what follows from these jobs and is not over."""
    lost = sorted((ident for ident in s.dag.after(jobs) if not s.jobs[ident].over), key=lambda i: s.jobs[i].index)
    return [ev.JobsCancelled(tuple(lost), reason, t, cause, by)] if lost else []


def delay(retry: Retry, tries: int, key: str) -> float:
    """Seconds before the try after `tries`; the jitter is the same whenever it is asked for."""
    if retry.backoff == "none":
        return 0.0
    seconds = retry.delay
    if retry.backoff == "exponential":
        seconds = min(retry.max, seconds * retry.factor ** min(tries - 1, 64))
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
    return seconds * (1 + retry.jitter * share)


def _routed(s: DagState, job: JobState, when: str, x: Ended, t: int) -> list[Event]:
    """Where the answer leads, unless it is on with the dependents."""
    text = x.error if when == "failed" else x.text
    route = x.route or next((each for each in job.spec.route if each.when == when and _fits(each, text)), None)
    if route is None:
        return []
    if route.stop:
        return [ev.RunStopped(x.job, _short(route.feedback or text))]
    feedback = route.feedback or text
    return sent_back(s, route.goto, x.job, feedback, t, failed=when == "failed") if route.goto else []


def sent_back(s: DagState, goal: str, by: str, feedback: str, t: int, *, failed: bool) -> list[Event]:
    """Back to `goal`, as often as its visits allow; after that whoever sends is a dead letter, with the count.

    Args:
        failed: `by` has no answer, so it is done anew as well, also where it does not come after `goal`.
    """
    target = s.jobs.get(goal)
    if target is None:
        return dead(s, by, f"it leads to {goal}, which is no longer in the plan", t)
    if target.visits >= target.spec.visits:
        return dead(s, by, f"{goal} was done {target.visits} times and did not converge: {feedback}", t)
    again = reset_of(s, goal)
    again += (by,) if failed and by not in again else ()
    back = reset(s, goal, again, by, feedback[:SAID], visit=True)
    if not failed and by in again:  # its success goes before, in the same step
        back.undone["succeeded"] = back.undone.get("succeeded", 0) + 1
    return [back]


def reset(
    s: DagState, target: str, jobs: Iterable[str], by: str, feedback: str = "", *, visit: bool = False
) -> ev.JobsReset:
    """`target` is done anew, and with it these jobs."""
    again = tuple(jobs)
    known = s.jobs[target]
    count, of = (known.visits + 1, known.spec.visits) if visit else (0, 0)
    return ev.JobsReset(target, again, by, feedback, visit, undone(s, again), count, of)


def undone(s: DagState, jobs: Iterable[str]) -> dict[str, int]:
    """How many of these jobs have ended with which word."""
    return dict(Counter(s.jobs[ident].state for ident in jobs if s.jobs[ident].over))


def reset_of(s: DagState, goal: str) -> tuple[str, ...]:
    """`goal` and everything after it."""
    return (goal, *sorted(s.dag.after((goal,)), key=lambda ident: s.jobs[ident].index))


def _fits(route: Route, text: str) -> bool:
    return not route.match or re.search(route.match, text) is not None


def _short(text: str) -> str:
    return text if len(text) <= SAID else f"{text[: SAID - 3]}..."


def inputs_of(s: DagState, job: JobState) -> str:
    """Over what it does and what it is given (16 hex): equal means that its earlier answer still stands."""
    whole = hashlib.sha256(job.digest.encode())
    for dep in job.spec.deps:
        good = s.jobs[dep].good
        whole.update(f"{dep}={good.result if good else ''};".encode())
    if job.feedback:
        whole.update(job.feedback.encode())
    return whole.hexdigest()[:16]
