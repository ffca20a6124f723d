"""A round as a state machine: maker, change, checker, acceptance, gate, and what was decided on it afterwards.

The round ends when its change waits; the decision, days later, goes on in the same stream. Pure: `evolve` folds one
event, `pending` tells the next step from the state alone, so a round goes on after a crash where it stood.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .. import events as ev
from ..events import Event
from .spec import LoopSpec

Role = Literal["maker", "checker"]
NOTHING = "NOTHING TO DO"
"""What a maker answers, alone, when there is nothing to do: the round is one quiet row."""


class RoundState(msgspec.Struct):
    """Folded from the round's own stream.

    Attributes:
        spec: the one the round was started under, also when the loop was added anew since.
        request: the change's request; `doubt` the one about an executor without a result.
        again: the operator said that an executor in doubt is to run again.
    """

    uid: str
    spec: LoopSpec
    seq: int = 0
    started: ev.RoundStarted | None = None
    workers: dict[str, ev.WorkerStarted] = {}
    ended: dict[str, ev.WorkerEnded] = {}
    taken: ev.ChangeTaken | None = None
    verdict: ev.VerdictGiven | None = None
    acceptance: ev.AcceptanceRun | None = None
    gated: ev.Gated | None = None
    finished: ev.RoundFinished | None = None
    request: ev.ApprovalRequested | None = None
    edited: ev.ApprovalEdited | None = None
    decided: ev.ApprovalDecided | ev.ApprovalExpired | ev.ApprovalWithdrawn | None = None
    doubt: ev.ApprovalRequested | None = None
    again: bool = False
    action: ev.ActionStarted | None = None
    result: ev.ActionFinished | None = None

    @property
    def start(self) -> ev.RoundStarted:
        assert self.started is not None  # the first event of every round
        return self.started

    @property
    def takes_change(self) -> bool:
        return self.spec.changes and self.start.level != "L1"

    @property
    def change(self) -> ev.Change | None:
        """What is proposed now: the maker's change, or what the operator made of it."""
        if self.edited:
            return self.edited.change
        return self.taken.change if self.taken else None

    @property
    def claim(self) -> str:
        maker = self.ended.get("maker")
        return maker.claim if maker else ""

    @property
    def idle(self) -> str:
        """Why there is nothing to decide, or ""."""
        if self.claim.strip().rstrip(".") == NOTHING:
            return "nothing to do"
        if self.takes_change and self.taken and self.taken.change is None and not self.taken.note:
            return "nothing was changed"
        return ""

    @property
    def approved(self) -> bool:
        return isinstance(self.decided, ev.ApprovalDecided) and self.decided.decision == "approved"

    @property
    def verified(self) -> bool | None:
        """A clean verdict and, where one is asked for, a passed acceptance; None = nobody checks this loop."""
        if self.spec.checker is None:
            return None
        clean = self.verdict is not None and self.verdict.verdict == "clean"
        return clean and (self.spec.accept is None or (self.acceptance is not None and self.acceptance.passed))


def evolve(s: RoundState, event: Event) -> None:
    """Fold one event of the round's stream into its state, in place."""
    s.seq += 1
    match event:
        case ev.RoundStarted():
            s.started = event
        case ev.WorkerStarted(role):
            s.workers[role] = event
        case ev.WorkerEnded(role):
            s.ended[role] = event
        case ev.ChangeTaken():
            s.taken = event
        case ev.VerdictGiven():
            s.verdict = event
        case ev.AcceptanceRun():
            s.acceptance = event
        case ev.Gated():
            s.gated = event
        case ev.RoundFinished():
            s.finished = event
        case ev.ActionStarted():
            s.action, s.again = event, False
        case ev.ActionFinished():
            s.result = event
        case _:
            _evolve_request(s, event)


