"""`decide`: the events one input causes. Pure: same state and input, same events."""

from __future__ import annotations

from .. import events as ev
from .. import inputs as inp
from ..events import Event
from ..ledger import Refused
from ..messages import Answer, Message
from ..money import dollars
from ..policy import PROPOSAL
from . import calls, edits, repeats
from .state import AttemptState

MAX_PAUSES = 5
"""Turns in a row a provider may interrupt and have continued."""


def decide(s: AttemptState, x: inp.Input) -> list[Event]:
    """The events one input causes; [] when the input is stale and changes nothing."""
    if s.phase == "finished":
        return []
    match x:
        case inp.Opened(kind, session, notes):
            return [ev.EnvironmentOpened(kind, session, notes)]
        case inp.Began():
            return _began(s, x)
        case inp.TurnCleared(hold, day, scopes):
            call, turn, shown = f"m{s.iteration + 1}.{s.tries + 1}", s.iteration + 1, len(s.messages)
            return [ev.ModelRequested(call, turn, hold.tokens, day, shown, hold.output, hold.usd, scopes)]
        case inp.TurnStopped(by, reason):
            return [ev.LoopStopped(by, reason, s.claim)]
        case inp.OverBudget(refused, model):
            out = ev.BudgetExhausted(refused.scope, refused.limit, refused.spent, refused.asked, refused.unit)
            return [out, ev.LoopStopped("budget", refusal(refused, model), s.claim, 3)]
        case inp.Answered(answer):
            return _answered(s, answer)
        case inp.ModelBroke(error, kind, spent, code, retry_at, usd):
            failed = ev.ModelFailed(s.model_call, error, kind, spent, retry_at, usd)
            return [failed] if retry_at is not None else [failed, ev.LoopStopped("error", error, s.claim, code)]
        case inp.Judged():
            return calls.judged(s, x)
        case inp.Performed(results):
            return [event for result in results for event in calls.finished(s, result)]
        case inp.Sensed():
            return _sensed(s, x)
        case inp.Checked(verdict):
            checked = ev.Verified(verdict.passed, verdict.reason, verdict.fatal, verdict.checks)
            return [*verdict.events, checked]
        case _:
            return _decided_from_outside(s, x)


def _decided_from_outside(s: AttemptState, x: inp.Input) -> list[Event]:
    match x:
        case inp.Decided() | inp.Expired() | inp.Resolved() | inp.Doubted():
            return calls.governed(s, x)
        case inp.Edited():
            return calls.edited(s, x)
        case inp.Failed(reason, code):
            return [ev.LoopStopped("error", reason, s.claim, code)]
        case inp.Lost(reason, spent, usd):
            return _lost(s, reason, spent, usd)
        case inp.Ended(interrupted, reason):
            return _ended(s, interrupted, reason)
        case inp.Cancelled(by, reason):
            return _cancelled(s, by, reason)
        case _:
            raise AssertionError(f"no rule for {x!r}")


def _began(s: AttemptState, x: inp.Began) -> list[Event]:
    taken: list[Event] = [] if s.baseline is not None else [ev.BaselineTaken(x.baseline)]
    told = [
        ev.MessageAdded(message, source) for source, message in (*x.messages, *edits.handed_over(s.carried.values()))
    ]
    return [*x.events, *taken, *told]


