"""One attempt as a state machine: the 8-step loop without I/O, so that a crash can continue it from its last event.

`decide(state, input) -> events`, `evolve(state, event)` in place, `pending(state) -> effect`. All events of one input
are one append; the effect starts after its commit; recovery is `pending` of the folded state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import events as ev
from . import inputs as inp
from .approval import Proposal, action_digest, full_digest
from .events import Carried, Event, Fact
from .messages import Message, ToolCall, ToolResult
from .seams import Performed


@dataclass(slots=True)
class Call:
    """One tool call of the current batch. state: requested | asking | approved | started | doubt | settled."""

    id: str
    call: ToolCall
    state: str = "requested"
    approval: str = ""


@dataclass(slots=True)
class AttemptState:
    """Folded from the attempt's own stream.

    Attributes:
        phase: new | opening | ready | asking | acting | stopped | verified | finished.
        world: none (not opened yet) | open | closed.
        restart: the environment cannot be continued once closed; another attempt takes over.
        verifies: the task has something to verify, which takes an open world.
        tries: model calls of this iteration that failed.
        denied: action digests the operator refused: never asked again in this attempt.
    """

    uid: str
    restart: bool = False
    verifies: bool = False
    seq: int = 0
    number: int = 0
    phase: str = "new"
    world: str = "none"
    session: str = ""
    baseline: dict[str, Any] | None = None
    carried: dict[str, Carried] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    iteration: int = 0
    tries: int = 0
    retry_at: int = 0
    model_call: str = ""
    max_output: int | None = None
    hold: int = 0
    day: str = ""
    calls: dict[str, Call] = field(default_factory=dict)
    requests: dict[str, ev.ApprovalRequested] = field(default_factory=dict)
    resolutions: dict[str, ev.ApprovalResolved] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    done: list[Performed] = field(default_factory=list)
    started: dict[str, ev.ToolStarted] = field(default_factory=dict)
    stop: ev.LoopStopped | None = None
    verdict: ev.Verified | None = None
    refusal: str = ""
    acted: bool = False
    lost: str = ""

    @property
    def unsettled(self) -> Call | None:
        """The call the loop is at: the first of the batch that has no result yet."""
        return next((c for c in self.calls.values() if c.state != "settled"), None)

    @property
    def claim(self) -> str:
        """The model's last words."""
        said = [m.text for m in self.messages if m.role == "assistant" and m.text]
        return said[-1] if said else ""


# -- effects -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """Open the environment, take the baseline if the run has none, build the context."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Take the baseline and build the context in the open world."""


@dataclass(frozen=True, slots=True)
class ClearTurn:
    """Guardrails, goal and budget before the next model call; not before `not_before` (us)."""

    not_before: int = 0


@dataclass(frozen=True, slots=True)
class AskModel:
    call: str


@dataclass(frozen=True, slots=True)
class Judge:
    call: Call


@dataclass(frozen=True, slots=True)
class AwaitDecision:
    """Nothing to do until somebody decides or `expires` (us, 0 = never)."""

    approval: str
    expires: int


@dataclass(frozen=True, slots=True)
class Perform:
    call: Call


@dataclass(frozen=True, slots=True)
class RaiseDoubt:
    call: Call


@dataclass(frozen=True, slots=True)
class Sense:
    """The environment's own rules after a batch (the login handler)."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Judge the result against the world, not against the claim."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Close the world and the attempt; `interrupted` hands over to another attempt."""

    interrupted: bool = False
    reason: str = ""


Effect = Open | Begin | ClearTurn | AskModel | Judge | AwaitDecision | Perform | RaiseDoubt | Sense | Verify | Finish


def pending(s: AttemptState) -> Effect | None:
    """What is to be done next, from the state alone; None when the attempt is finished."""
    if s.phase == "finished":
        return None
    doubt = next((c for c in s.calls.values() if c.state == "doubt"), None)
    if doubt:
        return AwaitDecision(doubt.approval, 0)
    at = s.unsettled
    if s.world == "closed" and at and at.state == "started" and s.started[at.id].risk in ("destructive", "network"):
        return RaiseDoubt(at)
    if s.world == "closed" and s.restart:
        return _pending_without_world(s)
    if s.world != "open" and s.phase not in ("stopped", "verified"):
        return Open()
    match s.phase:
        case "opening":
            return Begin()
        case "ready":
            return ClearTurn(s.retry_at)
        case "asking":
            return AskModel(s.model_call)
        case "acting":
            return _pending_call(s)
        case "stopped":
            return Verify() if s.stop and s.stop.exit == 0 else Finish()
        case _:
            return Finish()


