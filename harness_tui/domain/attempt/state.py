"""The state of an attempt, and `evolve`: one event folded into it, in place."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import msgspec
from msgspec.structs import replace

from .. import events as ev
from ..editing import same
from ..events import Carried, Event
from ..messages import Message, ToolCall, ToolResult
from ..seams import Performed


class Call(msgspec.Struct):
    """One tool call of the current batch. state: requested | asking | approved | started | doubt | settled.

    Attributes:
        call: what runs, if it does.
        times: how many times in a row exactly this has been asked for, this one included.
        original: what the model asked for, when an operator (`edited_by`) put something else in its place.
    """

    id: str
    call: ToolCall
    state: str = "requested"
    approval: str = ""
    times: int = 1
    original: ToolCall | None = None
    edited_by: str = ""

    @property
    def changed(self) -> bool:
        """What runs is not what the model asked for."""
        return self.original is not None and not same(self.original.arguments, self.call.arguments)


class AttemptState(msgspec.Struct):
    """Folded from the attempt's own stream.

    Attributes:
        phase: new | opening | ready | asking | acting | stopped | verified | finished.
        world: none (not opened yet) | open | closed.
        restart: the environment cannot be continued once closed; another attempt takes over.
        verifies: the task has something to verify, which takes an open world.
        tries: model calls of this iteration that failed.
        hold, hold_usd, scopes: what the model call under way has reserved.
        measured: (tokens, messages): what the first so many messages cost by the server's own count.
        squeezed: the conversation was too long for the model, so a smaller window of it is shown.
        pauses: turns in a row that the provider interrupted.
        refused: a call that made sense was not let run.
        requests: by approval, as they are now: an edit is in them.
        asked_first: by approval that was edited, the action digest of what was asked for at first.
        denied: action digests the operator refused: never asked again in this attempt.
        last_call: the newest call asked for.
        spilled: blobs that hold whole results.
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
    carried: dict[str, Carried] = {}
    messages: list[Message] = []
    iteration: int = 0
    tries: int = 0
    retry_at: int = 0
    model_call: str = ""
    max_output: int | None = None
    hold: int = 0
    hold_usd: int | None = None
    scopes: tuple[str, ...] = ()
    day: str = ""
    measured: tuple[int, int] = (0, 0)
    squeezed: bool = False
    pauses: int = 0
    calls: dict[str, Call] = {}
    last_call: Call | None = None
    spilled: list[str] = []
    requests: dict[str, ev.ApprovalRequested] = {}
    asked_first: dict[str, str] = {}
    resolutions: dict[str, ev.ApprovalResolved] = {}
    denied: set[str] = set()
    done: list[Performed] = []
    started: dict[str, ev.ToolStarted] = {}
    effects: list[tuple[ev.ToolStarted, Performed]] = []
    stop: ev.LoopStopped | None = None
    verdict: ev.Verified | None = None
    refusal: str = ""
    refused: bool = False
    acted: bool = False
    tools: list[str] = []
    lost: str = ""

    @property
    def unsettled(self) -> Call | None:
        """The call the loop is at: the first of the batch that has no result yet."""
        for call in self.calls.values():
            if call.state != "settled":
                return call
        return None

    @property
    def stretch(self) -> tuple[Call, ...]:
        """Where the loop is: the first unsettled call, with those right after it that may go along.

        Only reads ever start together, so calls that started are a stretch; so are calls nobody has judged yet.
        """
        calls = [call for call in self.calls.values() if call.state != "settled"]
        if not calls or calls[0].state not in ("requested", "started"):
            return tuple(calls[:1])
        return tuple(takewhile(lambda call: call.state == calls[0].state, calls))

    @property
    def last_result(self) -> str:
        """What the last finished call said."""
        results = [p.text for m in self.messages for p in m.parts if isinstance(p, ToolResult)]
        return results[-1] if results else ""

    @property
    def claim(self) -> str:
        """What the model last said without asking for a call: its own word that it is done, or ""."""
        said = [m.text for m in self.messages if m.role == "assistant" and m.text and not m.calls]
        return said[-1] if said else ""


def asked(ident: str, call: ToolCall, before: Call | None) -> Call:
    """The call under its id, counted: the same tool with the same arguments right after itself is asked once more."""
    last = (before.original or before.call) if before else None
    same = last and (last.name, last.arguments, last.raw) == (call.name, call.arguments, call.raw)
    return Call(ident, call, times=before.times + 1 if before and same else 1)