def _evolve_request(s: RoundState, event: Event) -> None:
    match event:
        case ev.ApprovalRequested(kind="in_doubt"):
            s.doubt = event
        case ev.ApprovalRequested():
            s.request = event
        case ev.ApprovalEdited():
            s.edited = event
        case ev.ApprovalDecided() | ev.ApprovalExpired() | ev.ApprovalWithdrawn():
            s.decided = event
        case ev.ApprovalResolved(_, resolution):
            s.doubt, s.again = None, resolution == "again"
        case _:
            pass


# -- steps --------------------------------------------------------------------------------------------------------


class StartWorker(msgspec.Struct, frozen=True):
    role: Role


class AwaitWorker(msgspec.Struct, frozen=True):
    role: Role
    run: str


class TakeChange(msgspec.Struct, frozen=True):
    """Commit what the maker left on the round's branch, and look at it."""


class ReadVerdict(msgspec.Struct, frozen=True):
    """What the checker said, as a form."""


class RunAcceptance(msgspec.Struct, frozen=True):
    pass


class AskGate(msgspec.Struct, frozen=True):
    pass


class Ask(msgspec.Struct, frozen=True):
    """Raise the request, and end the round with it."""


class Act(msgspec.Struct, frozen=True):
    """Carry it out; `recovered`: it was begun and has no result, so what came of it is looked at first."""

    recovered: bool = False


class AwaitDecision(msgspec.Struct, frozen=True):
    """Attributes: expires: us, 0 = never."""

    approval: str
    expires: int


class Finish(msgspec.Struct, frozen=True):
    outcome: ev.Outcome
    reason: str
    quiet: bool = False


Step = (
    StartWorker | AwaitWorker | TakeChange | ReadVerdict | RunAcceptance | AskGate | Ask | Act | AwaitDecision | Finish
)


def pending(s: RoundState) -> Step | None:
    """What is to be done next; None when nothing is."""
    if s.doubt:
        return AwaitDecision(s.doubt.id, 0)
    if s.finished is None:
        return _making(s) or _checking(s) or _gating(s)
    if s.request and s.decided is None:
        return AwaitDecision(s.request.id, s.request.expires)
    return _acting(s) if s.approved else None


def _making(s: RoundState) -> Step | None:
    step = _worker(s, "maker")
    if step:
        return step
    if s.takes_change and s.taken is None:
        return TakeChange()
    if s.taken and s.taken.note and s.taken.change is None:
        return Finish("failed", s.taken.note)
    return Finish("reported", s.idle, quiet=True) if s.idle else None


def _checking(s: RoundState) -> Step | None:
    if s.spec.checker:
        step = _worker(s, "checker")
        if step:
            return step
        if s.verdict is None:
            return ReadVerdict()
    # Without a change there is no worktree, and nothing of the operator's own is what a command tries itself on.
    return RunAcceptance() if s.spec.accept and s.change and s.acceptance is None else None


def _gating(s: RoundState) -> Step:
    if s.gated is None:
        return AskGate()
    if s.gated.decision == "report":
        return Finish("reported", s.gated.reason)
    if s.gated.decision == "escalate":
        return Ask()
    step = _acting(s)
    if step:
        return step
    assert s.result is not None
    return Finish("proceeded" if s.result.ok else "failed", s.result.text)


def _acting(s: RoundState) -> Step | None:
    if s.result is not None:
        return None
    return Act(recovered=s.action is not None and not s.again)


def _worker(s: RoundState, role: Role) -> Step | None:
    """Start it, wait for it, or end the round with what ended it; None once it has done its part."""
    if role not in s.workers:
        return StartWorker(role)
    ended = s.ended.get(role)
    if ended is None:
        return AwaitWorker(role, s.workers[role].run)
    if ended.stopped_by == "budget":
        return Finish("exhausted", f"the {role} stopped: {ended.reason}")
    if ended.state == "cancelled":
        return Finish("failed", f"the {role} was cancelled: {ended.reason}")
    if ended.state == "failed" and role == "maker":
        return Finish("failed", f"the maker failed: {ended.reason}")
    return None  # a checker that failed gives no verdict: what the maker made is not lost, and not verified
