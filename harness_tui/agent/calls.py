"""The calls of a batch, in an open world: judged in order, performed one by one or, if they only read, together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from ..domain import attempt as at
from ..domain import inputs as inp
from ..domain.approval import Judgement
from ..domain.messages import ToolSpec
from ..domain.seams import Environment, ToolOutcome
from ..domain.task import RunSpec
from ..journal.failpoints import hit
from .kit import Kit
from .spill import Fitted

SECOND = 1_000_000
AT_ONCE = 8
"""Reads of one turn that run at the same time."""
OVERDUE = 5.0
"""Seconds after a call's deadline in which its world may still tell how it ended."""


class Calls:
    """Judges and performs calls of one run."""

    def __init__(self, spec: RunSpec, kit: Kit) -> None:
        self._spec = spec
        self._kit = kit

    async def judge(self, world: Environment, calls: Sequence[at.Call]) -> inp.Judged:
        """Policy's word on the first call; on those after it only as long as all of them are reads."""
        level = self._spec.task.level
        first = await world.judge(calls[0].call, level)
        beside: list[tuple[str, Judgement]] = []
        for call in calls[1:] if _reads(first) else ():
            if not _reads(judgement := await world.judge(call.call, level)):
                break
            beside.append((call.id, judgement))
        expires = self._kit.clock.now() + int(self._spec.approval_life * SECOND)
        fresh = self._kit.approval_id() if first.verdict == "ask" else ""
        return inp.Judged(calls[0].id, first, fresh, expires, tuple(beside))

    async def perform(self, world: Environment, calls: Sequence[at.Call]) -> tuple[inp.Result, ...]:
        """Run them at once, a few at a time. When the world dies under one, this raises after the others have ended."""
        if len(calls) == 1:
            return (await self._one(world, calls[0]),)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(call: at.Call) -> inp.Result:
            async with turns:
                return await self._one(world, call)

        results = await asyncio.gather(*map(one, calls), return_exceptions=True)
        if failure := next((r for r in results if isinstance(r, BaseException)), None):
            raise failure
        return tuple(r for r in results if isinstance(r, inp.Result))

    async def _one(self, world: Environment, call: at.Call) -> inp.Result:
        hit("tool.after_intent")
        spec = next((t for t in world.tools if t.name == call.call.name), ToolSpec(call.call.name, "", {}))
        began = self._kit.clock.now()
        try:
            # A world ends its calls at their deadline by itself; one that does not must not hold the run.
            async with asyncio.timeout(spec.deadline + OVERDUE):
                outcome = await world.perform(call.call)
        except TimeoutError:
            outcome = ToolOutcome(False, f"No result within {spec.deadline:g} s; whether it happened is unknown.")
        took = (self._kit.clock.now() - began) // 1000
        fitted = await self._fit(world, outcome.text, spec.ceiling)
        hit("tool.after_effect")
        return inp.Result(call.id, replace(outcome, text=fitted.text), took, fitted.blob, fitted.size)

    async def _fit(self, world: Environment, text: str, ceiling: int) -> Fitted:
        """What the model reads of a result. Secrets go first: half of one would not be known again."""
        if len(text) * 4 <= ceiling:
            return Fitted(text)
        clean = await asyncio.to_thread(self._kit.redaction, text)
        readable = any(tool.name == "read_file" for tool in world.tools)
        return await self._kit.spill.fit(clean, ceiling, readable=readable)


def _reads(judgement: Judgement) -> bool:
    """Allowed, and of no effect: any number of these may run in any order."""
    proposal = judgement.proposal
    return judgement.verdict == "allow" and proposal is not None and proposal.risk_class == "read_only"