def _pending_call(s: AttemptState) -> Effect:
    at = s.unsettled
    if at is None:
        return Sense()
    if at.state == "asking":
        return AwaitDecision(at.approval, s.requests[at.approval].expires)
    if at.state == "started":
        return Perform(at)
    return Judge(at)


def _pending_without_world(s: AttemptState) -> Effect:
    """The world is gone for good: what is open is decided first, then another attempt takes over."""
    if s.phase == "verified" or (s.phase == "stopped" and s.stop and s.stop.exit):
        return Finish()
    if s.phase == "stopped" and not s.verifies:
        return Verify()
    at = s.unsettled
    if at and at.state == "asking":
        return AwaitDecision(at.approval, s.requests[at.approval].expires)
    if s.refusal:
        # Another attempt would only ask for what was just refused.
        return Finish(reason=f"the request was {s.refusal}")
    return Finish(interrupted=True, reason=s.lost or "the environment closed")


# -- decide ------------------------------------------------------------------------------------------------------


def decide(s: AttemptState, x: inp.Input) -> list[Event]:
    """The events one input causes; [] when the input is stale and changes nothing."""
    if s.phase == "finished":
        return []
    match x:
        case inp.Opened(kind, session, notes):
            return [ev.EnvironmentOpened(kind, session, notes)]
        case inp.Began():
            return _began(s, x)
        case inp.TurnCleared(hold, day, max_output):
            call = f"m{s.iteration + 1}.{s.tries + 1}"
            return [ev.ModelRequested(call, s.iteration + 1, hold, day, len(s.messages), max_output)]
        case inp.TurnStopped(by, reason):
            return [ev.LoopStopped(by, reason, s.claim)]
        case inp.OverBudget(scope, limit, spent, asked):
            why = f"the next call may need {asked} tokens, {max(0, limit - spent)} of {limit} are left ({scope})"
            return [ev.BudgetExhausted(scope, limit, spent, asked), ev.LoopStopped("budget", why, s.claim, 3)]
        case inp.Answered(answer):
            return _answered(s, answer)
        case inp.ModelBroke(error, kind, spent, code, retry_at):
            failed = ev.ModelFailed(s.model_call, error, kind, spent, retry_at)
            return [failed] if retry_at is not None else [failed, ev.LoopStopped("error", error, s.claim, code)]
        case inp.Judged():
            return _judged(s, x)
        case inp.Performed(call, outcome, took):
            if s.calls.get(call) is None or s.calls[call].state != "started":
                return []
            name = s.calls[call].call.name
            return [*outcome.events, ev.ToolFinished(call, name, outcome.ok, outcome.text, took)]
        case inp.Sensed():
            return _sensed(s, x)
        case inp.Checked(verdict):
            checked = ev.Verified(verdict.passed, verdict.reason, verdict.fatal, verdict.checks)
            return [*verdict.events, checked]
        case _:
            return _decide_governance(s, x)


def _decide_governance(s: AttemptState, x: inp.Input) -> list[Event]:
    match x:
        case inp.Decided(approval, decision, by, digest, reason):
            if not _waiting(s, approval):
                return []
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
        case inp.Failed(reason, code):
            return [ev.LoopStopped("error", reason, s.claim, code)]
        case inp.Lost(reason, spent):
            return _lost(s, reason, spent)
        case inp.Ended(interrupted, reason):
            return _ended(s, interrupted, reason)
        case inp.Cancelled(by, reason):
            return _cancelled(s, by, reason)
        case _:
            raise AssertionError(f"no rule for {x!r}")


def _began(s: AttemptState, x: inp.Began) -> list[Event]:
    taken: list[Event] = [] if s.baseline is not None else [ev.BaselineTaken(x.baseline)]
    return [*x.events, *taken, *(ev.MessageAdded(message, source) for source, message in x.messages)]


def _answered(s: AttemptState, answer: Any) -> list[Event]:
    answered = ev.ModelAnswered(s.model_call, answer.parts, answer.usage, answer.stop, answer.usage_reported)
    if answer.message.calls:
        return [answered]
    said = answer.message.text
    empty = "the model answered" if said else "the model answered nothing"
    return [answered, ev.LoopStopped("model", empty, said or s.claim)]