def _answered(s: AttemptState, answer: Answer) -> list[Event]:
    answered = ev.ModelAnswered(
        call=s.model_call,
        parts=answer.parts,
        usage=answer.usage,
        stop=answer.stop,
        reported=answer.usage_reported,
        usd=answer.usd,
        mark=answer.mark,
        model=answer.model,
        notes=answer.notes,
        dropped=answer.dropped,
    )
    said = answer.message.text or s.claim
    if answer.message.calls:
        return [answered]
    match answer.stop:
        case "paused" if s.pauses < MAX_PAUSES:
            return [answered]
        case "refusal" | "filtered":
            word = "declined to answer" if answer.stop == "refusal" else "answer was filtered by its provider"
            why = " ".join([f"The model {word}." if answer.stop == "refusal" else f"The {word}.", *answer.notes])
            return [answered, ev.LoopStopped("error", why, said, 5)]
        case "length":
            why = f"The answer was cut at its limit of {s.max_output} tokens."
            return [answered, ev.LoopStopped("guardrail", why, said)]
        case "other" if not answer.message.text:
            why = " ".join(["The model ended its turn without an answer.", *answer.notes])
            return [answered, ev.LoopStopped("error", why, said, 5)]
        case _:
            how = "the model answered" if answer.message.text else "the model answered nothing"
            return [answered, ev.LoopStopped("model", how, said)]


def refusal(refused: Refused, model: str) -> str:
    """Why the ledger refused, and what to do about it."""
    kind, flag = refused.scope.partition(":")[0], ""
    if refused.unit == "price":
        limit = dollars(refused.limit)
        return (
            f"The price of {model} is unknown, so the limit of {limit} (per {kind}) cannot be held. "
            "Name its price in config.toml, [prices], or limit tokens instead."
        )
    name = "usd" if refused.unit == "usd" else "tokens"
    if kind == "run":
        flag = f" Give it more with --budget-{name}, or [budget] {name}."
    elif kind == "day":
        flag = f" Give it more with: harness-tui budget set day --{name} N"
    elif kind != "call":  # a loop's day is a kind of its own
        flag = f" Its loop file says so, in [budget] {'' if kind == 'round' else 'day_'}{name}."
        kind = "round" if kind == "round" else "loop's day"
    amount = dollars if refused.unit == "usd" else "{:,}".format
    asked = amount(refused.asked) + ("" if refused.unit == "usd" else " tokens")
    left, limit = amount(max(0, refused.limit - refused.spent)), amount(refused.limit)
    return f"The next model call may need {asked}; {left} of the {kind}'s {limit} are left.{flag}"


def _sensed(s: AttemptState, x: inp.Sensed) -> list[Event]:
    out: list[Event] = list(x.interlude.events)
    if x.baseline is not None:
        out.append(ev.BaselineTaken(x.baseline))
    if x.interlude.message:
        out.append(ev.MessageAdded(Message.say("user", x.interlude.message), "login"))
    if told := repeats.nudge(s.calls.values()):
        out.append(ev.MessageAdded(Message.say("user", told), "sensor"))
    out.append(ev.TurnEnded(s.iteration))
    if x.interlude.fatal:
        out.append(ev.LoopStopped("error", x.interlude.fatal, s.claim, 7))
    return out


def _lost(s: AttemptState, reason: str, spent: int, usd: int | None) -> list[Event]:
    out: list[Event] = []
    if s.phase == "asking":
        out.append(ev.ModelFailed(s.model_call, f"interrupted: {reason}", "interrupted", spent, 0, usd))
    # What a loop's maker did in its own worktree it can look at there: nobody need be asked whether it happened.
    for at in s.calls.values():
        if at.state == "started" and s.started[at.id].rule == PROPOSAL:
            unknown = f"{reason} while it ran: whether it was done is unknown. Look before you do it again."
            out.append(ev.ToolFinished(at.id, at.call.name, False, unknown))
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
        out.append(ev.ModelFailed(s.model_call, said, "interrupted", s.hold, None, s.hold_usd))
    for at in s.calls.values():
        if at.state in ("asking", "approved"):
            out.append(ev.ApprovalWithdrawn(at.approval, said))
        elif at.state == "started":
            unknown = f"{said} while it ran: whether it happened is unknown"
            out.append(ev.ToolFinished(at.id, at.call.name, False, unknown))
    if s.world == "open":
        out.append(ev.EnvironmentClosed(said))
    return [*out, ev.LoopStopped("cancelled", said, s.claim, 8), ev.AttemptFinished("cancelled", said, 8)]
