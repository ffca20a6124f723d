"""One line per event, for the trace pane, `runs tail` and `runs show`: plain text made safe here, once."""

from __future__ import annotations

import msgspec

from . import events as ev
from .dag import trace as dags
from .events import Envelope, root_of
from .loop import trace as loops
from .messages import Part, Text, ToolCall
from .money import dollars
from .safetext import clip
from .why import enforced

WIDTH = 1000
"""Cells kept of one line; the full text stays in the event."""


class TraceLine(msgspec.Struct, frozen=True):
    """A drawn event.

    Attributes:
        at: us.
        run: root run id; `stream` the run whose event it is.
        state: a state word of the glyph set: run | wait | ask | done | fail | cancel | doubt | retry | note.
        kind: what `/kind:` filters on: model | tool | ask | login | verify | step | frame | budget | policy | loop |
            dag | engine.
        text: safe text, one line.
    """

    pos: int
    at: int
    run: str
    stream: str
    state: str
    kind: str
    text: str


def line(envelope: Envelope) -> TraceLine | None:
    """The line of an event, or None for those that say nothing to a person."""
    drawn = _draw(envelope.event)
    if drawn is None:
        return None
    state, kind, text = drawn
    safe_text = clip(text, WIDTH)
    return TraceLine(envelope.pos, envelope.at, root_of(envelope.run), envelope.run, state, kind, safe_text)


def _draw(event: ev.Event) -> tuple[str, str, str] | None:
    if type(event) in dags.EVENTS:  # many a second, and the last of a long list otherwise
        return dags.draw(event)
    match event:
        case ev.RunStarted(spec=spec):
            held = f", {event.sandbox}" if event.sandboxed else ""
            less = f"  sandbox {enforced(event)}" if event.sandbox_asked and not event.sandboxed else ""
            title = spec.title or spec.task.prompt
            return "run", "step", f"started: {title}  ({spec.model.model}, {spec.task.level}{held}){less}"
        case ev.AttemptStarted(number=number):
            return "run", "step", f"attempt {number}"
        case ev.EnvironmentOpened(kind="none", notes=()):
            return None
        case ev.EnvironmentOpened(kind=kind, notes=notes):
            return "done", "step", f"{kind} opened" + "".join(f"  {note}" for note in notes)
        case ev.EnvironmentClosed(reason=reason):
            return "note", "step", f"environment closed: {reason}"
        case ev.MessageAdded(source=source, message=message) if source not in ("system",):
            return "note", "step", f"{source}: {message.text}"
        case ev.ModelRequested(iteration=iteration, hold=hold):
            return "run", "model", f"asks the model, turn {iteration}, {hold} tok held"
        case ev.ModelAnswered(usage=usage, parts=parts, stop=stop, usd=usd, notes=notes):
            cost = "" if usd is None else f"  {dollars(usd)}"
            cut = f"  CUT: {stop.replace('_', ' ')}" if stop in ("cut", "length", "context_full") else ""
            told = "".join(f"  NOTE: {note}" for note in notes)
            return "done", "model", f"in {usage.input} out {usage.output}{cost}{cut}{told}  {_said(parts)}".rstrip()
        case ev.ModelFailed(error=error, retry_at=retry_at):
            return ("retry" if retry_at else "fail"), "model", error
        case ev.ToolStarted(summary=summary, approval=approval):
            return "run", "tool", summary + (f"  (approved: {approval})" if approval else "")
        case ev.ToolFinished(tool=tool, ok=ok, text=text, took_ms=took, size=size):
            part = f"  {_size(len(text.encode()))} of {_size(size)} shown" if size else ""
            return ("done" if ok else "fail"), "tool", f"{tool} {took} ms{part}  {text}"
        case ev.ToolRefused(tool=tool, text=text):
            return "fail", "tool", f"{tool} refused: {text}"
        case ev.ToolNoted(text=text):
            return "note", "tool", text
        case _:
            return _draw_governance(event)


