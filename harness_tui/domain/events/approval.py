"""Events of an approval: what was asked, and what became of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..messages import Risk
from .base import Event
from .loop import Change

ApprovalKind = Literal["action", "in_doubt", "change", "gate", "plan"]
Decision = Literal["approved", "denied", "pushed_back"]


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One line of an approval card; what is shown is what is digested."""

    label: str
    value: str


class ApprovalRequested(Event, frozen=True):
    """A call waits for a decision.

    Attributes:
        kind: "action", "in_doubt" for an effect that started and has no result on record, "change" of a loop; "gate"
            and "plan" of a graph: a job that a person decides, and a wider plan.
        digest: over everything that will run, session and expiry included (64 hex).
        action: the same without session and expiry.
        expires: us; 0 = never.
        selector: what `[approve]` rules are matched against, or "".
        change: of a loop's change of files.
        paper: SHA-256 of the text that is decided on, where it is longer than facts are (a plan's diff), or "".
        why: what made it a request: the rule, or the gate's reason.
    """

    id: str
    call: str
    tool: str
    risk: Literal["low", "med", "high"]
    risk_class: Risk
    summary: str
    facts: tuple[Fact, ...]
    digest: str
    action: str
    expires: int
    kind: ApprovalKind = "action"
    session: str = ""
    arguments: dict[str, Any] = {}
    selector: str = ""
    change: Change | None = None
    why: str = ""
    paper: str = ""


class ApprovalDecided(Event, frozen=True):
    """Attributes: reason: of a denial; of a push-back what the maker is to do differently."""

    id: str
    decision: Decision
    by: str
    digest: str
    reason: str = ""


class ApprovalEdited(Event, frozen=True):
    """The operator put something else in its place. It still waits: now under another digest. The original stays on
    record in the event that asked.

    Attributes:
        arguments, facts, summary, digest, action, change: as in `ApprovalRequested`, of what is proposed now.
        risk_class: None = as before.
    """

    id: str
    by: str
    summary: str
    facts: tuple[Fact, ...]
    digest: str
    action: str
    risk: Literal["low", "med", "high"]
    arguments: dict[str, Any] = {}
    change: Change | None = None
    reason: str = ""
    risk_class: Risk | None = None


class ApprovalExpired(Event, frozen=True):
    id: str


class ApprovalWithdrawn(Event, frozen=True):
    id: str
    reason: str


class ApprovalResolved(Event, frozen=True):
    """The operator's word on an in-doubt effect."""

    id: str
    resolution: Literal["happened", "did_not", "again"]
    by: str
    reason: str = ""