def _judged(s: AttemptState, x: inp.Judged) -> list[Event]:
    at = s.calls[x.call]
    judgement = x.judgement
    proposal = judgement.proposal
    withdrawn = _withdraw(at.approval, judgement.reason) if at.state == "approved" else []
    if judgement.verdict == "refuse" or proposal is None:
        return [*withdrawn, ev.ToolRefused(at.id, at.call.name, judgement.why, judgement.reason)]
    action = action_digest(proposal)
    if at.state == "approved":
        request = s.requests[at.approval]
        digest = full_digest(proposal, s.uid, request.expires)
        if digest == request.digest:
            return [_start(at, proposal, digest, at.approval)]
        withdrawn = _withdraw(at.approval, "what would run is no longer what was shown")
    if judgement.verdict == "allow":
        return [*withdrawn, _start(at, proposal, action, "")]
    for carried in s.carried.values():
        if not carried.happened and carried.tool == at.call.name:
            if carried.action == action:
                return [_start(at, proposal, full_digest(proposal, s.uid, 0), carried.approval)]
            withdrawn = _withdraw(carried.approval, "the new attempt would run something else")
    if action in s.denied:
        said = "The operator denied exactly this before; it is not asked again."
        return [*withdrawn, ev.ToolRefused(at.id, at.call.name, "denied", said)]
    return [*withdrawn, _request(s, at, proposal, x)]


def _withdraw(approval: str, reason: str) -> list[Event]:
    return [ev.ApprovalWithdrawn(approval, reason or "it may not run")]


def _start(at: Call, proposal: Proposal, digest: str, approval: str) -> Event:
    return ev.ToolStarted(at.id, proposal.tool, proposal.risk_class, digest, proposal.summary, None, approval)


def _request(s: AttemptState, at: Call, proposal: Proposal, x: inp.Judged) -> Event:
    return ev.ApprovalRequested(
        id=x.approval,
        call=at.id,
        tool=proposal.tool,
        risk=proposal.risk,
        risk_class=proposal.risk_class,
        summary=proposal.summary,
        facts=proposal.facts,
        digest=full_digest(proposal, s.uid, x.expires),
        action=action_digest(proposal),
        expires=x.expires,
        session=proposal.session,
        arguments=proposal.arguments,
        selector=proposal.selector,
    )


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
    return [resolved, ev.ToolFinished(at.id, at.call.name, happened, text)]


def _sensed(s: AttemptState, x: inp.Sensed) -> list[Event]:
    out: list[Event] = list(x.interlude.events)
    if x.baseline is not None:
        out.append(ev.BaselineTaken(x.baseline))
    if x.interlude.message:
        out.append(ev.MessageAdded(Message.say("user", x.interlude.message), "login"))
    out.append(ev.TurnEnded(s.iteration))
    if x.interlude.fatal:
        out.append(ev.LoopStopped("error", x.interlude.fatal, s.claim))
    return out


def _lost(s: AttemptState, reason: str, spent: int) -> list[Event]:
    out: list[Event] = []
    if s.phase == "asking":
        out.append(ev.ModelFailed(s.model_call, f"interrupted: {reason}", "interrupted", spent, 0))
    if s.world == "open":
        out.append(ev.EnvironmentClosed(reason))
    return out


def _ended(s: AttemptState, interrupted: bool, reason: str) -> list[Event]:
    out: list[Event] = [ev.EnvironmentClosed(reason or "the attempt ended")] if s.world == "open" else []
    if not interrupted:
        unused = [c.approval for c in s.carried.values() if not c.happened]
        out += [ev.ApprovalWithdrawn(a, "the new attempt did not come to the approved action") for a in unused]
        waiting = [c.approval for c in s.calls.values() if c.state == "asking"]
        out += [ev.ApprovalWithdrawn(a, "the run ended") for a in waiting]
    state = "interrupted" if interrupted else ("succeeded" if s.verdict and s.verdict.passed is not False else "failed")
    why = reason or (s.verdict.reason if s.verdict else s.stop.reason if s.stop else "")
    return [*out, ev.AttemptFinished(state, why, s.stop.exit if s.stop else 0)]  # type: ignore[arg-type]


def _cancelled(s: AttemptState, by: str, reason: str) -> list[Event]:
    out: list[Event] = []
    said = f"cancelled by {by}" + (f": {reason}" if reason else "")
    if s.phase == "asking":
        out.append(ev.ModelFailed(s.model_call, said, "interrupted", s.hold, None))
    for at in s.calls.values():
        if at.state in ("asking", "approved"):
            out.append(ev.ApprovalWithdrawn(at.approval, said))
        elif at.state == "started":
            unknown = f"{said} while it ran: whether it happened is unknown"
            out.append(ev.ToolFinished(at.id, at.call.name, False, unknown))
    if s.world == "open":
        out.append(ev.EnvironmentClosed(said))
    return [*out, ev.LoopStopped("cancelled", said, s.claim, 8), ev.AttemptFinished("cancelled", said, 8)]


# -- evolve ------------------------------------------------------------------------------------------------------


