"""What every protocol family shares: one call from request to priced Answer, refused parameters, errors in our words.

A family says how a request looks on its wire (`body`), how its stream is read (`events`, `assembly`) and how it
connects; the rest is here, once. SDKs are imported in `connect`, in a thread, on the first call.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, Protocol, Self

from msgspec.structs import replace

from ..domain.messages import Answer, Delta, Dropped, ModelRequest
from ..domain.money import Price
from ..domain.task import Options
from . import failures
from .endpoint import Endpoint
from .parameters import refused_parameter

MAX_ANSWER = 8 * 1024 * 1024
"""Characters of one answer; a server that sends more is broken."""
MAX_DROPS = 4
"""Parameters one call may find refused before the refusal is believed to mean something else."""

_LINE_SUFFIX = re.compile(r"([-@](\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{3}|latest|preview))+$")


def line(model: str) -> str:
    """The model line a name belongs to: without date, revision and `latest`, so that an alias is its own snapshot."""
    return _LINE_SUFFIX.sub("", model)


class Refused(Exception):
    """The server reported an error: by HTTP status, or with status 200 inside its stream."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body


class Broken(Exception):
    """No answer came, or it broke off; the cause is chained."""


class NoStream(Exception):
    """The answer is not an event stream: its content type, and the beginning of its body where that was read."""


