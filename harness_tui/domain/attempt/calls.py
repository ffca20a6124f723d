"""The calls of a batch: judged, asked for, started, finished, in doubt; as events, without performing anything."""

from __future__ import annotations

from msgspec.structs import replace

from .. import events as ev
from .. import inputs as inp
from ..approval import Judgement, Proposal, action_digest, full_digest
from ..events import Event, Fact
from ..policy import PLAN, PROPOSAL
from ..rules import RULE_ID
from . import edits, repeats
from .state import AttemptState, Call


def judged(s: AttemptState, x: inp.Judged) -> list[Event]:
    """What policy's word comes to: a start, a refusal or a request; of several allowed reads, all their starts."""
    at = s.calls[x.call]
    if at.times >= repeats.STOP_AT:
        why = repeats.stopped(at)
        return [ev.ToolRefused(at.id, at.call.name, "repeated", why), ev.LoopStopped("guardrail", why, s.claim)]
    return [*_judged(s, at, x), *(event for ident, word in x.beside for event in _beside(s.calls[ident], word))]


def _beside(at: Call, judgement: Judgement) -> list[Event]:
    if judgement.proposal is None or at.times >= repeats.STOP_AT:
        return []
    return [_start(at, judgement.proposal, action_digest(judgement.proposal), "", judgement.rule)]


def _judged(s: AttemptState, at: Call, x: inp.Judged) -> list[Event]:
    judgement = x.judgement
    proposal = judgement.proposal
    withdrawn = _withdraw(at.approval, judgement.reason) if at.state == "approved" else []
    if judgement.verdict == "refuse" or proposal is None:
        return [*withdrawn, ev.ToolRefused(at.id, at.call.name, judgement.why, edits.told(at, judgement.reason))]
    action = action_digest(proposal)
    proposal = _warned(s, proposal, action)
    if at.state == "approved":
        request = s.requests[at.approval]
        digest = full_digest(proposal, s.uid, request.expires)
        if digest == request.digest:
            return [_start(at, proposal, digest, at.approval)]
        withdrawn = _withdraw(at.approval, "what would run is no longer what was shown")
    if judgement.verdict == "allow":
        return [*withdrawn, _start(at, proposal, action, "", judgement.rule)]
    for carried in s.carried.values():
        if not carried.happened and carried.tool == at.call.name:
            if carried.action == action:
                return [_start(at, proposal, action, carried.approval)]
            withdrawn = _withdraw(carried.approval, "the new attempt would run something else")
    if action in s.denied:
        said = "The operator denied exactly this before; it is not asked again."
        return [*withdrawn, ev.ToolRefused(at.id, at.call.name, "denied", said)]
    return [*withdrawn, _request(s, at, proposal, action, x)]


def _withdraw(approval: str, reason: str) -> list[Event]:
    return [ev.ApprovalWithdrawn(approval, reason or "it may not run")]


def _start(at: Call, proposal: Proposal, digest: str, approval: str, rule: str = "") -> Event:
    by = rule if rule in (PLAN, PROPOSAL) or rule.startswith(RULE_ID) else ""
    given = at.call.arguments if at.changed else None
    return ev.ToolStarted(at.id, proposal.tool, proposal.risk_class, digest, proposal.summary, given, approval, by)


def _warned(s: AttemptState, proposal: Proposal, action: str) -> Proposal:
    """An earlier, interrupted attempt already did exactly this: the card says so."""
    if not any(c.happened and c.action == action for c in s.carried.values()):
        return proposal
    earlier = Fact("earlier", "an interrupted attempt of this run already did exactly this")
    if earlier in proposal.facts:
        return proposal
    return replace(proposal, facts=(*proposal.facts, earlier))


def _request(s: AttemptState, at: Call, proposal: Proposal, action: str, x: inp.Judged) -> Event:
    return ev.ApprovalRequested(
        id=x.approval,
        call=at.id,
        tool=proposal.tool,
        risk=proposal.risk,
        risk_class=proposal.risk_class,
        summary=proposal.summary,
        facts=proposal.facts,
        digest=full_digest(proposal, s.uid, x.expires),
        action=action,
        expires=x.expires,
        session=proposal.session,
        arguments=proposal.arguments,
        selector=proposal.selector,
        why=f"its arguments are those {at.edited_by} gave it" if at.changed else "",
    )