def evolve(s: AttemptState, event: Event) -> None:
    """Fold one event of the attempt's stream into its state, in place."""
    s.seq += 1
    match event:
        case ev.AttemptStarted(_, number, baseline, carried):
            s.number, s.baseline = number, baseline
            s.carried = {c.approval: c for c in carried}
            s.done = [Performed(c.tool, c.arguments, True) for c in carried if c.happened]
        case ev.EnvironmentOpened(_, session):
            s.world, s.session = "open", session
            if s.phase == "new":
                s.phase = "opening"
        case ev.EnvironmentClosed(reason):
            s.world, s.lost = "closed", reason
        case ev.BaselineTaken(baseline):
            s.baseline = baseline
        case ev.MessageAdded(message):
            s.messages.append(message)
            if s.phase == "opening":
                s.phase = "ready"
        case ev.ModelRequested(call, iteration, hold, day, _, max_output):
            s.phase, s.model_call, s.iteration = "asking", call, iteration
            s.hold, s.day, s.max_output = hold, day, max_output
        case ev.ModelFailed(_, _, _, _, retry_at):
            # The iteration is asked again, so it has not happened yet.
            s.phase, s.iteration, s.retry_at, s.hold = "ready", s.iteration - 1, retry_at or 0, 0
            s.tries += 1
        case ev.ModelAnswered(_, parts):
            message = Message("assistant", parts)
            s.messages.append(message)
            s.tries, s.retry_at, s.hold = 0, 0, 0
            s.calls = {f"c{s.iteration}.{n}": Call(f"c{s.iteration}.{n}", c) for n, c in enumerate(message.calls, 1)}
            s.phase = "acting"
        case ev.TurnEnded():
            s.calls, s.phase = {}, "ready"
        case ev.LoopStopped():
            s.stop, s.phase = event, "stopped"
        case ev.Verified():
            s.verdict, s.phase = event, "verified"
        case ev.AttemptFinished():
            s.phase = "finished"
        case _:
            _evolve_call(s, event)


def _evolve_call(s: AttemptState, event: Event) -> None:
    match event:
        case ev.ToolStarted(call, _, risk, approval=approval):
            s.calls[call].state = "started"
            s.carried.pop(approval, None)
            s.started[call] = event
            s.acted = s.acted or risk in ("destructive", "network")
        case ev.ToolFinished(call, tool, ok, text):
            at = s.calls[call]
            at.state = "settled"
            s.done.append(Performed(tool, at.call.arguments, ok))
            s.messages.append(Message("tool", (ToolResult(at.call.id, tool, text, ok),)))
        case ev.ToolRefused(call, tool, why, text):
            at = s.calls[call]
            at.state = "settled"
            if why in ("denied", "expired"):
                s.refusal = why
            s.messages.append(Message("tool", (ToolResult(at.call.id, tool, text, False),)))
        case ev.ApprovalRequested(ident, call, kind=kind):
            s.requests[ident] = event
            s.calls[call].approval = ident
            s.calls[call].state = "doubt" if kind == "in_doubt" else "asking"
        case ev.ApprovalDecided(ident, "approved"):
            for at in s.calls.values():
                if at.approval == ident:
                    at.state = "approved"
        case ev.ApprovalDecided(ident, "denied"):
            s.denied.add(s.requests[ident].action)
        case ev.ApprovalWithdrawn(ident):
            s.carried.pop(ident, None)
            for at in s.calls.values():
                if at.approval == ident and at.state in ("asking", "approved"):
                    at.state, at.approval = "requested", ""
        case ev.ApprovalResolved(ident, resolution):
            s.resolutions[ident] = event
            for at in s.calls.values():
                if at.approval == ident and resolution == "again":
                    _again(s, at, s.requests[ident])
        case _:
            pass


def _again(s: AttemptState, at: Call, request: ev.ApprovalRequested) -> None:
    """The operator wants it once more: in a world that goes on, judged anew; else the next attempt may."""
    if s.restart:
        at.state = "settled"
    else:
        at.state, at.approval = "requested", ""
        s.carried[request.id] = Carried(request.id, request.tool, request.action)


def carry(s: AttemptState) -> tuple[Carried, ...]:
    """What an interrupted attempt hands to the next: approvals not yet spent, effects the operator vouched for."""
    out = list(s.carried.values())
    for at in s.calls.values():
        request = s.requests.get(at.approval)
        if request is None:
            continue
        resolved = s.resolutions.get(at.approval)
        if at.state == "approved" or (resolved and resolved.resolution == "again"):
            out.append(Carried(request.id, request.tool, request.action))
        elif resolved and resolved.resolution == "happened":
            out.append(Carried(request.id, request.tool, request.action, request.arguments, True))
    return tuple(out)
