"""The state of a graph's run: its jobs, what is ready, and what its slots and resources are taken by."""

from __future__ import annotations

from typing import Literal

import msgspec

from .. import events as ev
from .graph import Dag
from .spec import DagSpec, Job

Word = Literal["pending", "ready", "running", "retrying", "waiting", "succeeded", "dead_lettered", "cancelled"]
OVER = frozenset({"succeeded", "dead_lettered", "cancelled"})
UNDER_WAY = frozenset({"running", "retrying", "waiting"})
HOLDING = frozenset({"running", "waiting"})
"""States that hold what the job uses: a waiting attempt goes on by itself, and must find what it shares as it was."""


class Bar(msgspec.Struct, array_like=True):
    """A stretch of a job's time; `end` -1 = it lasts. what: run | ask | limit | retry | doubt."""

    start: int
    end: int
    what: str


class Good(msgspec.Struct, array_like=True):
    """Its last success: what it was given and answered (hashes), who has the answer, and what that cost."""

    inputs: str
    result: str
    child: str
    tokens: int = 0
    usd: int | None = 0


class JobState(msgspec.Struct, omit_defaults=True):
    """One job.

    Attributes:
        attempts: begun in all, over all visits: exact also after crashes and replans. `tries`: since it was last set
            back, which is what its retry policy counts.
        visits: how often it was entered, by the plan or by a route.
        child: stream of its newest attempt: `r20/a#1`, or an agent run (`r31`), "" while that is not there yet.
        children: all agent runs that were attempts of it.
        inputs: what the newest attempt was given (hash).
        waits: what it waits for: approval | rate_limit | in_doubt, or ""; `approval` its id; `until` us of wall clock.
        due: when it is tried again, in `t`.
        by: who wrote it into the plan: operator | planner, with a name behind a colon.
        cause: the job whose end cancelled it.
        feedback, prior: why it came back, and who has its last answer.
        anew: it is not to be answered with its earlier success.
        tokens, usd: of all its attempts, the failed ones included.
        reused: its newest success is an earlier one.
    """

    spec: Job
    state: Word = "pending"
    attempts: int = 0
    tries: int = 0
    visits: int = 1
    child: str = ""
    children: list[str] = []
    inputs: str = ""
    good: Good | None = None
    waits: str = ""
    approval: str = ""
    until: int = 0
    due: int = 0
    error: str = ""
    cause: str = ""
    by: str = "operator"
    feedback: str = ""
    prior: str = ""
    anew: bool = False
    reused: bool = False
    tokens: int = 0
    usd: int | None = 0
    bars: list[Bar] = []
    held: bool = False
    index: int = 0
    unmet: int = 0
    digest: str = ""

    @property
    def started(self) -> int | None:
        """When its first attempt began, in `t`."""
        return self.bars[0].start if self.bars else None

    @property
    def ended(self) -> int | None:
        """When it was over, in `t`; None while it is not, or when it never began."""
        return self.bars[-1].end if self.state in OVER and self.bars else None

    @property
    def over(self) -> bool:
        return self.state in OVER


class DagState:
    """One run of a graph.

    Attributes:
        jobs: in the plan's order, those added later behind.
        dag: the shape of the plan as it is now; `checked` that of a first plan, found before it was written.
        proposed, staged: a change of the plan on its way, and its jobs so far; `asked` the request about it, or "".
        replans: changes the planner was asked for; `planning`: it is at work; `planner` its run.
        digest: of the plan that holds.
        gone: attempts of jobs that were taken out: one of the same id that comes later goes on counting, since the
            streams of those are there.
        paused: why nothing starts, or None.
        running: attempts that hold a slot; `used` what these and the waiting ones take of each resource.
        ready: heap of (-jobs below, index, id); entries of jobs that are no longer ready are skipped.
        able: jobs that are ready, the held ones, which leave the heap, included.
        parked: entries of ready jobs that lack a resource, by its name: they are not looked at while it is in use.
        left: jobs that are not over.
        requests: what the run itself asks: approval id -> job, "" = the plan; `moot`: those nobody needs to answer
            any more, not yet withdrawn.
        budgeted: some job declares what it may spend.
        strays: jobs may be pending behind one that is dead: the plan changed, or a part of it is done anew.
        t: newest moment seen.
    """

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.seq = 0
        self.spec = DagSpec()
        self.jobs: dict[str, JobState] = {}
        self.dag = Dag.from_jobs(())
        self.checked: Dag | None = None
        self.proposed: ev.PatchProposed | None = None
        self.staged: list[Job] = []
        self.asked = ""
        self.plans = 0
        self.planned = 0
        self.replans = 0
        self.planning = False
        self.planner = ""
        self.planner_by = ""
        self.planner_done = False
        self.planner_error = ""
        self.gone: dict[str, int] = {}
        self.refused: ev.PlanRefused | None = None
        self.digest = ""
        self.patches: list[tuple[ev.PatchProposed, tuple[str, ...]]] = []
        self.paused: ev.DagPaused | None = None
        self.stopped: ev.RunStopped | None = None
        self.cancel: ev.CancelRequested | None = None
        self.finished: ev.RunFinished | None = None
        self.requests: dict[str, str] = {}
        self.moot: list[str] = []
        self.budgeted = False
        self.strays = True
        self.running = 0
        self.used: dict[str, int] = {}
        self.ready: list[tuple[int, int, str]] = []
        self.parked: dict[str, list[tuple[int, int, str]]] = {}
        self.able = 0
        self.left = 0
        self.t = 0

    def child(self, job: str, attempt: int) -> str:
        """The stream of an attempt without an agent."""
        return f"{self.uid}/{job}#{attempt}"

    def count(self, state: str) -> int:
        return sum(job.state == state for job in self.jobs.values())
