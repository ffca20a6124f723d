"""What an approval binds: the proposal, its digest, its risk, and the states a request can be in."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from .events import Fact
from .messages import Risk

MIN_DIGEST = 12
"""Hex digits of a digest a decision must name at least."""


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that will run if the operator says yes.

    Attributes:
        facts: the card, line by line; what is shown is what is digested.
        session: id of the environment the call is bound to.
        selector: what `[approve]` rules are matched against, or "".
    """

    tool: str
    arguments: dict[str, Any]
    risk_class: Risk
    risk: Literal["low", "med", "high"]
    summary: str
    facts: tuple[Fact, ...] = ()
    session: str = ""
    selector: str = ""


_canonical = msgspec.json.Encoder(order="deterministic").encode


def action_digest(proposal: Proposal) -> str:
    """SHA-256 over the proposal but for its session: equal in a rebuilt world exactly if the same would run."""
    body = [proposal.tool, proposal.arguments, proposal.risk_class, proposal.risk, proposal.facts]
    return hashlib.sha256(_canonical(body)).hexdigest()


def full_digest(proposal: Proposal, run: str, expires: int) -> str:
    """SHA-256 over all of it, bound to run, session and expiry: what a decision names."""
    body = [action_digest(proposal), run, proposal.session, expires]
    return hashlib.sha256(_canonical(body)).hexdigest()


def names(digest: str, given: str) -> bool:
    """Whether `given` (12 hex digits or more) names `digest`."""
    given = given.lower()
    return len(given) >= MIN_DIGEST and digest.startswith(given)


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What policy says of one call.

    Attributes:
        verdict: allow (runs now), ask (parks until decided) or refuse.
        proposal: what would run; present for allow and ask.
        reason: for refuse, what the model and the operator read.
        why: for refuse, as in `ToolRefused.why`.
        rule: what decided: id of an operator's rule, or a word for a built-in one (`level`, `read`, `guard`).
    """

    verdict: Literal["allow", "ask", "refuse"]
    proposal: Proposal | None = None
    reason: str = ""
    why: str = "policy"
    rule: str = ""
