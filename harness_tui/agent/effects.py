"""Performing one effect of an attempt: each function turns an effect into the input that answers it."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from msgspec.structs import replace

from ..domain import attempt as at
from ..domain import inputs as inp
from ..domain.errors import HarnessError, ModelError
from ..domain.events import AttemptEnded, Event, Flow, LoginHandled, root_of
from ..domain.ledger import Account, Refused
from ..domain.lifecycle import UNVERIFIED
from ..domain.messages import Answer, Delta, Part, ToolCall
from ..domain.money import Price, from_usd
from ..domain.redaction import Redaction
from ..domain.seams import Environment, EnvironmentLost, Model, Verdict
from ..domain.spending import LONG_WAIT
from ..domain.task import RunSpec, scopes_of
from ..journal.failpoints import hit
from ..models.retry import again
from . import context
from .calls import Calls
from .guardrails import Turn, defaults
from .kit import Kit

SECOND = 1_000_000
LONG = LONG_WAIT / SECOND
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
        self._first_try = 0
        self._calls = Calls(spec, kit)
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
                case at.Judge(calls):
                    return await self._calls.judge(self._here(), calls)
                case at.Perform(calls):
                    return inp.Performed(await self._calls.perform(self._here(), calls))
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
            return inp.Lost(str(lost), s.hold, s.hold_usd)

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
        self.kit.spill.know(s.spilled)
        try:
            # Which sandbox there is may have to be tried first.
            world = await asyncio.to_thread(self.kit.environment, self.spec, f"{s.uid}.{s.seq}")
        except HarnessError as error:
            return inp.Failed(str(error), error.exit_code)
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
        return await self._reserve(s, world)

    async def _reserve(self, s: at.AttemptState, world: Environment) -> inp.Input:
        try:
            model = await self._open_model()
        except HarnessError as error:
            return inp.Failed(str(error), error.exit_code)
        budget = self.spec.task.budget
        price = await self._price()
        most = self.spec.model.options.max_tokens or context.most_output(await self._window())
        usd = None if budget.call_usd is None else from_usd(budget.call_usd)
        call = Account(budget.call_tokens, usd_limit=usd)
        day = self.kit.day()
        scopes = scopes_of(self.spec, root_of(s.uid), day)
        # No await between the reservation and the append of its intent: nobody else spends in between.
        asked = self._meter.most(s, world.tools)
        hold = self.kit.ledger.reserve(scopes, asked, most, min(most, context.LEAST_OUTPUT), price, call)
        if isinstance(hold, Refused):
            return inp.OverBudget(hold, model.name)
        return inp.TurnCleared(hold, day, scopes)

    async def _price(self) -> Price | None:
        find = getattr(await self._open_model(), "price", None)  # a caller's own model need not have one
        return await find() if find else None

    async def _window(self) -> int | None:
        find = getattr(await self._open_model(), "context_window", None)
        return await find() if find else None

    async def _open_model(self) -> Model:
        if self._model is None:
            # Its key may have to be asked of a keyring, which can take seconds.
            self._model = await asyncio.to_thread(self.kit.model, self.spec)
        return self._model

    async def _ask(self, s: at.AttemptState) -> inp.Input:
        hit("model.after_request")
        if not s.tries:
            self._first_try = self.kit.clock.now()
        try:
            answer = await self._stream(s)
        except ModelError as error:
            return await self._broke(s, error, error.spent)
        except HarnessError as error:
            return inp.ModelBroke(str(error), "refused", 0, error.exit_code)
        except Exception as error:  # an adapter's bug must not lose the run
            return await self._broke(
                s, ModelError(f"The model adapter failed: {type(error).__name__}: {error}.", kind="broken"), 0
            )
        if answer.stop == "cut":
            cut = ModelError("The model's stream ended in the middle of an answer.", "Look at the server's log.")
            return await self._broke(s, cut, answer.usage.total, answer.usd)
        if answer.stop == "context_full":
            full = ModelError("The conversation no longer fits the model's window.", kind="context")
            return await self._broke(s, full, answer.usage.total, answer.usd)
        return inp.Answered(replace(answer, parts=tuple(without_secrets(self.kit.redaction, p) for p in answer.parts)))

    async def _stream(self, s: at.AttemptState) -> Answer:
        answer: Answer | None = None
        said = 0
        visible = self.kit.redaction.stream()
        model = await self._open_model()
        async for item in model.stream(context.request(s, self._here().tools)):
            if isinstance(item, Delta):
                said += len(item.text)
                self.kit.flow(Flow(s.uid, "model", visible.feed(item.text), said))
            else:
                answer = item
        if answer is None:
            raise ModelError("The model's stream ended without an answer.", kind="retry")
        return answer

    async def _broke(self, s: at.AttemptState, error: ModelError, spent: int, usd: int | None = None) -> inp.ModelBroke:
        """What a failed call costs, and whether and when it is tried again."""
        if spent and usd is None and (price := await self._price()) is not None:
            usd = price.worst(spent, 0)
        now, tries = self.kit.clock.now(), s.tries + 1
        if error.kind == "context" and not s.squeezed:
            said = f"{error.what} It is shortened once."
            return inp.ModelBroke(said, error.kind, spent, error.exit_code, now, usd)
        wait = again(error, tries, (now - (self._first_try or now)) / SECOND, self.kit.random)
        if wait is None:
            said = str(error) if tries == 1 else f"{error} ({tries} tries)"
            return inp.ModelBroke(said, error.kind, spent, error.exit_code, None, usd)
        due = now + int(wait * SECOND)
        if error.retry_after is not None:
            self._first_try += due - now  # what the server asked for does not count against our patience
        when = f"Again in {wait:.1f} s." if wait < LONG else f"Waiting until {_clock_time(due)}."
        return inp.ModelBroke(f"{error.what} {when}", error.kind, spent, error.exit_code, due, usd)

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


def _clock_time(us: int) -> str:
    """`14:20`, with the date when it is not today's, in the zone of this machine."""
    at, today = datetime.fromtimestamp(us / SECOND), datetime.now().date()
    return f"{at:%H:%M}" if at.date() == today else f"{at:%Y-%m-%d %H:%M}"


def without_secrets(hide: Redaction, part: Part) -> Part:
    """A call is made with handles: one whose arguments hold a value is refused, and neither stored nor run."""
    if isinstance(part, ToolCall) and hide.deep(part) is not part:
        return ToolCall(part.id, part.name, error="the arguments held a secret value; use its handle")
    return part
