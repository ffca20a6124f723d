"""A change of the plan as a planner or an operator wants it: whether it can be at all, and why it widens.

Closed by default: what is not known to narrow widens, and then an operator decides. What a new job may do is measured
against one job of the plan as a whole (its tools, level and sandbox, and the checks before it), not against the sum of
all: two harmless jobs can make one harmful one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from ..errors import UsageError
from .graph import Dag, check_id
from .spec import Job
from .state import UNDER_WAY, DagState
from .widening import widens

MAX_JOBS = 50_000


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a planner answers, as JSON.

    Attributes:
        add: jobs whose ids are new; `replace` jobs whose ids are there; `drop` ids to take out.
        done: nothing more is wanted once the plan has been worked off.
    """

    add: tuple[Job, ...] = ()
    replace: tuple[Job, ...] = ()
    drop: tuple[str, ...] = ()
    reason: str = ""
    done: bool = False

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All it brings, as `steer.Propose` takes them."""
        return (*self.add, *self.replace)


def check(s: DagState, patch: Patch, by: str) -> tuple[str, ...]:
    """Why the patch widens what was approved, a sentence each; () = it narrows or changes no power, and may apply.

    Args:
        by: planner | operator, with a name behind a colon where there is one.

    Raises:
        UsageError: it cannot be: names that do not fit, a circle, a job at work or over, an operator's own edit, a
            value no job may have.
    """
    _check_ids(s, patch)
    if not by.startswith("operator"):
        for ident in (*(job.id for job in patch.replace), *patch.drop):
            _check_free(s, ident)
    for job in patch.jobs:
        check_values(job, s.spec.resources)
        if job.model and job.model not in s.spec.models:
            raise UsageError(f"{job.id} asks for the model {job.model}, which the run does not have.")
    dropped = set(patch.drop)
    whole = {ident: job.spec for ident, job in s.jobs.items() if ident not in dropped}
    whole |= {job.id: job for job in patch.jobs}
    if len(whole) > MAX_JOBS:
        raise UsageError(f"The plan would have {len(whole):,} jobs.", f"{MAX_JOBS:,} are the most one run takes.")
    after = Dag.from_jobs(whole.values())
    if not by.startswith("operator"):
        for job in patch.jobs:
            _check_risk(s, job)
    return widens(s, after, patch.jobs, patch.drop)


def _check_ids(s: DagState, patch: Patch) -> None:
    seen: set[str] = set()
    for ident in (*(job.id for job in patch.jobs), *patch.drop):
        if ident in seen:
            raise UsageError(f"The change names {ident} twice.", "Add, replace or drop it, once.")
        seen.add(ident)
    for job in patch.add:
        if job.id in s.jobs:
            raise UsageError(f"{job.id} is in the plan already.", "Put it under replace, or give it another id.")
    for ident in (*(job.id for job in patch.replace), *patch.drop):
        if ident not in s.jobs:
            near = get_close_matches(ident, s.jobs, 1)
            raise UsageError(f"The plan has no job {ident}.", f"Did you mean {near[0]}?" if near else "")


def _check_free(s: DagState, ident: str) -> None:
    """Whether a planner may touch this job."""
    job = s.jobs[ident]
    if job.over:
        raise UsageError(f"{ident} is over: {job.state.replace('_', ' ')}.", "Add a job instead.")
    if job.state in UNDER_WAY:
        raise UsageError(f"{ident} is at work.", "Only jobs that have not begun can be replaced or dropped.")
    if job.by.startswith("operator:"):
        raise UsageError(f"{ident} was put there by {job.by}, whose word a planner does not change.")
    if job.by.startswith("operator") and job.attempts:
        raise UsageError(f"{ident} has begun once, and an operator wrote it.", "Add a job instead.")


def _check_risk(s: DagState, job: Job) -> None:
    """That doing something twice is harmless is what only an operator can say."""
    if job.risk and not any(each.spec.risk == job.risk and each.spec.call == job.call for each in s.jobs.values()):
        raise UsageError(f"{job.id} says its risk is {job.risk}.", "Only an operator says so; leave it out.")


def check_values(job: Job, resources: Mapping[str, int]) -> None:
    """Refuse what no job can have. Raises UsageError."""
    check_id(job.id)
    retry = job.retry
    wrong = next((name for name, bad in {
        "wait": job.wait is not None and not 0 <= job.wait <= 366 * 86400,
        "deadline": not 0 <= job.deadline < math.inf,
        "retry.attempts": retry.attempts < 1,
        "retry.delay": not 0 <= retry.delay < math.inf,
        "retry.factor": not 0 < retry.factor < math.inf,
        "retry.max": not 0 <= retry.max < math.inf,
        "retry.jitter": not 0 <= retry.jitter <= 1,
        "budget.tokens": job.budget.tokens < 0,
        "budget.usd": job.budget.usd is not None and not 0 <= job.budget.usd < math.inf,
        "max_iterations": job.max_iterations < 0,
        "visits": job.visits < 1,
        "command": job.command == (),
        "verify": job.verify == (),
        "tool": job.tool == "",
        "call": job.call == "",
    }.items() if bad), "")  # fmt: skip
    if wrong:
        raise UsageError(f"{job.id} has a {wrong} that cannot be.")
    for name, amount in job.uses.items():
        if not 0 <= amount <= resources.get(name, 1):
            there = resources.get(name, 1)
            raise UsageError(f"{job.id} uses {amount} of {name}, of which there is {there}: it could never start.")
    for route in job.route:
        try:
            re.compile(route.match)
        except re.error as error:
            raise UsageError(f"{job.id} has a route whose match is no regular expression: {error}.") from None
