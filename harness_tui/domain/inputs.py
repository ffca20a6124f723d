"""Inputs of the run machines: facts from outside (a result, a decision, a grant), never stored as such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .approval import Judgement
from .events import Event
from .messages import Answer, Message
from .seams import Interlude, ToolOutcome, Verdict


@dataclass(frozen=True, slots=True)
class Opened:
    """The world is open."""

    kind: str
    session: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Something the attempt cannot go on without failed, for good."""

    reason: str
    exit: int


@dataclass(frozen=True, slots=True)
class Began:
    """The baseline was taken and the context built."""

    baseline: dict[str, Any]
    messages: tuple[tuple[str, Message], ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnCleared:
    """Guardrails passed and the ledger granted `hold` tokens."""

    hold: int
    day: str
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class TurnStopped:
    """A guardrail or the goal stopped the loop."""

    by: Literal["guardrail", "goal"]
    reason: str


@dataclass(frozen=True, slots=True)
class OverBudget:
    scope: str
    limit: int
    spent: int
    asked: int


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer


@dataclass(frozen=True, slots=True)
class ModelBroke:
    """A model call failed. retry_at None: not again. exit: 5, or 7 for credentials."""

    error: str
    kind: str
    spent: int
    exit: int
    retry_at: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """Policy's word on a call. `approval` is a fresh id and `expires` its due time, should a request be raised."""

    call: str
    judgement: Judgement
    approval: str
    expires: int


@dataclass(frozen=True, slots=True)
class Decided:
    approval: str
    decision: Literal["approved", "denied"]
    by: str
    digest: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    approval: str
    resolution: Literal["happened", "did_not", "again"]
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    approval: str


@dataclass(frozen=True, slots=True)
class Performed:
    call: str
    outcome: ToolOutcome
    took_ms: int = 0


@dataclass(frozen=True, slots=True)
class Doubted:
    """A started call has no result on record: the operator is asked under the fresh id `approval`."""

    call: str
    approval: str


@dataclass(frozen=True, slots=True)
class Sensed:
    """The environment's own rules ran after the batch; `baseline` when it could only be taken now."""

    interlude: Interlude
    baseline: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The world died, was closed while parked, or did not survive the engine."""

    reason: str
    spent: int = 0
    """Tokens a cut-off model call is assumed to have cost: its whole hold."""


@dataclass(frozen=True, slots=True)
class Checked:
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is to be closed: `interrupted` when another one takes over without counting."""

    interrupted: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cancelled:
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
