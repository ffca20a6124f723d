"""Events of a graph's run: its plan in slices, the fate of each job, and what attempts without an agent came to.

`t` is microseconds since the run's start on a clock that does not jump. An attempt `r20/a#1` begins with the run's
`JobStarted` and has a stream of its own, where its result is stored alone (`TaskFinished`); an attempt by an agent is a
run (`r31`), named by `JobBound`.
"""

from __future__ import annotations

from typing import Any

from ..dag.spec import DagSpec, Job
from .base import Event


class DagStarted(Event, frozen=True):
    """Attributes: may: risk class -> acts | asks | cannot, over all its jobs."""

    spec: DagSpec
    may: dict[str, str] = {}


class PatchProposed(Event, frozen=True):
    """Somebody wants the plan changed; the jobs to add or replace follow in `JobsPlanned`.

    Attributes:
        number: 0 = the first plan.
        by: operator | planner, with a name behind a colon where there is one (`operator:ada@pts/1`).
        drop: ids to take out.
        size: how many jobs follow; `replaced` of them are there already.
        widens: why it must be approved, a sentence each; () = it applies.
    """

    number: int
    by: str
    size: int
    drop: tuple[str, ...] = ()
    widens: tuple[str, ...] = ()
    reason: str = ""
    replaced: int = 0


class JobsPlanned(Event, frozen=True):
    """A slice of what is proposed."""

    jobs: tuple[Job, ...]


class PlanApplied(Event, frozen=True):
    """What was proposed holds.

    Attributes:
        digest: over all jobs as they are now (64 hex); `size` how many these are.
        undone: of the jobs that were taken out, how many had ended with which word.
    """

    number: int
    digest: str
    size: int
    undone: dict[str, int] = {}


class PlanRefused(Event, frozen=True):
    """What was proposed does not hold; `by` is who refused it."""

    number: int
    by: str
    reason: str


class PlannerStarted(Event, frozen=True):
    """The planner is asked; `by` is who wanted it ("drain", or an operator)."""

    number: int
    by: str = "drain"


class PlannerBound(Event, frozen=True):
    """The agent run that plans."""

    run: str


class PlannerEnded(Event, frozen=True):
    """Attributes: done: it wants nothing changed. error: it could not answer; the plan stays as it is."""

    done: bool
    error: str = ""
    tokens: int = 0
    usd: int | None = 0


class JobStarted(Event, frozen=True):
    """Attributes:
    attempt: from 1, over all visits.
    inputs: over what it does and what it is given (16 hex).
    """

    job: str
    attempt: int
    inputs: str
    t: int


class JobBound(Event, frozen=True):
    """The agent run that is its attempt."""

    job: str
    run: str


class JobWaits(Event, frozen=True):
    """It waits, and holds no slot. why: approval | rate_limit | in_doubt. until: us of wall clock, 0 = nobody knows."""

    job: str
    why: str
    t: int
    approval: str = ""
    until: int = 0


class JobWent(Event, frozen=True):
    """It goes on."""

    job: str
    t: int


class JobSucceeded(Event, frozen=True):
    """Attributes: result: over what it answered (16 hex). usd: nano-dollars, None = unknown."""

    job: str
    result: str
    t: int
    tokens: int = 0
    usd: int | None = 0


class JobFailed(Event, frozen=True):
    """An attempt failed. `due`: when it is tried again, in `t`; 0 = it is not. `tries` it had, `of` how many."""

    job: str
    error: str
    t: int
    due: int = 0
    tokens: int = 0
    usd: int | None = 0
    tries: int = 0
    of: int = 0


class JobDue(Event, frozen=True):
    """Its backoff is over."""

    job: str
    t: int


class JobDeadLettered(Event, frozen=True):
    """It is not tried any more; everything that depends on it is cancelled."""

    job: str
    error: str
    t: int


class JobsCancelled(Event, frozen=True):
    """Attributes: cause: the job whose end did that, or "". by: the operator who did, or ""."""

    jobs: tuple[str, ...]
    reason: str
    t: int
    cause: str = ""
    by: str = ""


class JobReused(Event, frozen=True):
    """It would be given what it was given before, so its answer stands; tokens and usd are what that saves."""

    job: str
    t: int
    tokens: int = 0
    usd: int | None = 0


class JobsReset(Event, frozen=True):
    """Done anew from `target` on.

    Attributes:
        jobs: `target` and what follows from it; `undone`: how many of them had ended with which word.
        by: the job whose answer led back, or who wanted it (`operator:...`).
        feedback: what `target` is told beside its last answer.
        visit: it counts against the job's visits: a route led here, for the time `visits` of at most `of`.
    """

    target: str
    jobs: tuple[str, ...]
    by: str
    feedback: str = ""
    visit: bool = False
    undone: dict[str, int] = {}
    visits: int = 0
    of: int = 0


class RunStopped(Event, frozen=True):
    """This is all, the rest is cancelled: a route said so and the run has succeeded (`ok`), or nothing is left to
    spend and it has failed."""

    job: str
    reason: str
    ok: bool = True


class DagPaused(Event, frozen=True):
    """Nothing more starts: of the run, or of `job` and what follows from it."""

    by: str
    reason: str = ""
    job: str = ""


class DagResumed(Event, frozen=True):
    by: str
    job: str = ""


class TaskResumed(Event, frozen=True):
    """An attempt without an agent is done again after a crash: it had begun, and had no result."""

    kind: str


class TaskFinished(Event, frozen=True):
    """Attributes:
    value: what it answered, as JSON; None where `blob` has it.
    blob: SHA-256 of a long answer.
    error: "" = it succeeded.
    """

    value: Any = None
    blob: str = ""
    error: str = ""
