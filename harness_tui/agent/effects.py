"""Performing one effect of an attempt: each function turns an effect into the input that answers it."""

from __future__ import annotations

import asyncio
import contextlib

from ..domain import attempt as at
from ..domain import inputs as inp
from ..domain.errors import HarnessError, ModelError
from ..domain.events import AttemptEnded, Event, Flow, LoginHandled, root_of
from ..domain.ledger import Refused
from ..domain.lifecycle import UNVERIFIED
from ..domain.messages import Answer, Delta
from ..domain.seams import Environment, EnvironmentLost, Model, ToolOutcome, Verdict
from ..domain.task import RunSpec
from ..journal.failpoints import hit
from ..models.retry import MAX_TRIES, delay
from . import context
from .guardrails import Turn, defaults
from .kit import Kit

SECOND = 1_000_000
SETTLE_GRACE = 10.0
"""Seconds a started destructive call may take to end after a cancel or a stop."""


class Effects:
    """Performs the effects of one attempt in one world.

    Attributes:
        world: the open environment, or None before `Open` and after it was lost or closed.
    """

    def __init__(self, spec: RunSpec, kit: Kit, earlier: list[AttemptEnded]) -> None:
        self.spec = spec
        self.kit = kit
        self.earlier = earlier
        self.world: Environment | None = None
        self._model: Model | None = None
        self._meter = context.Meter()
        self._guard = defaults(spec.task.guardrails, *kit.guardrails)

    @property
    def local(self) -> bool:
        """The world has nothing to look at, so judging and sensing are free of I/O."""
        return self.world is not None and self.world.kind == "none"

    async def perform(self, s: at.AttemptState, effect: at.Effect) -> inp.Input:
        """The input that answers `effect`. A world that died answers `Lost`; nothing else escapes."""
        try:
            match effect:
                case at.ClearTurn(not_before):
                    return await self._clear(s, not_before)
                case at.AskModel():
                    return await self._ask(s)
                case at.Judge(call):
                    return await self._judge(s, call)
                case at.Perform(call):
                    return await self._call(s, call)
                case at.Sense():
                    return await self._sense(s)
                case at.RaiseDoubt(call):
                    return inp.Doubted(call.id, self.kit.approval_id())
                case at.Open():
                    return await self._open(s)
                case at.Begin():
                    return await self._begin(s)
                case at.Verify():
                    return await self._verify(s)
                case _:
                    raise AssertionError(f"not an effect of an attempt: {effect!r}")
        except EnvironmentLost as lost:
            await self.close()
            return inp.Lost(str(lost), s.hold)

    async def close(self) -> None:
        """Close the world, whatever state it is in; a second call does nothing."""
        world, self.world = self.world, None
        if world is not None:
            with contextlib.suppress(Exception):
                await world.close()

    async def finish(self) -> None:
        """Close the world and the model's connections."""
        await self.close()
        model, self._model = self._model, None
        if model is not None:
            with contextlib.suppress(Exception):
                await model.close()

    async def _open(self, s: at.AttemptState) -> inp.Input:
        await self.close()
        world = self.kit.environment(self.spec, f"{s.uid}.{s.seq}")
        try:
            await world.open()
        except HarnessError as error:
            await world.close()
            return inp.Failed(str(error), error.exit_code)
        except asyncio.CancelledError:
            await world.close()
            raise
        self.world = world
        return inp.Opened(world.kind, world.session, tuple(world.notes))

    async def _begin(self, s: at.AttemptState) -> inp.Input:
        baseline, events = s.baseline, tuple[Event, ...]()
        if baseline is None:
            taken, events = await self._here().baseline()
            baseline = taken or {}
            if baseline.get("fatal"):
                return inp.Failed(str(baseline.get("error", "the start page cannot be read")), 1)
        return inp.Began(baseline, context.opening(self.spec, self.earlier, s.done), tuple(events))

    async def _clear(self, s: at.AttemptState, not_before: int) -> inp.Input:
        wait = (not_before - self.kit.clock.now()) / SECOND
        if wait > 0:
            await self.kit.clock.sleep(wait)
        world = self._here()
        if s.iteration and (reached := await world.goal(s.done, s.baseline)):
            return inp.TurnStopped("goal", reached)
        if stopped := self._guard(Turn(s.iteration, len(s.messages), s.done)):
            return inp.TurnStopped("guardrail", stopped)
        return self._reserve(s, world)

    def _reserve(self, s: at.AttemptState, world: Environment) -> inp.Input:
        asked = self._meter.estimate(s.messages, world.tools)
        day = self.kit.day()
        grant = self.kit.ledger.reserve(self._scopes(s, day), asked + context.MAX_OUTPUT, asked + context.LEAST_OUTPUT)
        if isinstance(grant, Refused):
            return inp.OverBudget(grant.scope, grant.limit, grant.spent, grant.asked)
        room = grant.tokens - asked
        return inp.TurnCleared(grant.tokens, day, room if room < context.MAX_OUTPUT else None)

    def _scopes(self, s: at.AttemptState, day: str) -> tuple[str, str]:
        return f"run:{root_of(s.uid)}", f"day:{day}"

    def settle(self, s: at.AttemptState, hold: int, day: str, spent: int) -> None:
        """Book a settled call in the ledger; the journal's own rows come from the fold."""
        self.kit.ledger.settle(self._scopes(s, day), hold, spent)

    async def _ask(self, s: at.AttemptState) -> inp.Input:
        hit("model.after_request")
        try:
            answer = await self._stream(s)
        except ModelError as error:
            return self._broke(s, error)
        except HarnessError as error:
            return inp.ModelBroke(str(error), "refused", 0, error.exit_code)
        except Exception as error:  # an adapter's bug must not lose the run
            broken = ModelError(f"The model adapter failed: {type(error).__name__}: {error}.", kind="broken")
            return self._broke(s, broken)
        if answer.stop == "cut":
            what = "The model's stream ended in the middle of an answer."
            return self._broke(
                s, ModelError(what, "Look at the server's log, or use another model."), answer.usage.total
            )
        return inp.Answered(answer)

    async def _stream(self, s: at.AttemptState) -> Answer:
        if self._model is None:
            self._model = self.kit.model(self.spec)
        request = context.request(s.messages, self._here().tools, s.max_output)
        answer: Answer | None = None
        said = 0
        async for item in self._model.stream(request):
            if isinstance(item, Delta):
                said += len(item.text)
                self.kit.flow(Flow(s.uid, "model", item.text, said))
            else:
                answer = item
        if answer is None:
            raise ModelError("The model's stream ended without an answer.", kind="retry")
        return answer

    def _broke(self, s: at.AttemptState, error: ModelError, spent: int = 0) -> inp.ModelBroke:
        tries, spent = s.tries + 1, spent or error.spent
        if error.kind in ("auth", "refused") or tries >= MAX_TRIES:
            said = str(error) if tries == 1 else f"{error} ({tries} tries)"
            return inp.ModelBroke(said, error.kind, spent, error.exit_code)
        wait = delay(tries, error.retry_after, self.kit.random)
        again = self.kit.clock.now() + int(wait * SECOND)
        return inp.ModelBroke(f"{error.what} Again in {wait:.1f} s.", error.kind, spent, error.exit_code, again)

    async def _judge(self, s: at.AttemptState, call: at.Call) -> inp.Input:
        judgement = await self._here().judge(call.call, self.spec.task.level)
        expires = self.kit.clock.now() + int(self.spec.approval_life * SECOND)
        fresh = self.kit.approval_id() if judgement.verdict == "ask" else ""
        return inp.Judged(call.id, judgement, fresh, expires)

    async def _call(self, s: at.AttemptState, call: at.Call) -> inp.Input:
        hit("tool.after_intent")
        world = self._here()
        deadline = next((t.deadline for t in world.tools if t.name == call.call.name), 120.0)
        began = self.kit.clock.now()
        try:
            async with asyncio.timeout(deadline):
                outcome = await world.perform(call.call)
        except TimeoutError:
            outcome = ToolOutcome(False, f"No result within {deadline:g} s; whether it happened is unknown.")
        hit("tool.after_effect")
        return inp.Performed(call.id, outcome, (self.kit.clock.now() - began) // 1000)

    async def _sense(self, s: at.AttemptState) -> inp.Input:
        interlude = await self._here().after_batch()
        signed_in = any(isinstance(e, LoginHandled) and e.ok for e in interlude.events)
        if signed_in and (s.baseline or {}).get("error"):
            # The list was behind the login page, so how it looked at the start can only be told now.
            baseline, _ = await self._here().baseline()
            return inp.Sensed(interlude, baseline)
        return inp.Sensed(interlude)

    async def _verify(self, s: at.AttemptState) -> inp.Input:
        hit("verify.before")
        if self.world is None:
            return inp.Checked(Verdict(None, UNVERIFIED))
        return inp.Checked(await self.world.verify(s.done, s.baseline))

    def _here(self) -> Environment:
        if self.world is None:
            raise EnvironmentLost("the environment is not open")
        return self.world
