"""Why a job does not run, and what comes next; the same of a graph's row. Plain (unsafe) text."""

from __future__ import annotations

from difflib import get_close_matches

from ..errors import UsageError
from ..money import dollars, from_usd
from ..views import RunRow
from .settle import Room
from .state import HOLDING, DagState, JobState

SHOWN = 3
"""Dependencies told one by one."""


def why(s: DagState, job: str, t: int, room: Room | None = None) -> str:
    """Sentences, the most pressing first; never "".

    Args:
        t: us since the run's start.
        room: what the run has left to spend, where that is known.

    Raises:
        UsageError: there is no such job.
    """
    state = s.jobs.get(job)
    if state is None:
        near = get_close_matches(job, s.jobs, 1)
        raise UsageError(f"{s.uid} has no job {job}.", f"Did you mean {near[0]}?" if near else "")
    match state.state:
        case "pending":
            reasons = [*_stops(s), *_held(s, state), _needs(s, state, t)]
        case "ready":
            reasons = _ready(s, state, room)
        case "running":
            reasons = [f"It runs, attempt {state.attempts}, for {_span(t - state.bars[-1].start)}"]
        case "retrying":
            reasons = [*_stops(s), *_held(s, state), _again(state, t)]
        case "waiting":
            reasons = [_waits(state, t)]
        case _:
            reasons = _over(s, state)
    return ". ".join(reasons) + "."


def of_row(row: RunRow) -> list[tuple[str, str]]:
    """(label, sentence) of a graph that is not over, from its row alone."""
    done, dead, gone = (row.jobs.get(word, 0) for word in ("succeeded", "dead_lettered", "cancelled"))
    counts = [f"{done} of {row.jobs.get('all', 0)} succeeded", f"{dead} dead" if dead else ""]
    facts = [("jobs", ", ".join(filter(None, [*counts, f"{gone} cancelled" if gone else ""])))]
    if row.state == "paused":
        facts.insert(
            0, ("paused", f"what is at work ends as it would; nothing more starts. Go on: dag resume {row.id}")
        )
    if row.waits:
        facts.append(("waits", f"for your decision on {row.waits}; its other jobs go on"))
    facts.append(("last", row.last))
    facts.append(("of a job", f"dag why {row.id} JOB"))
    return facts


def _stops(s: DagState) -> list[str]:
    """What keeps anything from starting."""
    if s.finished:
        return [f"The run is over: {s.finished.state}"]
    if s.cancel:
        return [f"The run was cancelled by {s.cancel.by}{_colon(s.cancel.reason)}"]
    if s.stopped:
        return [f"The run ends: {s.stopped.reason}"]
    return [f"The run is paused by {s.paused.by}{_colon(s.paused.reason)}"] if s.paused else []


def _held(s: DagState, job: JobState) -> list[str]:
    return [f"Its branch is paused; go on with: dag resume {s.uid} --job {job.spec.id}"] if job.held else []


def _needs(s: DagState, job: JobState, t: int) -> str:
    """The dependencies that are missing, those nearest to an end first as the plan names them."""
    missing = [s.jobs[dep] for dep in dict.fromkeys(job.spec.deps) if s.jobs[dep].state != "succeeded"]
    told = [f"{each.spec.id} ({_does(each, t)})" for each in missing[:SHOWN]]
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"It needs {', '.join(told)}{more}" if told else "It is next to become ready"


def _does(job: JobState, t: int) -> str:
    """What another job does, in a few words."""
    match job.state:
        case "running":
            return f"runs for {_span(t - job.bars[-1].start)}"
        case "retrying":
            return f"goes again in {_span(job.due - t)}"
        case "waiting":
            return f"waits for {job.approval or 'its model'}"
        case "pending":
            return "waits for others"
        case word:
            return word.replace("_", " ")


def _ready(s: DagState, job: JobState, room: Room | None) -> list[str]:
    reasons = [*_stops(s), *_held(s, job)]
    if s.running >= s.spec.concurrency:
        reasons.append(f"No slot is free: {s.running} of {s.spec.concurrency}")
    for name, amount in job.spec.uses.items():
        there = s.spec.resources.get(name, 1)
        if s.used.get(name, 0) + amount > there:
            users = [each.spec.id for each in s.jobs.values() if each.state in HOLDING and name in each.spec.uses]
            who = ", ".join(users[:SHOWN]) + (f" and {len(users) - SHOWN} more" if len(users) > SHOWN else "")
            reasons.append(
                f"It takes {amount} of {name}, of which {there} {'is' if there == 1 else 'are'}; in use by {who}"
            )
    reasons += _poor(job, room)
    return reasons or ["It is ready and starts next"]


def _poor(job: JobState, room: Room | None) -> list[str]:
    """Its declared budget against what is left."""
    limits, out = job.spec.budget, list[str]()
    if room is None:
        return out
    whose = room.scope or "the run"
    if limits.tokens and room.tokens is not None and limits.tokens > room.tokens:
        out.append(f"Its budget of {limits.tokens:,} tokens does not fit: {whose} has {max(0, room.tokens):,} left")
    if limits.usd is not None and room.usd is not None and from_usd(limits.usd) > room.usd:
        own, left = dollars(from_usd(limits.usd)), dollars(max(0, room.usd))
        out.append(f"Its budget of {own} does not fit: {whose} has {left} left")
    return out


def _again(job: JobState, t: int) -> str:
    tries = f"try {job.tries + 1} of {job.spec.retry.attempts}"
    return f"It goes again in {_span(job.due - t)}, {tries}; it failed: {job.error}"


def _waits(job: JobState, t: int) -> str:
    since = _span(t - job.bars[-1].start)
    if job.waits == "in_doubt":
        return f"It is in doubt: waits for your word on {job.approval}, since {since}"
    if job.waits == "approval":
        return f"It waits for your decision on {job.approval}, since {since}"
    return f"It waits for its model's patience, since {since}"


def _over(s: DagState, job: JobState) -> list[str]:
    again = f"Do it anew: dag retry {s.uid} --from {job.spec.id}"
    match job.state:
        case "succeeded" if job.reused:
            return ["Its earlier answer stands: it would be given the same", again]
        case "succeeded":
            return [f"It succeeded, attempt {job.attempts}", again]
        case "dead_lettered":
            return [f"It is dead after {job.tries} of {job.spec.retry.attempts} tries: {job.error}", again]
    cause = s.jobs.get(job.cause)
    root = f"; {job.cause}: {cause.error}" if cause and cause is not job and cause.error else ""
    return [f"It was cancelled: {job.error}{root}", f"Do anew what it was cancelled for: dag retry {s.uid}"]


def _colon(reason: str) -> str:
    return f": {reason}" if reason else ""


def _span(us: int) -> str:
    """`3.0 s`, `4 min 5 s`, `2 h 10 min`."""
    seconds = max(0, us) / 1_000_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min {int(seconds % 60)} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