def _draw_governance(event: ev.Event) -> tuple[str, str, str] | None:
    match event:
        case ev.ApprovalRequested(id=ident, risk=risk, summary=summary, kind="in_doubt"):
            return "doubt", "ask", f"{ident} IN DOUBT {summary}"
        case ev.ApprovalRequested(id=ident, risk=risk, summary=summary):
            return "ask", "ask", f"{ident} {risk.upper() if risk == 'high' else risk} {summary}"
        case ev.ApprovalDecided(id=ident, decision=decision, by=by, reason=reason):
            state = "done" if decision == "approved" else "cancel"
            return state, "ask", f"{ident} {decision} by {by}" + (f": {reason}" if reason else "")
        case ev.ApprovalEdited(id=ident, by=by, summary=summary, digest=digest):
            return "ask", "ask", f"{ident} edited by {by}: {summary}  (digest {digest[:12]})"
        case ev.ApprovalExpired(id=ident):
            return "cancel", "ask", f"{ident} expired: nobody decided in time"
        case ev.ApprovalWithdrawn(id=ident, reason=reason):
            return "cancel", "ask", f"{ident} withdrawn: {reason}"
        case ev.ApprovalResolved(id=ident, resolution=resolution, by=by):
            return "done", "ask", f"{ident} resolved by {by}: {resolution.replace('_', ' ')}"
        case ev.FrameCaptured(sha=sha, caption=caption, url=url):
            return "note", "frame", f"{sha[:8]} {caption}  {url}"
        case ev.LoginHandled(ok=ok, origin=origin, detail=detail):
            return ("done" if ok else "fail"), "login", f"harness_auto_login on {origin}: {detail}"
        case ev.BudgetExhausted(scope=scope, limit=limit, unit="price"):
            return "fail", "budget", f"{scope}: no price is known to hold {dollars(limit)} by"
        case ev.BudgetExhausted(scope=scope, limit=limit, spent=spent, asked=asked, unit=unit):
            left = _amount(max(0, limit - spent), unit)
            return "fail", "budget", f"{scope}: {_amount(asked, unit)} asked, {left} of {_amount(limit, unit)} left"
        case ev.BudgetWarned(scope=scope, limit=limit, spent=spent, unit=unit):
            return "wait", "budget", f"{scope}: {_amount(spent, unit)} of {_amount(limit, unit)} are spent"
        case ev.BudgetSet(scope=scope, tokens=tokens, usd=usd, by=by):
            limits = [f"{tokens:,} tok" if tokens else "", "" if usd is None else dollars(usd)]
            return "note", "budget", f"{scope}: {' and '.join(filter(None, limits)) or 'no limit'}, set by {by}"
        case ev.RuleAdded(rule=rule):
            return "note", "policy", f"{rule.id}: {rule.decision} {rule.tool}, added by {rule.by}"
        case ev.RuleRevoked(id=ident, by=by):
            return "note", "policy", f"{ident} revoked by {by}"
        case ev.WorkspaceTrusted(path=path, by=by):
            return "note", "policy", f"{path} trusted by {by}"
        case ev.WorkspaceDistrusted(path=path, by=by):
            return "note", "policy", f"{path} no longer trusted, by {by}"
        case ev.LoopStopped(stopped_by=by, reason=reason, claim=claim):
            return "note", "step", f"stopped by {by}: {reason}" + (f'  claim: "{claim}"' if claim else "")
        case ev.Verified(passed=passed, reason=reason):
            said = {True: ("done", "verified: "), False: ("fail", "not verified: "), None: ("note", "")}[passed]
            return said[0], "verify", said[1] + reason
        case ev.RunFinished(state=state, reason=reason, exit=code):
            word = {"succeeded": "done", "failed": "fail", "cancelled": "cancel"}[state]
            return word, "step", f"{state}, exit {code}: {reason}"
        case ev.CancelRequested(by=by, reason=reason):
            return "cancel", "step", f"cancel asked by {by} {reason}".rstrip()
        case ev.EngineStarted(pid=pid, version=version):
            return "note", "engine", f"engine {version} started, pid {pid}"
        case ev.EngineRecovered(runs=runs, in_doubt=doubt):
            return "note", "engine", f"recovered {runs} runs, {doubt} in doubt"
        case ev.EngineStopped(reason=reason):
            return "note", "engine", f"engine stopped: {reason}"
        case _:
            return loops.draw(event)


def _amount(amount: int, unit: str) -> str:
    return dollars(amount) if unit == "usd" else f"{amount:,} tok"


def _size(count: int) -> str:
    """`812 B`, `24.1 KiB`, `3.2 MiB`."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def _said(parts: tuple[Part, ...]) -> str:
    """What an answer says in one line: its text, then the calls it makes."""
    said = " ".join(p.text for p in parts if isinstance(p, Text))
    calls = ", ".join(p.name for p in parts if isinstance(p, ToolCall))
    return f"{said}  -> {calls}".strip() if calls else said
