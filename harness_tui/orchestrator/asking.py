"""What a graph's run asks a person: a gate, an attempt in doubt, a wider plan. Each binds what will follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..domain import events as ev
from ..domain.approval import Proposal, action_digest, full_digest
from ..domain.dag.state import DagState, JobState
from ..domain.events import ApprovalKind, Fact
from .kit import Answer

SECOND = 1_000_000
SHOWN = 400
"""Characters of a dependency's answer on a gate's card."""


def gate(s: DagState, job: JobState, given: Iterable[Answer], ident: str, now: int) -> ev.ApprovalRequested:
    """A job that a person decides."""
    spec = job.spec
    facts = [Fact("goal", s.spec.goal)] if s.spec.goal else []
    facts += [Fact("question", spec.gate or ""), Fact("job", spec.id)]
    held = s.dag.after((spec.id,))
    facts.append(Fact("holds up", f"{len(held)} job{'s' if len(held) != 1 else ''}"))
    facts += [Fact("answer", f"{each.job}: {_head(each.text)}") for each in given if each.value is not None]
    if job.feedback:
        facts.append(Fact("came back", job.feedback))
    arguments = {"job": spec.id, "gate": spec.gate, "inputs": job.inputs}
    proposal = Proposal("gate", arguments, "idempotent", "med", f"{spec.id}: {spec.gate}", tuple(facts))
    life = spec.deadline or s.spec.approval_life
    return _asked(s, proposal, ident, f"{spec.id}#{job.attempts}", "gate", now + int(life * SECOND) if life else 0)


def doubt(s: DagState, job: JobState, ident: str) -> ev.ApprovalRequested:
    """An attempt that began and has no result on record."""
    spec = job.spec
    what = spec.call or spec.id
    facts = (Fact("job", spec.id), Fact("calls", what), Fact("attempt", str(job.attempts)))
    arguments = {"job": spec.id, "call": spec.call, "attempt": job.attempts, "inputs": job.inputs}
    proposal = Proposal("call", arguments, "destructive", "high", f"{spec.id}: {what} began, no result", facts)
    why = "started, and no result on record"
    return _asked(s, proposal, ident, f"{spec.id}#{job.attempts}", "in_doubt", 0, why)


def plan(s: DagState, widens: Sequence[str], ident: str, now: int, paper: str) -> ev.ApprovalRequested:
    """A wider plan: `paper` is the diff, by job."""
    patch = s.proposed
    assert patch is not None
    facts = [Fact("goal", s.spec.goal)] if s.spec.goal else []
    facts += [Fact("by", patch.by), *(Fact("widens", why) for why in widens)]
    facts += [Fact("why", patch.reason)] if patch.reason else []
    if s.staged:
        facts.append(Fact("jobs", ", ".join(job.id for job in s.staged[:40])))
    if patch.drop:
        facts.append(Fact("drops", ", ".join(patch.drop[:40])))
    arguments = {"number": patch.number, "paper": paper, "plan": s.digest}
    changed = f"{len(s.staged)} job{'s' if len(s.staged) != 1 else ''} added or changed"
    summary = f"plan of {s.uid}: {changed}, {len(patch.drop)} dropped"
    proposal = Proposal("plan", arguments, "destructive", "high", summary, tuple(facts))
    life = s.spec.approval_life
    asked = _asked(s, proposal, ident, f"plan#{patch.number}", "plan", now + int(life * SECOND) if life else 0)
    return ev.ApprovalRequested(**{**{f: getattr(asked, f) for f in asked.__struct_fields__}, "paper": paper})


def _asked(
    s: DagState, proposal: Proposal, ident: str, call: str, kind: ApprovalKind, expires: int, why: str = ""
) -> ev.ApprovalRequested:
    return ev.ApprovalRequested(
        id=ident,
        call=call,
        tool=proposal.tool,
        risk=proposal.risk,
        risk_class=proposal.risk_class,
        summary=proposal.summary,
        facts=proposal.facts,
        digest=full_digest(proposal, s.uid, expires),
        action=action_digest(proposal),
        expires=expires,
        kind=kind,
        arguments=proposal.arguments,
        why=why or {"gate": "the plan asks a person here", "plan": "the plan would be wider"}.get(kind, ""),
    )


def _head(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
