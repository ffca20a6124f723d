"""What a graph of jobs is made of, as data: jobs of seven kinds, how they are tried again, where their answers lead.

The keys are those of a plan file (`dag run FILE`). A job is of the kind whose key it has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import force_setattr

from ..messages import Risk
from ..task import Level, ModelSpec, SandboxTable

Kind = Literal["prompt", "tool", "command", "call", "wait", "gate", "verify"]
KINDS: tuple[Kind, ...] = get_args(Kind)
AGENT_KINDS = frozenset({"prompt", "tool", "command", "verify"})
"""Kinds whose attempts are agent runs: with a level, a sandbox, approvals and a budget of their own."""

JOB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,399}")
"""An id of a job, which is part of the names of its attempts. Published workflows have some of over 200 characters."""
ID_FORM = "letters, digits and . _ : -, 400 at most, a letter, digit or _ first"

CONCURRENCY = 4
MAX_REPLANS = 8
VISITS = 5
SLICE = 256
"""Jobs in one event of a plan: a large plan is written in slices, so that no transaction keeps others waiting."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a plan file: an unknown key is refused, never ignored."""


class Retry(_Table, frozen=True):
    """`retry`: how often a job is tried, and how long it waits in between; it holds no slot meanwhile.

    Attributes:
        attempts: in all, the first included.
        delay, factor, max: seconds; exponential is min(max, delay * factor ** (attempt - 1)).
        jitter: share of the delay, 0 to 1, by which it may be longer.
    """

    attempts: int = 1
    backoff: Literal["none", "fixed", "exponential"] = "none"
    delay: float = 1.0
    factor: float = 2.0
    max: float = 60.0
    jitter: float = 0.0


class Limits(_Table, frozen=True):
    """`budget` of a job or a run. tokens 0 and usd None: no limit of its own."""

    tokens: int = 0
    usd: float | None = None


class Route(_Table, frozen=True):
    """`route`: where to go after an answer; the first that fits counts, none: on with the dependents.

    Attributes:
        when: the job has succeeded, or is out of attempts.
        match: a regular expression looked for in its answer, or in what it failed of; "" = always.
        goto: the job to go back to: it and everything after it are done anew.
        stop: end the run here, as it is; the rest is cancelled and the run has succeeded.
        feedback: what the job is told beside its last answer; "" = what was matched against.
    """

    when: Literal["succeeded", "failed"] = "succeeded"
    match: str = ""
    goto: str = ""
    stop: bool = False
    feedback: str = ""


class Job(_Table, frozen=True):
    """One node of the graph.

    Attributes:
        prompt: what an agent is to do; answers of `deps` come with it as data.
        tool: one call of a tool with `arguments`.
        command: argv, run in the job's sandbox; it has succeeded when it exits with 0.
        call: `module:function` of an installed package, or the name of a function given to `Orchestrator`.
        wait: seconds.
        gate: what a person is asked; approved, it succeeds.
        verify: argv of an acceptance check; exit 0 passes, and what it printed is the reason otherwise.
        kind: follows from which of these is there.
        tools: of a prompt; None = the run's.
        level, model, sandbox: "" and None = the run's; `model` names one of the run's models.
        budget: what one attempt may spend.
        deadline: seconds of one attempt, 0 = none; of a gate, until it expires.
        uses: of each shared resource how much it takes while it runs.
        risk: what doing it twice would mean, for kinds nobody else can tell it of (`call`); "" = as if destructive.
        route: see `Route`; `router`: `module:function` that says so instead.
        visits: how often it may be gone back to.
        back: of a gate, the job a push-back goes to; "" = the one it depends on.
    """

    id: str
    deps: tuple[str, ...] = ()
    kind: Kind | None = None
    prompt: str | None = None
    tool: str | None = None
    command: tuple[str, ...] | None = None
    call: str | None = None
    wait: float | None = None
    gate: str | None = None
    verify: tuple[str, ...] | None = None
    title: str = ""
    arguments: dict[str, Any] = {}
    tools: tuple[str, ...] | None = None
    level: Level | None = None
    model: str = ""
    sandbox: SandboxTable | None = None
    max_iterations: int = 12
    retry: Retry = Retry()
    budget: Limits = Limits()
    deadline: float = 0.0
    uses: dict[str, int] = {}
    risk: Risk | Literal[""] = ""
    route: tuple[Route, ...] = ()
    router: str = ""
    visits: int = VISITS
    back: str = ""

    def __post_init__(self) -> None:
        """A kind that is named and another that is there leave none, which `Dag.from_jobs` tells of."""
        named = self.kinds
        kind = named[0] if len(named) == 1 and self.kind in (None, named[0]) else None
        if kind != self.kind:
            force_setattr(self, "kind", kind)

    @property
    def kinds(self) -> list[Kind]:
        """All kinds whose key it has."""
        has = (self.prompt, self.tool, self.command, self.call, self.wait, self.gate, self.verify)
        return [kind for kind, value in zip(KINDS, has, strict=True) if value is not None]

    @property
    def of_agent(self) -> bool:
        """Whether an attempt of it is an agent run."""
        return self.kind in AGENT_KINDS


class PlannerSpec(_Table, frozen=True):
    """`[planner]`: who is asked for more when nothing is left to do.

    Attributes:
        prompt: of an agent that answers with a patch; `call`: `module:function`, or a given function's name, that does.
        model: one of the run's models, "" = the main one.
    """

    prompt: str = ""
    call: str = ""
    model: str = ""
    tools: tuple[str, ...] = ()
    budget: Limits = Limits()


class DagSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run of a graph, settled but for its jobs, which come in slices beside it and change while it runs.

    Attributes:
        goal: of the whole, told to every prompt.
        concurrency: attempts at work at a time.
        resources: of each shared resource how much there is.
        tools, level, sandbox: of jobs that name none.
        models: `main`, and those that jobs, planner and roles name.
        max_replans: how often the planner may change the plan.
        source: the plan file, or "".
        in_process: its functions are Python objects of the caller; another process cannot recover it.
    """

    goal: str = ""
    concurrency: int = CONCURRENCY
    resources: dict[str, int] = {}
    budget: Limits = Limits()
    tools: tuple[str, ...] = ()
    level: Level = "L2"
    sandbox: SandboxTable = SandboxTable()
    models: dict[str, ModelSpec] = {}
    planner: PlannerSpec | None = None
    max_replans: int = MAX_REPLANS
    approval_life: float = 24 * 3600.0
    workspace: str = ""
    title: str = ""
    source: str = ""
    in_process: bool = False


_canonical = msgspec.json.Encoder(order="deterministic").encode


def plan_digest(jobs: Sequence[Job]) -> str:
    """SHA-256 (64 hex) over all jobs by id: what an approval of a plan pins."""
    return hashlib.sha256(_canonical(sorted(jobs, key=lambda job: job.id))).hexdigest()


def answer_json(answer: object) -> bytes:
    """An answer as JSON, the same for equal ones."""
    return _canonical(answer)


def answer_digest(answer: object) -> str:
    """SHA-256 (16 hex) over an answer as JSON; of bytes, which are that JSON already."""
    return hashlib.sha256(answer if isinstance(answer, bytes) else _canonical(answer)).hexdigest()[:16]


def job_digest(job: Job) -> str:
    """SHA-256 (16 hex) over what the job does; not over how often it is tried or where its answer leads."""
    body = [
        job.kind,
        getattr(job, job.kind or "prompt"),
        job.arguments,
        job.tools,
        job.level,
        job.model,
        job.sandbox,
        job.max_iterations,
    ]
    return hashlib.sha256(_canonical(body)).hexdigest()[:16]