class Assembly(Protocol):
    """Decoded stream events in, deltas out, one Answer at the end. Pure.

    Attributes:
        begun: whether anything of an answer has come.
        size: characters received.
    """

    @property
    def begun(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def spent(self) -> int:
        """Tokens the call has cost so far: as reported, else as estimated; 0 before anything came."""
        ...

    def feed(self, event: Any) -> Iterator[Delta]:
        """Take one event. May raise Refused for an error reported inside the stream."""
        ...

    def answer(self) -> Answer:
        """The whole answer; "cut" and without calls when no finish reason came."""
        ...


class Family(ABC):
    """One model behind one endpoint (`seams.Model`). Its connections belong to the event loop of the first call.

    Args:
        price: reads the price of this model, in a thread, once; None = unknown.
        window: reads the tokens of its context, in a thread; None = unknown.
        dropped: parameters this endpoint is known to refuse.
        transport: an `httpx2.AsyncBaseTransport` instead of the network (cassettes, tests).
    """

    api: ClassVar[str]
    optional: ClassVar[frozenset[str]]
    """Parameters of the body that may be left out when a server refuses them; `body` heeds `outer.inner` by itself."""
    searches: ClassVar[bool] = False
    """Whether its vendor's server can search the web for a request that says so."""

    def __init__(
        self,
        at: Endpoint,
        options: Options = Options(),  # noqa: B008 - frozen
        *,
        price: Callable[[], Price | None] = lambda: None,
        window: Callable[[], int | None] = lambda: None,
        dropped: Collection[str] = (),
        now: Callable[[], float] = time.time,
        transport: Any = None,
    ) -> None:
        self.name = at.model
        self.label = f"{at.model} at {at.host}"
        self.at = at
        self.options = options
        self.now = now
        self.transport = transport
        self.dropped = set(dropped)
        self.client: Any = None
        self._find_price, self._find_window = price, window
        self._price: Price | None = None
        self._window: int | None = None
        self._priced = self._measured = False
        self._opening = asyncio.Lock()

    def with_seed(self, seed: int | None) -> Self:
        return self._with(seed=seed)

    def with_temperature(self, temperature: float | None) -> Self:
        return self._with(temperature=temperature)

    def with_max_tokens(self, max_tokens: int | None) -> Self:
        return self._with(max_tokens=max_tokens)

    def _with(self, **changes: Any) -> Self:
        """A copy with other options and connections of its own."""
        other = copy.copy(self)
        other.options = replace(self.options, **changes)
        other.dropped, other.client, other._opening = set(self.dropped), None, asyncio.Lock()
        return other

    # -- a family's own ------------------------------------------------------------------------------------------

    @abstractmethod
    def connect(self) -> Any:
        """Import what is needed and build the client; runs in a thread."""

    @abstractmethod
    def body(self, request: ModelRequest) -> dict[str, Any]:
        """The request's JSON. Deterministic: equal requests give equal bytes, a longer conversation a longer prefix."""

    @abstractmethod
    def events(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """Post the body, yield the decoded events of the stream. Raises Refused, Broken, NoStream, ValueError."""

    @abstractmethod
    def assembly(self, request: ModelRequest) -> Assembly: ...

    @abstractmethod
    async def disconnect(self, client: Any) -> None: ...

    async def observe(self, request: ModelRequest, answer: Answer) -> tuple[str, ...]:
        """Notes on a finished call that only this family can make."""
        return ()

    # -- the call ------------------------------------------------------------------------------------------------

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """Yield deltas and, last, one Answer; "cut" when the stream broke after it began. Raises ModelError.

        Close the iterator (`contextlib.aclosing`) to give up early: that closes the connection.
        """
        await self._open()
        fresh: list[str] = []
        while True:
            body = self._body(request)
            assembly = self.assembly(request)
            try:
                async with contextlib.aclosing(self.events(body)) as events:
                    async for event in events:
                        for delta in assembly.feed(event):
                            yield delta
                        if assembly.size > MAX_ANSWER:
                            raise failures.unreadable(self.at, "sent an answer without end", assembly.spent)
                if not assembly.begun:
                    raise failures.nothing(self.at, "text/event-stream")
                break
            except Refused as error:
                parameter = "" if assembly.begun else refused_parameter(error, body, self.optional)
                if not parameter or len(fresh) >= MAX_DROPS:
                    raise failures.refusal(
                        self.at, error.status, error.headers, error.body, self.now, assembly.spent
                    ) from None
                self.dropped.add(parameter)
                fresh.append(parameter)
            except NoStream as error:
                raise failures.nothing(self.at, *error.args) from None
            except Broken as error:
                if not assembly.begun:
                    raise failures.unreachable(self.at, error) from None
                break
            except (ValueError, RecursionError):
                raise failures.unreadable(self.at, "sent broken JSON", assembly.spent) from None
        yield await self._finished(request, assembly.answer(), fresh)

    @property
    def endpoint(self) -> str:
        """The name under which refused parameters are remembered."""
        return f"{self.api} {self.at.shown} {self.name}"

    async def price(self) -> Price | None:
        if not self._priced:
            self._price, self._priced = await asyncio.to_thread(self._find_price), True
        return self._price

    async def context_window(self) -> int | None:
        """Tokens of prompt and answer together; None = unknown."""
        if not self._measured:
            self._window, self._measured = await asyncio.to_thread(self._find_window), True
        return self._window

    async def close(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            await self.disconnect(client)

    async def _open(self) -> None:
        async with self._opening:
            if self.client is None:
                try:
                    self.client = await asyncio.to_thread(self.connect)
                except (OSError, ValueError, ImportError) as error:
                    raise failures.unusable(self.at, error) from None

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        return {key: value for key, value in self.body(request).items() if key not in self.dropped} | dict(
            self.options.extra
        )

    async def _finished(self, request: ModelRequest, answer: Answer, fresh: list[str]) -> Answer:
        """The answer with its cost and with what the operator should know of the call."""
        notes = [f"{self.at.shown} refused the parameter {name}; it is left out from now on." for name in fresh]
        if call := written_call(request, answer):
            notes.append(f"The model wrote a call of {call} as text; the server did not read it as a call.")
        notes += await self.observe(request, answer)
        usd, mark = answer.usd, answer.mark
        if usd is None and (price := await self.price()) is not None:
            usd = price.cost(answer.usage)
            mark = price.mark if answer.usage_reported else "estimated"
        dropped = tuple(Dropped(self.endpoint, name) for name in fresh)
        return replace(answer, usd=usd, mark=mark, notes=(*answer.notes, *notes), dropped=dropped)


_WRITTEN = re.compile(r"<tool_call>|<function=|<\|tool_call|\[TOOL_CALLS\]|\"(name|tool|function)\"\s*:")


def written_call(request: ModelRequest, answer: Answer) -> str:
    """The tool whose call the model wrote as text instead of making it, or ""."""
    text = answer.message.text
    if answer.message.calls or not request.tools or not _WRITTEN.search(text):
        return ""
    return next((tool.name for tool in request.tools if re.search(rf"\b{re.escape(tool.name)}\b", text)), "")
