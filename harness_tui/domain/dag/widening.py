"""Why a change of the plan gives more power than was approved, or takes a check away: the rules behind `patch.check`.

Checks are gates, verify jobs, and jobs whose answer may lead back or end the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import msgspec

from ..task import LEVELS, Level, SandboxTable
from .graph import Dag
from .spec import Job, Limits
from .state import DagState

ACTIONS = frozenset({"tool", "command", "call", "verify"})
"""Kinds that do something decided on beforehand: each new one is a new power."""
SHOWN = 40
"""Sentences of one change; what is beyond is counted, up to `COUNTED`."""
COUNTED = 1_000

_canonical = msgspec.json.Encoder(order="deterministic").encode


class _Power(msgspec.Struct, frozen=True):
    """What a job may do, whole: a new job must fit under one of these.

    Attributes:
        guards: a bit for each check that comes before it.
    """

    tools: frozenset[str]
    level: Level
    sandbox: SandboxTable
    guards: int
    attempts: int = 0
    visits: int = 0
    uses: tuple[tuple[str, int], ...] = ()


def widens(s: DagState, after: Dag, jobs: Sequence[Job], drop: Sequence[str]) -> tuple[str, ...]:
    """The sentences. after: the plan as it would be; jobs: what is new in it or replaced."""
    fresh = [job for job in jobs if job.id not in s.jobs or s.jobs[job.id].spec != job]
    reasons = chain(_lost_checks(s, fresh, drop), _Measure(s, after).more(fresh))
    found = list(dict.fromkeys(islice(reasons, COUNTED)))
    if len(found) > SHOWN:
        found[SHOWN - 1 :] = [f"and {len(found) - SHOWN + 1} reasons more"]
    return tuple(found)


def is_check(job: Job) -> bool:
    """Whether others rely on its verdict."""
    return job.kind in ("gate", "verify") or bool(job.route or job.router)


def _lost_checks(s: DagState, fresh: Sequence[Job], drop: Sequence[str]) -> Iterator[str]:
    for ident in drop:
        if is_check(s.jobs[ident].spec):
            yield f"{ident}, a {_what(s.jobs[ident].spec)}, is taken out"
    for job in fresh:
        if job.id in s.jobs and is_check(s.jobs[job.id].spec):
            yield f"{job.id}, a {_what(s.jobs[job.id].spec)}, is replaced"


def _what(job: Job) -> str:
    return {"gate": "gate", "verify": "check"}.get(job.kind or "", "job that may send back")


class _Measure:
    """What the plan that holds allows, gathered once; then each new job is held against it."""

    def __init__(self, s: DagState, after: Dag) -> None:
        self.s, self.after = s, after
        self.bits = {ident: 1 << at for at, ident in enumerate(i for i, j in s.jobs.items() if is_check(j.spec))}
        self.before = _guards(s.dag, self.bits)
        self.kept = {ident: bit for ident, bit in self.bits.items() if ident in after.jobs}
        self.guards = _guards(after, self.kept)
        self.run = _Power(frozenset(s.spec.tools), s.spec.level, s.spec.sandbox, 0)
        self.prompts: dict[_Power, None] = {}
        self.actions: dict[bytes, dict[_Power, None]] = {}
        self.models = {"", "main"}
        self.routers: set[str] = set()
        specs = [job.spec for job in s.jobs.values()]
        for job in specs:
            power = self._power(job, self.before[job.id])
            if job.kind == "prompt":
                self.prompts[power] = None
                self.models.add(job.model)
            elif job.kind in ACTIONS:
                self.actions.setdefault(_action(job), {})[power] = None
            self.routers.add(job.router)
        self.attempts = max((job.retry.attempts for job in specs), default=1)
        self.visits = max((job.visits for job in specs), default=1)
        agents = [job for job in specs if job.kind == "prompt"]
        self.turns = max((job.max_iterations or 1 << 62 for job in agents), default=Job("").max_iterations)
        self.most = _most([job.budget for job in agents])

    def more(self, fresh: Sequence[Job]) -> Iterator[str]:
        """Sentences: what these jobs could do that nothing could, and what nobody checks any more."""
        for job in fresh:
            known = self.s.jobs.get(job.id)
            if job.kind == "prompt":
                yield from self._of_prompt(job)
                yield from self._of_budget(job, known.spec if known else None)
            elif job.kind in ACTIONS:
                yield from self._of_action(job)
            elif job.kind not in ("wait", "gate"):
                yield f"{job.id} is of an unknown kind"
            yield from self._of_flow(job, known.spec if known else None)
        yield from self._unguarded()

    def _power(self, job: Job, guards: int) -> _Power:
        spec = self.s.spec
        tools = spec.tools if job.tools is None else job.tools
        level, sandbox = job.level or spec.level, job.sandbox or spec.sandbox
        if job.kind == "prompt":
            return _Power(frozenset(tools), level, sandbox, guards)
        uses = tuple(sorted(job.uses.items()))
        return _Power(frozenset(), level, sandbox, guards, job.retry.attempts, job.visits, uses)

    def _of_prompt(self, job: Job) -> Iterator[str]:
        want = self._power(job, self.guards[job.id])
        if not _under(want, self.run) and not any(_under(want, each) for each in self.prompts):
            had = (self.run, *self.prompts)
            lacks = sorted(want.tools.difference(*(power.tools for power in had)))
            if lacks:
                yield f"{job.id} may use {', '.join(lacks)}, which no job could"
            yield from self._less_held(job, want, had)
            if not lacks:
                yield f"{job.id}: no job had all these tools at such a level, in such a sandbox, behind so few checks"
        if job.model not in self.models:
            yield f"{job.id} asks the model {job.model}, which no job did"
        if not job.max_iterations or job.max_iterations > self.turns:
            yield f"{job.id} may take {job.max_iterations or 'any number of'} turns, more than any job"

    def _of_action(self, job: Job) -> Iterator[str]:
        want = self._power(job, self.guards[job.id])
        had = self.actions.get(_action(job))
        if had is None:
            yield f"{job.id} is a {job.kind} that no job was: {_said(job)}"
            had = dict.fromkeys([self.run])
        elif not any(_under(want, each) for each in had):
            yield f"{job.id} does what a job does already, {_said(job)}, with less to hold it"
        yield from self._less_held(job, want, tuple(had))

    def _less_held(self, job: Job, want: _Power, had: Iterable[_Power]) -> Iterator[str]:
        """The plain reasons, told by name."""
        powers = tuple(had)
        if all(LEVELS.index(want.level) > LEVELS.index(power.level) for power in powers):
            yield f"{job.id} runs at {want.level}, higher than approved"
        if not any(_held(want.sandbox, power.sandbox) for power in powers):
            yield f"{job.id} runs in a weaker sandbox: {_sandbox(want.sandbox)}"

    def _of_budget(self, job: Job, known: Job | None) -> Iterator[str]:
        """Run, the other jobs, and the job it replaces each set a limit."""
        run = self.s.spec.budget
        for limits, whose in ((self.most, "any job had"), (known.budget if known else None, "it had")):
            if limits is None:
                continue
            if limits.tokens and (not job.budget.tokens or job.budget.tokens > limits.tokens):
                yield f"{job.id} may spend {_amount(job.budget.tokens)}, more than {whose}: {_amount(limits.tokens)}"
            if limits.usd is not None and (job.budget.usd is None or job.budget.usd > limits.usd):
                yield f"{job.id} may spend {_dollars(job.budget.usd)}, more than {whose}: {_dollars(limits.usd)}"
        if run.tokens and job.budget.tokens > run.tokens:
            yield f"{job.id} may spend {_amount(job.budget.tokens)}, more than the run: {_amount(run.tokens)}"
        if run.usd is not None and job.budget.usd is not None and job.budget.usd > run.usd:
            yield f"{job.id} may spend {_dollars(job.budget.usd)}, more than the run: {_dollars(run.usd)}"

    def _of_flow(self, job: Job, known: Job | None) -> Iterator[str]:
        if job.retry.attempts > self.attempts:
            yield f"{job.id} is tried {job.retry.attempts} times, more than any job: {self.attempts}"
        if job.visits > self.visits:
            yield f"{job.id} may be gone back to {job.visits} times, more than any job: {self.visits}"
        if known and known.deadline and (not job.deadline or job.deadline > known.deadline):
            yield f"{job.id} may take longer than it might"
        if job.router not in self.routers and job.router:
            yield f"{job.id} asks {job.router} where to go, which no job did"
        for route in job.route:
            if known and route in known.route:
                continue
            if route.match:  # looked for by the engine itself, which one that backtracks without end would hold up
                yield f"{job.id} has its answer searched for {route.match!r}"
            if route.stop:
                yield f"{job.id} may end the run"
            elif route.goto and any(self.after.jobs[each].kind in ACTIONS for each in self._again(route.goto)):
                yield f"{job.id} may have actions done again, from {route.goto} on"

    def _again(self, goal: str) -> list[str]:
        return [goal, *self.after.after((goal,))]

    def _unguarded(self) -> Iterator[str]:
        """Jobs that waited for a check and would not any more, whatever was changed between them."""
        names = {bit: ident for ident, bit in self.kept.items()}
        there = sum(names)
        for ident, had in self.before.items():
            lost = had & there & ~self.guards.get(ident, had)
            while lost:
                bit = lost & -lost
                lost ^= bit
                yield f"{ident} no longer waits for {names[bit]}"


def _guards(dag: Dag, bits: dict[str, int]) -> dict[str, int]:
    """id -> the checks that come before it, as bits."""
    found: dict[str, int] = {}
    for ident in dag.order:
        mask = 0
        for dep in dag.jobs[ident].deps:
            mask |= found[dep] | bits.get(dep, 0)
        found[ident] = mask
    return found


def _under(want: _Power, had: _Power) -> bool:
    """Whether whoever could do the one could do the other."""
    return (
        want.tools <= had.tools
        and LEVELS.index(want.level) <= LEVELS.index(had.level)
        and _held(want.sandbox, had.sandbox)
        and not had.guards & ~want.guards
        and want.attempts <= had.attempts
        and want.visits <= had.visits
        and all(dict(want.uses).get(name, 0) >= amount for name, amount in had.uses)
    )


_STRONGER = {"none": ("auto", "worktree", "bubblewrap", "container"), "auto": ("bubblewrap",)}
"""Kinds that hold at least as much as this one, for sure."""


def _held(want: SandboxTable, had: SandboxTable) -> bool:
    """Whether the one sandbox is known to hold no less than the other."""
    kind = want.kind == had.kind or want.kind in _STRONGER.get(had.kind, ())
    image = want.image == had.image or want.kind != "container"
    return kind and image and want.network <= had.network and set(want.read) <= set(had.read)


def _most(budgets: Sequence[Limits]) -> Limits | None:
    """The most a job may spend, where all of them are limited."""
    if not budgets:
        return None
    tokens = max(each.tokens for each in budgets) if all(each.tokens for each in budgets) else 0
    known = [each.usd for each in budgets if each.usd is not None]
    return Limits(tokens, max(known) if len(known) == len(budgets) else None)


def _action(job: Job) -> bytes:
    return _canonical([job.kind, getattr(job, job.kind or "prompt"), job.arguments])


def _said(job: Job) -> str:
    """What it does, in one line; the whole is in the diff."""
    value = getattr(job, job.kind or "prompt")
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _sandbox(table: SandboxTable) -> str:
    more = ["network" if table.network else "", *(f"reads {path}" for path in table.read[:3])]
    return ", ".join([table.kind, *filter(None, more)])


def _amount(tokens: int) -> str:
    return f"{tokens:,} tokens" if tokens else "tokens without a limit"


def _dollars(usd: float | None) -> str:
    return "money without a limit" if usd is None else f"${usd:g}"
