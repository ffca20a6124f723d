"""Commands a front end sends and what it gets back. Imperatives; every one is answered or refused with a sentence."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..domain.dag.spec import DagSpec, Job
from ..domain.events import Decision
from ..domain.loop.spec import LoopSpec
from ..domain.rules import Rule
from ..domain.task import Level, RunSpec


class Command(msgspec.Struct, frozen=True, tag_field="cmd", omit_defaults=True):
    """Base of all commands."""


class StartRun(Command, frozen=True, tag="start_run"):
    """Start a run; answers its id. `secrets` (name -> value) stay in the engine's memory and are never stored."""

    spec: RunSpec
    secrets: dict[str, str] = {}


class CancelRun(Command, frozen=True, tag="cancel_run"):
    run: str
    by: str
    reason: str = ""


class CancelAll(Command, frozen=True, tag="cancel_all"):
    """The kill switch: every open run is cancelled. Answers how many."""

    by: str
    reason: str = ""


class SetBudget(Command, frozen=True, tag="set_budget"):
    """Limits of an open run (`run:r17`) or of every day (`day`). tokens 0 = none; usd in nano-dollars, None = none."""

    scope: str
    tokens: int
    usd: int | None
    by: str


class SetSecret(Command, frozen=True, tag="set_secret"):
    """Hand the engine a secret for as long as its process lives; it is never stored."""

    name: str
    value: str


class Decide(Command, frozen=True, tag="decide"):
    """Approve, deny or push back; refused when late, twice or with another digest, saying who and when.

    `reason`: of a denial, which the agent reads; of a push-back what the maker is to do differently.
    """

    approval: str
    digest: str
    decision: Decision
    by: str
    reason: str = ""


class EditApproval(Command, frozen=True, tag="edit_approval"):
    """Put something else in the place of what is asked for; it still has to be approved, under its new digest.

    Attributes:
        arguments: of a call, whole; refused when they do not fit the tool's schema or policy refuses the call.
        diff: of a loop's change, whole, in git's format; refused when it does not apply to the change's base.
    """

    approval: str
    digest: str
    by: str
    arguments: dict[str, Any] | None = None
    diff: str | None = None


class Resolve(Command, frozen=True, tag="resolve"):
    """The operator's word on an in-doubt effect."""

    approval: str
    digest: str
    resolution: Literal["happened", "did_not", "again"]
    by: str
    reason: str = ""


class AddRule(Command, frozen=True, tag="add_rule"):
    """Put a rule in force; answers its id, which the engine gives. What `by` the rule names is not heard."""

    rule: Rule
    by: str


class RevokeRule(Command, frozen=True, tag="revoke_rule"):
    rule: str
    by: str


class TrustWorkspace(Command, frozen=True, tag="trust_workspace"):
    """Trust what is interpreted of a directory (absolute, real) as long as its content has this digest."""

    path: str
    digest: str
    by: str


class DistrustWorkspace(Command, frozen=True, tag="distrust_workspace"):
    path: str
    by: str


class AddLoop(Command, frozen=True, tag="add_loop"):
    """Register a loop, or pin one of that name anew. Answers its id.

    Attributes:
        source: absolute path of the loop file, or `pattern:NAME`; `source_digest`: see `LoopAdded`.
        fast: it may fire more often than once a minute.
    """

    spec: LoopSpec
    source: str
    source_digest: str
    by: str
    fast: bool = False


class RemoveLoop(Command, frozen=True, tag="remove_loop"):
    """It fires no more; what it did stays on record. Changes that wait can still be decided."""

    loop: str
    by: str


class RunLoop(Command, frozen=True, tag="run_loop"):
    """A round now. Answers the round's id."""

    loop: str
    by: str


class BackfillLoop(Command, frozen=True, tag="backfill_loop"):
    """A round for each scheduled time in [start, end] (us) that had none, oldest first, one after the other."""

    loop: str
    start: int
    end: int
    by: str


class PauseLoop(Command, frozen=True, tag="pause_loop"):
    """`until`: us, 0 = until it is resumed. A running round ends as it would."""

    loop: str
    by: str
    reason: str = ""
    until: int = 0


class ResumeLoop(Command, frozen=True, tag="resume_loop"):
    loop: str
    by: str


class SetLevel(Command, frozen=True, tag="set_level"):
    """Promote (one step, on evidence and after a drill) or demote (any step, at once)."""

    loop: str
    level: Level
    by: str
    reason: str = ""


class StartDag(Command, frozen=True, tag="start_dag"):
    """Start a graph of jobs; answers its id. Whoever sends it approves its plan.

    Attributes:
        secrets: as of `StartRun`.
    """

    spec: DagSpec
    jobs: tuple[Job, ...]
    by: str
    secrets: dict[str, str] = {}


class CancelJob(Command, frozen=True, tag="cancel_job"):
    """Cancel a job of a graph and everything after it."""

    run: str
    job: str
    by: str
    reason: str = ""


class PauseDag(Command, frozen=True, tag="pause_dag"):
    """Start nothing more, of the run or of the branch that begins with `job`. What is at work ends as it would."""

    run: str
    by: str
    reason: str = ""
    job: str = ""


class ResumeDag(Command, frozen=True, tag="resume_dag"):
    """Go on, with the run or with a branch."""

    run: str
    by: str
    job: str = ""


class RetryDag(Command, frozen=True, tag="retry_dag"):
    """Do `job` anew ("" = everything that failed), and of what follows only what is then given something else.

    A run that was over goes on. `feedback` is what the job is told beside its last answer.
    """

    run: str
    by: str
    job: str = ""
    feedback: str = ""


class ReplanDag(Command, frozen=True, tag="replan_dag"):
    """Change the plan by hand (the operator's word is its approval), or, with nothing to change, ask the planner now.

    Attributes:
        jobs: to add, or to replace where the id is there; `drop` ids to take out.
    """

    run: str
    by: str
    jobs: tuple[Job, ...] = ()
    drop: tuple[str, ...] = ()
    reason: str = ""


class StopEngine(Command, frozen=True, tag="stop_engine"):
    """Clean stop: parked and running runs are left for the next engine to continue. now = do not drain."""

    now: bool = False


AnyCommand = (
    StartRun
    | CancelRun
    | CancelAll
    | SetBudget
    | SetSecret
    | Decide
    | EditApproval
    | Resolve
    | AddLoop
    | RemoveLoop
    | RunLoop
    | BackfillLoop
    | PauseLoop
    | ResumeLoop
    | SetLevel
    | StartDag
    | CancelJob
    | PauseDag
    | ResumeDag
    | RetryDag
    | ReplanDag
    | AddRule
    | RevokeRule
    | TrustWorkspace
    | DistrustWorkspace
    | StopEngine
)


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a command came to: `id` of the run or approval, `text` one sentence for a person.

    Attributes:
        digest: of an edit, what the request shows now.
    """

    id: str = ""
    text: str = ""
    digest: str = ""