def evolve(s: AttemptState, event: Event) -> None:
    """Fold one event of the attempt's stream into its state, in place."""
    s.seq += 1
    match event:
        case ev.AttemptStarted(_, number, baseline, carried):
            s.number, s.baseline = number, baseline
            s.carried = {c.approval or f"done {n}": c for n, c in enumerate(carried)}
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
        case ev.ModelRequested(call, iteration, hold, day, _, max_output, hold_usd, scopes):
            s.phase, s.model_call, s.iteration = "asking", call, iteration
            s.hold, s.hold_usd, s.scopes, s.day, s.max_output = hold, hold_usd, scopes, day, max_output
        case ev.ModelFailed(kind=kind, retry_at=retry_at):
            # The iteration is asked again, so it has not happened yet.
            s.phase, s.iteration, s.retry_at, s.hold, s.hold_usd = "ready", s.iteration - 1, retry_at or 0, 0, None
            s.tries += 1
            if kind == "context":
                s.squeezed, s.measured = True, (0, 0)
        case ev.ModelAnswered(_, parts, usage, stop, reported):
            message = Message("assistant", parts)
            s.messages.append(message)
            s.tries, s.retry_at, s.hold, s.hold_usd = 0, 0, 0, None
            s.measured = (usage.total, len(s.messages)) if reported else (0, 0)
            s.pauses = s.pauses + 1 if stop == "paused" else 0
            s.calls = {}
            for n, each in enumerate(message.calls, 1):
                s.last_call = asked(f"c{s.iteration}.{n}", each, s.last_call)
                s.calls[s.last_call.id] = s.last_call
            s.phase = "acting"
        case ev.LoginHandled():
            s.tools.append("harness_auto_login")
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
        case ev.ToolStarted(call, tool, risk, approval=approval):
            s.calls[call].state = "started"
            s.carried.pop(approval, None)
            s.tools.append(tool)
            s.started[call] = event
            s.acted = s.acted or risk == "destructive" or bool(approval)
        case ev.ToolFinished(call, tool, ok, text, blob=blob):
            at = s.calls[call]
            s.spilled += [blob] if blob else []
            at.state = "settled"
            s.done.append(Performed(tool, at.call.arguments, ok))
            started = s.started.get(call)
            if ok and started and (started.approval or started.risk == "destructive"):
                s.effects.append((started, s.done[-1]))
            s.messages.append(Message("tool", (ToolResult(at.call.id, tool, text, ok),)))
        case ev.ToolRefused(call, tool, why, text):
            s.refused = s.refused or why in ("policy", "rule", "level")
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
            s.denied |= {s.requests[ident].action, s.asked_first.get(ident, s.requests[ident].action)}
        case ev.ApprovalEdited():
            _edited(s, event)
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


def _edited(s: AttemptState, x: ev.ApprovalEdited) -> None:
    """From now on the call is the operator's: it runs so, or not at all. What the model said stays what it said."""
    request = s.requests[x.id]
    s.asked_first.setdefault(x.id, request.action)
    s.requests[x.id] = replace(
        request,
        summary=x.summary,
        facts=x.facts,
        digest=x.digest,
        action=x.action,
        risk=x.risk,
        risk_class=x.risk_class or request.risk_class,
        arguments=x.arguments,
    )
    for at in s.calls.values():
        if at.approval == x.id:
            at.original, at.edited_by = at.original or at.call, x.by
            at.call = replace(at.call, arguments=x.arguments)


def _again(s: AttemptState, at: Call, request: ev.ApprovalRequested) -> None:
    """The operator wants it once more: in a world that goes on, judged anew; else the next attempt may."""
    if s.restart:
        at.state = "settled"
    else:
        at.state, at.approval = "requested", ""
        s.carried[request.id] = _carried(at, request)


def carry(s: AttemptState) -> tuple[Carried, ...]:
    """What an interrupted attempt hands to the next: approvals not yet spent, and effects that happened."""
    out = list(s.carried.values())
    for started, result in s.effects:
        action = s.requests[started.approval].action if started.approval in s.requests else started.digest
        out.append(Carried("", started.tool, action, result.arguments, True))
    for at in s.calls.values():
        request = s.requests.get(at.approval)
        if request is None:
            continue
        resolved = s.resolutions.get(at.approval)
        if at.state == "approved" or (resolved and resolved.resolution == "again"):
            out.append(_carried(at, request))
    return tuple(out)


def _carried(at: Call, request: ev.ApprovalRequested) -> Carried:
    """The next attempt's model knows nothing of an edit: the arguments go along, to be told."""
    return Carried(request.id, request.tool, request.action, at.call.arguments if at.changed else {})
