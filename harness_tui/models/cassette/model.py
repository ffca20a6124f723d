"""Record and replay at the model seam: what any model was asked and what it answered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from typing import cast

import msgspec

from ...domain.errors import HarnessError, ModelError
from ...domain.messages import Answer, Delta, Message, ModelRequest, ToolSpec
from ...domain.money import Price
from ...domain.redaction import Redaction
from ...domain.seams import EnvironmentLost, Model
from ..assembly import mended
from .form import Record, difference, fingerprint, mismatch


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception that came instead of an answer. `type` is the name of its class."""

    type: str
    what: str
    next_step: str = ""
    exit: int = 1
    kind: str = ""
    retry_after: float | None = None
    status: int | None = None
    spent: int = 0

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        name = type(error).__name__
        if isinstance(error, ModelError):
            more = (error.kind, error.retry_after, error.status, error.spent)
            return cls("ModelError", error.what, error.next_step, error.exit_code, *more)
        if isinstance(error, HarnessError):
            return cls("HarnessError", error.what, error.next_step, error.exit_code)
        return cls(name, str(error))

    def error(self) -> BaseException:
        """The exception again, of the same class where somebody minds which it is."""
        match self.type:
            case "ModelError":
                return ModelError(
                    self.what,
                    self.next_step,
                    kind=self.kind,
                    retry_after=self.retry_after,
                    status=self.status,
                    spent=self.spent,
                )
            case "HarnessError":
                return HarnessError(self.what, self.next_step, exit_code=self.exit)
            case "EnvironmentLost":
                return EnvironmentLost(self.what)
            case "TimeoutError":
                return TimeoutError(self.what)
            case name:
                unknown: type[Exception] = type(name, (Exception,), {})
                return unknown(self.what)


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request, without what the request before it held as well.

    Attributes:
        same: so many of its messages are the first ones of the request before.
        tools: None when they are the same.
        hash: of the whole request.
    """

    hash: str
    same: int
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] | None = None
    max_output: int | None = None

    @classmethod
    def of(cls, request: ModelRequest, before: ModelRequest) -> Asked:
        pairs = zip(request.messages, before.messages, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(request.messages), len(before.messages)))
        tools = None if request.tools == before.tools else request.tools
        return cls(fingerprint(request), same, request.messages[same:], tools, request.max_output)

    def request(self, before: ModelRequest) -> ModelRequest:
        messages = (*before.messages[: self.same], *self.messages)
        return ModelRequest(messages, before.tools if self.tools is None else self.tools, self.max_output)


class Exchange(Record, frozen=True):
    """One call of a model: what it was asked, and the answer or the failure. Neither: it was given up.

    Attributes:
        deltas: as they came, those of one kind that follow each other joined.
        worst: nano-dollars that its tokens cost at most, where the answer does not tell; None = nobody knows.
    """

    asked: Asked
    deltas: tuple[Delta, ...] = ()
    answer: Answer | None = None
    failure: Failure | None = None
    worst: int | None = None


NOTHING = ModelRequest(())


class Recording:
    """A model whose calls are written down (`seams.Model`).

    Args:
        hide: applied before a request is compared with the one before it, so that a reader sees the same.
    """

    def __init__(self, model: Model, write: Callable[[Exchange], None], hide: Redaction) -> None:
        self.name = model.name
        self.label = model.label
        self._model = model
        self._write = write
        self._hide = hide
        self._before = NOTHING

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        clean = self._hide.deep(request)
        asked, self._before = Asked.of(clean, self._before), clean
        deltas: list[Delta] = []
        answer: Answer | None = None
        failure: Failure | None = None
        try:
            stream = cast("AsyncGenerator[Delta | Answer]", self._model.stream(request))
            async with contextlib.aclosing(stream):
                async for item in stream:
                    if isinstance(item, Delta):
                        deltas.append(item)
                    else:
                        answer = item
                    yield item
        except Exception as error:
            failure = Failure.of(error)
            raise
        finally:
            self._write(Exchange(asked, tuple(_joined(deltas)), answer, failure, await self._worst(answer, failure)))

    async def _worst(self, answer: Answer | None, failure: Failure | None) -> int | None:
        spent = failure.spent if failure else answer.usage.total if answer and answer.usd is None else 0
        price = await self.price() if spent else None
        return None if price is None else price.worst(spent, 0)

    async def price(self) -> Price | None:
        find = getattr(self._model, "price", None)  # a caller's own model need not have one
        return await find() if find else None

    async def close(self) -> None:
        await self._model.close()


def _joined(deltas: Iterable[Delta]) -> Iterator[Delta]:
    """Neighbours of one kind as one, so that a secret that came in pieces is whole when it is looked for."""
    kind, texts = None, list[str]()
    for delta in deltas:
        if kind is not None and delta.kind != kind:
            yield Delta(mended("".join(texts)), kind)
            texts = []
        kind = delta.kind
        texts.append(delta.text)
    if kind is not None:
        yield Delta(mended("".join(texts)), kind)


class Replay:
    """A model that answers from recorded exchanges, in their order, and only what it was asked then (`seams.Model`)."""

    def __init__(self, exchanges: Iterable[Exchange], name: str = "replay", hide: Redaction | None = None) -> None:
        self.name = name
        self.label = f"{name} (replayed)"
        self._exchanges = iter(exchanges)
        self._hide = hide or Redaction()
        self._before = NOTHING

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """Raises ModelError with a diff when something else is asked than was recorded."""
        exchange = next(self._exchanges, None)
        if exchange is None:
            raise mismatch("The recording holds no further call of the model.")
        recorded = exchange.asked.request(self._before)
        self._before = recorded
        clean = self._hide.deep(request)
        if fingerprint(clean) != exchange.asked.hash:
            raise mismatch("The model is asked something else than was recorded:", difference(recorded, clean))
        for item in outcome(exchange):
            yield item

    async def price(self) -> Price | None:
        return None

    async def close(self) -> None:
        pass


def outcome(exchange: Exchange) -> Iterator[Delta | Answer]:
    """What came of a recorded call. Raises what it raised."""
    yield from exchange.deltas
    if exchange.failure:
        raise exchange.failure.error()
    if exchange.answer is None:
        raise mismatch("The recorded call was given up before its answer.")
    yield exchange.answer
