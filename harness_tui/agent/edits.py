"""A waiting call with the operator's arguments: what it would be, judged as any call is, before it takes the place."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from ..domain.approval import Judgement, Proposal
from ..domain.attempt import AttemptState, Call
from ..domain.editing import same
from ..domain.errors import ApprovalError, HarnessError, UsageError
from ..domain.events import ApprovalRequested
from ..domain.messages import ToolCall
from ..domain.rules import RULE_ID
from ..domain.seams import Environment, EnvironmentLost
from ..domain.task import Level, RunSpec
from .kit import Kit

_WRONG_CALL = ("malformed", "unknown_tool")


async def proposed(
    spec: RunSpec, kit: Kit, world: Environment | None, s: AttemptState, at: Call, arguments: dict[str, Any]
) -> Proposal:
    """What the call would do with these arguments, whether policy now asks for it or would let it run.

    A closed world is not opened for this: one that is built anew judges what needs none (files, commands); what a
    page decides (a click) cannot be edited any more.

    Raises:
        UsageError: nothing changes, it does not fit the tool's schema, or it holds a secret.
        ApprovalError: policy refuses it, or there is no world to judge it in.
    """
    request = s.requests[at.approval]
    call = replace(at.call, arguments=arguments)
    if same(arguments, at.call.arguments):
        raise UsageError(f"{request.id} asks for exactly this already; nothing was changed.")
    if kit.redaction.deep(call) is not call:
        raise UsageError(f"{request.id} was not changed: the arguments hold a secret value.", "Use its handle.")
    try:
        if world is None:
            world = await asyncio.to_thread(kit.environment, spec, f"{s.uid}.{request.id}")
        judged = await _judged(getattr(world, "unrecorded", world), call, spec.task.level)
    except EnvironmentLost as lost:
        raise _gone(request, str(lost)) from None
    except HarnessError as error:
        raise _gone(request, str(error)) from None
    if judged.verdict == "refuse" or judged.proposal is None:
        kind = UsageError if judged.why in _WRONG_CALL else ApprovalError
        raise kind(f"{request.id} was not changed: {judged.reason}", "It still waits as it was.")
    if judged.proposal.session != request.session:
        raise _gone(request, "its page is closed")
    return judged.proposal


async def _judged(world: Environment, call: ToolCall, level: Level) -> Judgement:
    judged = await world.judge(call, level)
    if judged.verdict == "allow" and judged.rule.startswith(RULE_ID):
        # It does not start now: what the judgement claimed of the rule's uses is given back. At L1 no rule allows.
        await world.judge(call, "L1")
    return judged


def _gone(request: ApprovalRequested, why: str) -> ApprovalError:
    said = f"{request.id} cannot be edited: {why.rstrip('.')}."
    return ApprovalError(said, "Approve it as it is, or deny it and say what you want instead.")
