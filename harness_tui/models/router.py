"""One model that is several: when one cannot answer, the next is asked, and the answer says who gave it and why.

A failure that waiting may mend is left to the caller's retries first; only what keeps failing is asked elsewhere.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
from msgspec.structs import replace

from ..domain.errors import ModelError
from ..domain.messages import Answer, Delta, Mark, Message, ModelRequest, Usage
from ..domain.money import Price, weakest
from ..domain.seams import Model
from ..domain.task import ModelSpec, RunSpec
from .retry import MAX_DELAY

MAIN = "main"
"""The role of the model that does the task."""

PATIENCE = 3
"""Passing failures in a row after which the next leg is asked instead."""

_OUR_FAULT = frozenset({400, 413, 422})
"""HTTP statuses that blame the request: another model would be asked the same."""


def of_role(spec: RunSpec, role: str) -> ModelSpec:
    """The model of a named role (`compactor`, `judge`); one that is not registered is the main model."""
    return spec.roles.get(role, spec.model)


def from_spec(spec: ModelSpec, build_leg: Callable[[ModelSpec], Model]) -> Model:
    """The model of a spec: the one it names, behind a router when it may leave it for another.

    With `keep_local` no fallback is even built. Raises as `build_leg` does, for every leg: a fallback without its key
    is found before it is needed.
    """
    if spec.keep_local or not spec.fallbacks:
        return build_leg(spec)
    return Router(build_leg(spec), [build_leg(leg) for leg in spec.fallbacks])


@dataclass(slots=True)
class _Leg:
    """One model of a router.

    Attributes:
        failures: passing failures in a row.
        rests: not asked before then (monotonic seconds); infinite once it can never answer.
        why: how it failed last, for people.
    """

    model: Model
    failures: int = 0
    rests: float = 0.0
    why: str = ""


class Router:
    """`seams.Model` over a primary and its fallbacks, asked in turn.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, primary: Model, fallbacks: Sequence[Model], *, now: Callable[[], float] = time.monotonic):
        self.name = primary.name
        self.label = ", else ".join(model.label for model in (primary, *fallbacks))
        self._legs = [_Leg(model) for model in (primary, *fallbacks)]
        self._now = now
        self._declined: tuple[tuple[Message, ...], int] | None = None

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """Yield what the first leg that can answer yields. Raises ModelError when none can, or a retry may help."""
        legs = self._in_turn(request)
        failed: list[ModelError] = []
        for leg in legs:
            begun = False
            try:
                # Closed here, so that giving up on the router closes the leg's connection.
                async with contextlib.aclosing(cast("AsyncGenerator[Delta | Answer]", leg.model.stream(request))) as it:
                    async for item in it:
                        begun = True
                        yield item if isinstance(item, Delta) else self._answered(leg, request, item)
                return
            except ModelError as error:
                if begun or error.spent or not self._moves_on(leg, error, patient=leg is legs[0]):
                    raise
                failed.append(error)
        raise _all_failed(failed)

    @property
    def searches(self) -> bool:
        """Whether the first leg's vendor can search the web; the others are not asked for that."""
        return bool(getattr(self._legs[0].model, "searches", False))

    async def context_window(self) -> int | None:
        """The smallest of its legs', as far as they are known."""
        finds = [find for leg in self._legs if (find := getattr(leg.model, "context_window", None))]
        return min([size for find in finds if (size := await find())], default=None)

    def _in_turn(self, request: ModelRequest) -> list[_Leg]:
        """The legs to ask, but for those that rest and those that declined this very conversation."""
        declined = 0
        if self._declined and self._declined[0] == request.messages:
            declined = self._declined[1]
        ready = [leg for leg in self._legs[declined:] if leg.rests <= self._now()]
        return ready or self._legs[declined:]

    def _moves_on(self, leg: _Leg, error: ModelError, *, patient: bool) -> bool:
        """Whether another leg may help after this failure; remembers it."""
        leg.why = error.what
        match error.kind:
            case "retry" | "broken":
                leg.failures += 1
                asked = error.retry_after or 0.0
                if asked > MAX_DELAY:
                    leg.rests = self._now() + asked
                return not patient or leg.failures >= PATIENCE or asked > MAX_DELAY
            case "context":
                return False  # the next leg's window may be smaller still: the conversation is shortened first
            case "refused" if error.status in _OUR_FAULT:
                return False
        leg.rests = math.inf
        return True

    def _answered(self, leg: _Leg, request: ModelRequest, answer: Answer) -> Answer:
        """The answer with who gave it. Raises ModelError when it is a refusal and somebody else can be asked.

        A refusal costs tokens, so the next leg is asked by the caller's next try, which reserves anew.
        """
        leg.failures, leg.rests, leg.why = 0, 0.0, ""
        at = self._legs.index(leg)
        if answer.stop == "refusal" and at + 1 < len(self._legs):
            leg.why = " ".join([f"{leg.model.label} declined to answer.", *answer.notes])
            self._declined = (request.messages, at + 1)
            raise ModelError(leg.why, kind="retry", retry_after=0.0, spent=answer.usage.total)
        before = [other for other in self._legs[:at] if other.why]
        notes = tuple(f"{other.model.label} was asked first: {other.why}" for other in before)
        return replace(answer, model=answer.model or leg.model.name, notes=(*notes, *answer.notes))

    async def price(self) -> Price | None:
        """The dearest of all legs, as any of them may answer; None when the price of one is unknown."""
        prices = [await leg.model.price() for leg in self._legs]
        known = tuple(price for price in prices if price is not None)
        return Dearest(known) if len(known) == len(prices) else None

    async def close(self) -> None:
        for leg in self._legs:
            with contextlib.suppress(Exception):
                await leg.model.close()


def _all_failed(errors: list[ModelError]) -> ModelError:
    """What all legs said; worth another try if it was for one of them."""
    kept = next((error for error in errors if error.kind in ("retry", "broken")), errors[-1])
    what = " ".join(error.what for error in errors)
    return ModelError(what, kept.next_step, kind=kept.kind, retry_after=kept.retry_after, status=kept.status)


class Dearest(msgspec.Struct, frozen=True):
    """The highest of several prices (`money.Price`)."""

    prices: tuple[Price, ...]

    @property
    def mark(self) -> Mark:
        return weakest(price.mark for price in self.prices)

    @property
    def source(self) -> str:
        return ", ".join(dict.fromkeys(price.source for price in self.prices))

    def cost(self, usage: Usage) -> int:
        return max(price.cost(usage) for price in self.prices)

    def worst(self, input: int, output: int) -> int:
        return max(price.worst(input, output) for price in self.prices)
