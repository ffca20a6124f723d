"""Inputs of the run machines: facts from outside (a result, a decision, a grant), never stored as such."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .approval import Judgement, Proposal
from .events import Decision, Event
from .ledger import Hold, Refused
from .messages import Answer, Message
from .seams import Interlude, ToolOutcome, Verdict


class Opened(msgspec.Struct, frozen=True):
    """The world is open."""

    kind: str
    session: str
    notes: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True):
    """Something the attempt cannot go on without failed, for good."""

    reason: str
    exit: int


class Began(msgspec.Struct, frozen=True):
    """The baseline was taken and the context built."""

    baseline: dict[str, Any]
    messages: tuple[tuple[str, Message], ...] = ()
    events: tuple[Event, ...] = ()


class TurnCleared(msgspec.Struct, frozen=True):
    """Guardrails passed and the ledger holds the call's worst case in `scopes`."""

    hold: Hold
    day: str
    scopes: tuple[str, ...]


class TurnStopped(msgspec.Struct, frozen=True):
    """A guardrail or the goal stopped the loop."""

    by: Literal["guardrail", "goal"]
    reason: str


class OverBudget(msgspec.Struct, frozen=True):
    """The ledger refused; `model` is whose price is unknown, for the sentence."""

    refused: Refused
    model: str = ""


class Answered(msgspec.Struct, frozen=True):
    answer: Answer


class ModelBroke(msgspec.Struct, frozen=True):
    """A model call failed. retry_at None: not again. exit: 5, or 7 for credentials. usd: nano-dollars it cost."""

    error: str
    kind: str
    spent: int
    exit: int
    retry_at: int | None = None
    usd: int | None = None


class Judged(msgspec.Struct, frozen=True):
    """Policy's word on a call. `approval` is a fresh id and `expires` its due time, should a request be raised.

    Attributes:
        beside: the calls right after it that start together with it: it and all of these are allowed reads.
    """

    call: str
    judgement: Judgement
    approval: str
    expires: int
    beside: tuple[tuple[str, Judgement], ...] = ()


class Decided(msgspec.Struct, frozen=True):
    approval: str
    decision: Decision
    by: str
    digest: str
    reason: str = ""


class Edited(msgspec.Struct, frozen=True):
    """The operator put other arguments in the place of a waiting call's; policy was heard and does not refuse them.

    Attributes:
        digest: what was shown when it was edited.
        proposal: what would run now; `action` its digest.
    """

    approval: str
    digest: str
    by: str
    proposal: Proposal
    action: str


class Resolved(msgspec.Struct, frozen=True):
    approval: str
    resolution: Literal["happened", "did_not", "again"]
    by: str
    reason: str = ""


class Expired(msgspec.Struct, frozen=True):
    approval: str


class Result(msgspec.Struct, frozen=True):
    """What one started call came to. `blob` and `size` (bytes): the whole text, when `outcome` holds part of it."""

    call: str
    outcome: ToolOutcome
    took_ms: int = 0
    blob: str = ""
    size: int = 0


class Performed(msgspec.Struct, frozen=True):
    """The started calls ran, together; results in the order of the calls."""

    results: tuple[Result, ...]


class Doubted(msgspec.Struct, frozen=True):
    """A started call has no result on record: the operator is asked under the fresh id `approval`."""

    call: str
    approval: str


class Sensed(msgspec.Struct, frozen=True):
    """The environment's own rules ran after the batch; `baseline` when it could only be taken now."""

    interlude: Interlude
    baseline: dict[str, Any] | None = None


class Lost(msgspec.Struct, frozen=True):
    """The world died, was closed while parked, or did not survive the engine."""

    reason: str
    spent: int = 0
    """Tokens a cut-off model call is assumed to have cost: its whole hold."""
    usd: int | None = None


class Checked(msgspec.Struct, frozen=True):
    verdict: Verdict


class Ended(msgspec.Struct, frozen=True):
    """The attempt is to be closed: `interrupted` when another one takes over without counting."""

    interrupted: bool = False
    reason: str = ""


class Cancelled(msgspec.Struct, frozen=True):
    by: str
    reason: str = ""


Input = (
    Opened
    | Failed
    | Began
    | TurnCleared
    | TurnStopped
    | OverBudget
    | Answered
    | ModelBroke
    | Judged
    | Decided
    | Edited
    | Resolved
    | Expired
    | Performed
    | Doubted
    | Sensed
    | Lost
    | Checked
    | Ended
    | Cancelled
)
