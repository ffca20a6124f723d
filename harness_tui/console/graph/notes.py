"""What a job needs or what became of it, in a few words: the last column of the outline."""

from __future__ import annotations

from itertools import islice

from ...domain.dag.state import DagState, JobState
from ...domain.safetext import clip
from ..panes.words import SECOND, age
from .look import Look
from .names import middle

TEXT = 200
NAMES = 4
"""Missing dependencies that are named; the others are counted."""
NAME = 24


def note(s: DagState, job: JobState, look: Look) -> str:
    """Safe text on one line, "" where the state says it all."""
    match job.state:
        case "pending":
            return _missing(s, job)
        case "ready":
            return "the run is paused" if s.paused else "" if job.held else "a slot"
        case "running":
            return _times(job)
        case "retrying":
            left = max(0, job.due - look.now_t)
            return f"try {job.tries + 1} of {job.spec.retry.attempts} in {_seconds(left)}: {clip(job.error, TEXT)}"
        case "waiting":
            return _waits(job, look)
        case "succeeded":
            return "reused" if job.reused else f"after {job.tries} tries" if job.tries > 1 else ""
        case "dead_lettered":
            return f"dead letter: {clip(job.error, TEXT)}" + (f" x{job.tries}" if job.tries > 1 else "")
    if job.cause and job.error == f"{job.cause} is dead":
        return f"dep {middle(job.cause, NAME)} dead"
    return clip(job.error, TEXT)


def _missing(s: DagState, job: JobState) -> str:
    """`approve-plan score-b +3`."""
    deps = dict.fromkeys(job.spec.deps)
    missing = (dep for dep in deps if dep not in s.jobs or s.jobs[dep].state != "succeeded")
    named = [middle(dep, NAME) for dep in islice(missing, NAMES)]
    more = job.unmet - len(named)
    return " ".join([*named, f"+{more}"] if more > 0 else named)


def _times(job: JobState) -> str:
    parts = [f"try {job.tries} of {job.spec.retry.attempts}"] if job.tries > 1 else []
    parts += [f"visit {job.visits} of {job.spec.visits}"] if job.visits > 1 else []
    return ", ".join(parts)


def _waits(job: JobState, look: Look) -> str:
    if job.waits == "rate_limit":
        return f"rate limit, {_seconds(max(0, job.until - look.now))}" if job.until else "rate limit"
    what = "in doubt" if job.waits == "in_doubt" else "human gate" if job.spec.gate is not None else "approval"
    return f"{clip(job.approval, NAME)} {what}".strip()


def _seconds(us: int) -> str:
    """`3 s`, `4m`."""
    return f"{-(-us // SECOND)} s" if us < 60 * SECOND else age(us)
