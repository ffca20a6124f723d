"""What an attempt does next: its effects, and `pending`, which tells the effect from the state alone."""

from __future__ import annotations

import msgspec

from .state import AttemptState, Call


class Open(msgspec.Struct, frozen=True):
    """Open the environment, take the baseline if the run has none, build the context."""


class Begin(msgspec.Struct, frozen=True):
    """Take the baseline and build the context in the open world."""


class ClearTurn(msgspec.Struct, frozen=True):
    """Guardrails, goal and budget before the next model call; not before `not_before` (us)."""

    not_before: int = 0


class AskModel(msgspec.Struct, frozen=True):
    call: str


class Judge(msgspec.Struct, frozen=True):
    """Hear policy on the first of these; the others may start with it while all of them are allowed reads."""

    calls: tuple[Call, ...]


class AwaitDecision(msgspec.Struct, frozen=True):
    """Nothing to do until somebody decides or `expires` (us, 0 = never)."""

    approval: str
    expires: int


class Perform(msgspec.Struct, frozen=True):
    """Run one started call, or several reads at once."""

    calls: tuple[Call, ...]


class RaiseDoubt(msgspec.Struct, frozen=True):
    call: Call


class Sense(msgspec.Struct, frozen=True):
    """The environment's own rules after a batch (the login handler)."""


class Verify(msgspec.Struct, frozen=True):
    """Judge the result against the world, not against the claim."""


class Finish(msgspec.Struct, frozen=True):
    """Close the world and the attempt; `interrupted` hands over to another attempt, not before `not_before` (us)."""

    interrupted: bool = False
    reason: str = ""
    not_before: int = 0


Effect = Open | Begin | ClearTurn | AskModel | Judge | AwaitDecision | Perform | RaiseDoubt | Sense | Verify | Finish


def pending(s: AttemptState) -> Effect | None:
    """What is to be done next, from the state alone; None when the attempt is finished."""
    if s.phase == "finished":
        return None
    for call in s.calls.values():
        if call.state == "doubt":
            return AwaitDecision(call.approval, 0)
    if s.world == "closed":
        at = s.unsettled
        if at and at.state == "started" and s.started[at.id].risk in ("destructive", "network"):
            return RaiseDoubt(at)
        if s.restart:
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
    stretch = s.stretch
    if not stretch:
        return Sense()
    at = stretch[0]
    if at.state == "asking":
        return AwaitDecision(at.approval, s.requests[at.approval].expires)
    return Perform(stretch) if at.state == "started" else Judge(stretch)


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
    return Finish(interrupted=True, reason=s.lost or "the environment closed", not_before=s.retry_at)