def edited(s: AttemptState, x: inp.Edited) -> list[Event]:
    """The edit of a call that still waits under the digest that was edited; else somebody was faster: []."""
    request = s.requests.get(x.approval)
    if request is None or not _waiting(s, x.approval) or x.digest != request.digest:
        return []
    proposal = replace(_warned(s, x.proposal, x.action), tool=request.tool, session=request.session)
    changed = ev.ApprovalEdited(
        id=x.approval,
        by=x.by,
        summary=proposal.summary,
        facts=proposal.facts,
        digest=full_digest(proposal, s.uid, request.expires),
        action=x.action,
        risk=proposal.risk,
        arguments=proposal.arguments,
        risk_class=proposal.risk_class,
    )
    return [changed]


def _doubt(s: AttemptState, at: Call, approval: str) -> Event:
    """The card of an effect that started and has no result on record."""
    started = s.started[at.id]
    facts = (
        Fact("effect", started.summary),
        Fact("record", f"started, no result: {s.lost or 'the engine stopped'}"),
        Fact("again", f"{started.risk}, not idempotent: twice is not safe"),
    )
    proposal = Proposal(at.call.name, at.call.arguments, started.risk, "high", started.summary, facts, s.session)
    earlier = s.requests.get(started.approval)
    return ev.ApprovalRequested(
        id=approval,
        call=at.id,
        tool=at.call.name,
        risk="high",
        risk_class=started.risk,
        summary=started.summary,
        facts=facts,
        digest=full_digest(proposal, s.uid, 0),
        action=earlier.action if earlier else started.digest,
        expires=0,
        kind="in_doubt",
        session=s.session,
        arguments=at.call.arguments,
    )


def finished(s: AttemptState, result: inp.Result) -> list[Event]:
    """The result of a started call, after the events it left; [] when the call is not waiting for one."""
    at = s.calls.get(result.call)
    if at is None or at.state != "started":
        return []
    outcome = result.outcome
    text = edits.told(at, outcome.text)
    told = ev.ToolFinished(at.id, at.call.name, outcome.ok, text, result.took_ms, blob=result.blob, size=result.size)
    return [*outcome.events, told]


def governed(s: AttemptState, x: inp.Decided | inp.Expired | inp.Resolved | inp.Doubted) -> list[Event]:
    """What the operator's word on a request comes to, or that nobody gave one in time."""
    match x:
        case inp.Decided(approval, decision, by, digest, reason):
            if not _waiting(s, approval) or digest != s.requests[approval].digest:
                return []  # decided before, or edited since: what it names is not what would run
            decided = ev.ApprovalDecided(approval, decision, by, digest, reason)
            if decision == "approved":
                return [decided]
            said = f"The operator denied it{': ' + reason if reason else '.'}"
            return [decided, *_refuse_waiting(s, approval, "denied", said)]
        case inp.Expired(approval):
            if not _waiting(s, approval):
                return []
            refused = _refuse_waiting(s, approval, "expired", "Nobody decided in time; it did not run.")
            return [ev.ApprovalExpired(approval), *refused]
        case inp.Resolved(approval, resolution, by, reason):
            return _resolved(s, approval, ev.ApprovalResolved(approval, resolution, by, reason))
        case inp.Doubted(call, approval):
            return [_doubt(s, s.calls[call], approval)]


def _waiting(s: AttemptState, approval: str) -> Call | None:
    return next((c for c in s.calls.values() if c.approval == approval and c.state == "asking"), None)


def _refuse_waiting(s: AttemptState, approval: str, why: str, text: str) -> list[Event]:
    at = _waiting(s, approval)
    return [ev.ToolRefused(at.id, at.call.name, why, text)] if at else []


def _resolved(s: AttemptState, approval: str, resolved: ev.ApprovalResolved) -> list[Event]:
    at = next((c for c in s.calls.values() if c.approval == approval and c.state == "doubt"), None)
    if at is None:
        return []
    if resolved.resolution == "again":
        return [resolved]
    happened = resolved.resolution == "happened"
    text = "The operator confirmed that it happened." if happened else "It did not happen."
    return [resolved, ev.ToolFinished(at.id, at.call.name, happened, edits.told(at, text))]
