"""What a level lets tools do: the table behind `may` in every run's row, and the one judgement of every call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from .approval import Judgement, Proposal, action_digest
from .messages import RISKS, Risk, ToolSpec
from .rules import Rule, Subject, Where, allows, in_force, touches
from .task import LEVELS, Level

PROPOSAL = "proposal"
"""The rule of a call that changes nothing but the worktree of the round its run proposes in."""
PLAN = "plan"
"""The rule of a call that an operator approved, exactly as it is, with the plan it is part of."""
ACTS, ASKS, CANNOT = "acts", "asks", "cannot"


def rule(risk: Risk, level: Level, *, sandboxed: bool = False) -> str:
    """acts | asks | cannot for one risk class.

    L1 reads. L2 asks for each consequential action. L3 never asks: without an enforced sandbox it cannot.
    """
    if risk == "read_only":
        return ACTS
    if level not in ("L2", "L3"):
        return CANNOT
    if risk == "idempotent":
        return ACTS
    if level == "L2":
        return ASKS
    return ACTS if sandboxed else CANNOT


def may(tools: Sequence[ToolSpec], level: Level, *, sandboxed: bool = False) -> dict[str, str]:
    """risk class -> acts | asks | cannot; a class no tool of the run has is `cannot`."""
    present = {t.risk for t in tools}
    return {risk: rule(risk, level, sandboxed=sandboxed) if risk in present else CANNOT for risk in RISKS}


class Weighed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a toolbox knows of one call before level and rules are heard. It performs nothing.

    Attributes:
        proposal: what would run, its risk class and risk included. Of risk class read_only only if this very call is
            *proven* to read: that runs at every level.
        subject: what rules are matched against.
        free: runs at L2 and L3 without asking (an address the task allows), unless a rule says otherwise.
        refusal: why it is refused whatever the rules say (a guard, a jail, a lint), or "".
        why: built-in rule behind `refusal`, `free` or the reading, for people: `guard`, `jail`, `read: git status`.
        sandboxed: its effect stays inside an enforced sandbox.
        unsafe: why no rule can allow it, which an operator asked at L2 is told, or "".
    """

    proposal: Proposal
    subject: Subject
    free: bool = False
    refusal: str = ""
    why: str = ""
    sandboxed: bool = False
    unsafe: str = ""


def judge(
    call: Weighed,
    level: Level,
    rules: Sequence[Rule],
    where: Where,
    used: Mapping[str, int] | None = None,
    *,
    proposes: bool = False,
    planned: bool = False,
) -> Judgement:
    """allow, ask or refuse: deny beats ask beats allow beats the level. Pure; the same for a real call and a check.

    Args:
        rules: all of the operator's; those that do not hold here and now count for nothing.
        used: calls allowed so far, by rule id.
        proposes: what it changes in its sandbox is decided on as a whole later, so a call that cannot get out of it
            need not ask.
        planned: an operator approved exactly this call with its plan, so it is not asked for once more; what denies,
            asks or guards still does, L1 only reads, and at L3 it must stay inside an enforced sandbox.
    """
    used = used or {}
    held = [each for each in rules if in_force(each, where, used.get(each.id, 0))]
    subject, name, risk = call.subject, call.proposal.tool, call.proposal.risk_class
    if any(each.action for each in held):
        subject = replace(subject, action=action_digest(call.proposal))
    if call.refusal:
        return _refuse(call.refusal, "policy", call.why or "guard")
    if level not in LEVELS:
        return _refuse(f'There is no level "{level}".', "level", "level")
    if deny := _first("deny", held, subject):
        return _refuse(_said(deny, f"{name} is denied by rule {deny.id}."), "rule", deny.id)
    if ask := _first("ask", held, subject):
        return _ask_or_refuse(call, level, _said(ask, f"rule {ask.id} asks"), ask.id)
    if risk == "read_only":
        return Judgement("allow", call.proposal, call.why or "it only reads", rule=call.why or "read")
    if level == "L1":
        return _refuse(f"{name} is {risk}, and at L1 only what is proven to read runs.", "level", "L1")
    if proposes and call.sandboxed and risk in ("idempotent", "destructive"):
        return Judgement("allow", call.proposal, "it changes the round's own worktree alone", rule=PROPOSAL)
    if planned and (level == "L2" or call.sandboxed):
        return Judgement("allow", call.proposal, "it is part of the approved plan", rule=PLAN)
    if not subject.understood:
        return _ask_or_refuse(call, level, call.unsafe or "not understood for sure", "not understood")
    if call.free or risk == "idempotent":
        return Judgement("allow", call.proposal, call.why or f"it is {risk}", rule=call.why or risk)
    if level == "L3" and not call.sandboxed:
        return _refuse(f"{name} is {risk}; L3 acts inside an enforced sandbox only, and there is none.", "level", "L3")
    if granted := allows(held, subject):
        ids = " ".join(each.id for each in granted)
        return Judgement("allow", call.proposal, _said(granted[0], f"allowed by {ids}"), rule=ids)
    if level == "L3":
        return _refuse(f"{name} is {risk}; L3 acts on listed kinds only, and no rule lists this.", "level", "L3")
    return _ask_or_refuse(call, level, call.unsafe or f"{name} is {risk}", "L2")


def _first(decision: str, held: Sequence[Rule], subject: Subject) -> Rule | None:
    return next((each for each in held if each.decision == decision and touches(each, subject)), None)


def _ask_or_refuse(call: Weighed, level: Level, reason: str, by: str) -> Judgement:
    if level == "L2":
        return Judgement("ask", call.proposal, reason, rule=by)
    return _refuse(f"{call.proposal.tool}: {reason}; {level} never asks.", "level", by)


def _refuse(reason: str, why: Literal["policy", "rule", "level"], by: str) -> Judgement:
    return Judgement("refuse", reason=reason, why=why, rule=by)


def _said(rule: Rule, otherwise: str) -> str:
    return rule.reason or otherwise
