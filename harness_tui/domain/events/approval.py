"""Events of an approval: what was asked, and what became of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..messages import Risk
from .base import Event


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One line of an approval card; what is shown is what is digested."""

    label: str
    value: str


class ApprovalRequested(Event, frozen=True):
    """A call waits for a decision.

    Attributes:
        kind: "action", or "in_doubt" for an effect that started and has no result on record.
        digest: over everything that will run, session and expiry included (64 hex).
        action: the same without session and expiry.
        expires: us; 0 = never.
        selector: what `[approve]` rules are matched against, or "".
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
    kind: Literal["action", "in_doubt"] = "action"
    session: str = ""
    arguments: dict[str, Any] = {}
    selector: str = ""


class ApprovalDecided(Event, frozen=True):
    id: str
    decision: Literal["approved", "denied"]
    by: str
    digest: str
    reason: str = ""


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
