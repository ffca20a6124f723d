"""The parts of a recorded run, which do what they did: its world, its model, its ledger, its blobs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from ..domain.approval import Judgement
from ..domain.errors import HarnessError
from ..domain.events import Event
from ..domain.ledger import Account, Hold, Ledger, Refused, Warned
from ..domain.messages import Answer, Delta, ModelRequest, ToolCall
from ..domain.money import Price
from ..domain.seams import Interlude, Performed, ToolOutcome, Verdict
from ..domain.task import Level
from ..models.cassette.form import difference, fingerprint
from ..models.cassette.model import NOTHING, outcome
from .playback import Playback
from .tape import Act, ActName, Granted, Here, RunHeader, Said

T = TypeVar("T")


class Named:
    """Blobs (`seams.Blobs`) by name alone: what was kept in the recorded run is still kept there, if anywhere."""

    async def put(self, data: bytes, *, kind: str) -> str:
        return hashlib.sha256(data).hexdigest()

    async def get(self, sha: str) -> bytes:
        raise HarnessError(f"Blob {sha[:12]} is not part of a recording.")


class ReplayedLedger(Ledger):
    """Answers as the owner's ledger did, whatever other runs spend today."""

    take: Callable[[str, Any], Any] = lambda name, kind: None

    def reserve(
        self, scopes: Iterable[str], input: int, most: int, least: int, price: Price | None, call: Account | None = None
    ) -> Hold | Refused:
        granted: Granted = self.take("reserve", Granted)
        hold, refused = granted
        assert hold or refused
        return hold or refused  # type: ignore[return-value]

    def settle(
        self, scopes: Iterable[str], held: int, usd_held: int | None, spent: int, usd: int | None
    ) -> tuple[Warned, ...]:
        warned: tuple[Warned, ...] = self.take("settle", tuple[Warned, ...])
        return warned


class _Known(msgspec.Struct, frozen=True):
    """A price that knows what the last failed call cost at most, which is all that is asked of it."""

    usd: int
    mark: Any = "priced"
    source: str = "as recorded"

    def cost(self, usage: Any) -> int:
        return self.usd

    def worst(self, input: int, output: int) -> int:
        return self.usd


class ReplayedModel:
    """The recorded model (`seams.Model`)."""

    def __init__(self, tape: Playback, name: str, role: str) -> None:
        self.name = name
        self.label = f"{name} (replayed)"
        self._tape = tape
        self._role = role
        self._worst: int | None = None

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        said = await self._tape.effect("model")
        assert isinstance(said, Said)
        exchange = said.exchange
        asked = exchange.asked.request(self._tape.asked_before.get(said.role, NOTHING))
        self._tape.asked_before[said.role] = asked
        if said.role != self._role or fingerprint(request) != exchange.asked.hash:
            self._tape.fail("The model is asked something else than was recorded:", difference(asked, request))
        self._worst = exchange.worst
        if exchange.failure is None and exchange.answer is None:
            await self._tape.given_up()
        for item in outcome(exchange):
            yield item

    async def price(self) -> Price | None:
        if not self._tape.expects("reserve"):
            await self._tape.turn()
        return None if self._worst is None else _Known(self._worst)

    async def close(self) -> None:
        pass


class ReplayedWorld:
    """The recorded world (`Environment`), which does what it did and minds that it is asked what it was."""

    def __init__(self, header: RunHeader, tape: Playback) -> None:
        self._tape = tape
        self._turn = asyncio.Lock()
        self._look(Here("", header.recovery, "", (), ()))  # type: ignore[arg-type]

    def _look(self, here: Here) -> None:
        self.kind, self.recovery, self.session = here.kind, here.recovery, here.session
        self.notes, self.tools = here.notes, here.tools

    async def open(self) -> None:
        self._look((await self._act("open", None, Here))[0])

    async def close(self) -> None:
        await self._tape.close()

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Event, ...]]:
        return await self._act("baseline", None, dict[str, Any] | None)  # type: ignore[arg-type]

    async def judge(self, call: ToolCall, level: Level) -> Judgement:
        return (await self._act("judge", (call, level), Judgement))[0]

    async def perform(self, call: ToolCall) -> ToolOutcome:
        async with self._turn:  # calls that ran at once were recorded in their order
            return _whole(await self._act("perform", call, ToolOutcome))

    async def after_batch(self) -> Interlude:
        return _whole(await self._act("after_batch", None, Interlude))

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        return (await self._act("goal", fingerprint((tuple(done), baseline)), str))[0]

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict:
        return _whole(await self._act("verify", fingerprint((tuple(done), baseline)), Verdict))

    async def _act(self, name: ActName, asked: Any, kind: type[T]) -> tuple[T, tuple[Event, ...]]:
        act = await self._tape.effect(name)
        assert isinstance(act, Act)
        asked = msgspec.json.decode(msgspec.json.encode(asked))
        if asked != act.asked:
            self._tape.fail(
                f"The world is asked something else than was recorded ({name}):", difference(act.asked, asked)
            )
        if act.given_up:
            await self._tape.given_up()
        if act.failure:
            raise act.failure.error()
        return msgspec.json.decode(bytes(act.came), type=kind), tuple(kept.event() for kept in act.events)


def _whole(parted: tuple[T, tuple[Event, ...]]) -> T:
    """An outcome with its events again."""
    outcome, events = parted
    return msgspec.structs.replace(outcome, events=events)  # type: ignore[type-var]
