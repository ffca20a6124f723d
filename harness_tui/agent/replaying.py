"""Replaying a recorded run: the real lifecycle over what was recorded, with no world, no model and no time of its own.

Equal means: each stream gets the same events in the same order, but for `VOLATILE` fields, places in the log and times.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from ..domain import inputs as inp
from ..domain.approval import Judgement
from ..domain.errors import HarnessError
from ..domain.events import (
    ApprovalDecided,
    ApprovalResolved,
    CancelRequested,
    Envelope,
    Event,
    RunFinished,
    Write,
    name_of,
)
from ..domain.fold import Views
from ..domain.ledger import Account, Hold, Ledger, Refused, Warned
from ..domain.messages import Answer, Delta, ModelRequest, ToolCall
from ..domain.money import Price
from ..domain.seams import Environment, Interlude, Performed, ToolOutcome, Verdict
from ..domain.task import Level, RunSpec
from ..models.cassette.form import difference, fingerprint
from ..models.cassette.model import NOTHING, outcome
from ..models.router import MAIN, of_role
from .driver import Driver
from .kit import Kit
from .playback import OUTSIDE, Playback
from .spill import Spill
from .tape import Act, ActName, Granted, Here, RunHeader, RunRecord, Said

T = TypeVar("T")

VOLATILE = frozenset({"digest", "expires", "retry_at", "took_ms"})
"""Fields of events that are times, or are made from one."""


PATIENCE = 60.0
"""Real seconds nothing may happen for: a replay waits for nothing, so this only ends one that went wrong."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay came to.

    Attributes:
        views: the fold of all its events.
        difference: where it first went another way than the recording, or "".
        whole: False when the recording ends before the run did.
    """

    views: Views
    difference: str
    whole: bool


async def replay(
    header: RunHeader, records: Sequence[RunRecord], show: Callable[[Envelope], None] = lambda _: None
) -> Played:
    """Play a recorded run to its end, or to where it goes another way.

    Args:
        show: gets every event as it is made.
    """
    tape = Playback(records)
    log = ReplayedLog(tape, show)
    kit = _kit(header, tape, log)
    try:
        while not tape.over:
            driver = Driver(header.run, header.spec, kit, restart=header.recovery == "restart")
            if not await _live(driver, tape, log):
                break
    except HarnessError as error:
        tape.differs(str(error))
    except asyncio.CancelledError:
        raise
    except Exception as error:
        tape.differs(f"The replay failed: {type(error).__name__}: {error}.")
    if not tape.difference and log.finished and not tape.over:
        tape.differs(f"The run is over, and the recording goes on with {tape.next}.")
    return Played(log.views, tape.difference, log.finished)


async def _live(driver: Driver, tape: Playback, log: ReplayedLog) -> bool:
    """One life of the lifecycle, from its loading to the run's end or the engine's; whether there is another."""
    deliveries: list[asyncio.Task[Any]] = []
    tape.begin(lambda event: deliveries.append(asyncio.create_task(_deliver(driver, event))))
    await driver.load()
    running = asyncio.create_task(driver.run())
    stopped = asyncio.create_task(tape.stopped.wait())
    try:
        before, done = -1, set[asyncio.Task[Any]]()
        while not done and tape.front != before:
            before = tape.front
            done, _ = await asyncio.wait({running, stopped}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            tape.differs(f"The lifecycle waits for what was not recorded; next would be {tape.next}.")
        if log.finished:
            await asyncio.wait({running}, timeout=PATIENCE)  # it puts its tools away
    finally:
        for task in (running, stopped, *deliveries):
            task.cancel()
        ends = await asyncio.gather(running, *deliveries, return_exceptions=True)
    failure = ends[0]
    if isinstance(failure, Exception) and not tape.lives:
        raise failure
    return tape.lives and not tape.difference


async def _deliver(driver: Driver, event: Event) -> None:
    """Bring what came from outside."""
    match event:
        case ApprovalDecided(ident, decision, by, digest, reason):
            await driver.decide(inp.Decided(ident, decision, by, digest, reason))
        case ApprovalResolved(ident, resolution, by, reason):
            await driver.decide(inp.Resolved(ident, resolution, by, reason))
        case CancelRequested(by, reason):
            await driver.cancel(by, reason)


def _kit(header: RunHeader, tape: Playback, log: ReplayedLog) -> Kit:
    def environment(spec: RunSpec, session: str) -> Environment:
        return ReplayedWorld(header, tape)

    return Kit(
        log=log,
        clock=tape,
        ledger=ReplayedLedger(take=tape.value),
        model=lambda spec, role=MAIN: ReplayedModel(tape, of_role(spec, role).model, role),
        environment=environment,
        spill=Spill(Named()),
        approval_id=lambda: tape.value("approval", str),
        random=lambda: tape.value("random", float),
        day=lambda: tape.value("day", str),
    )


class Named:
    """Blobs (`seams.Blobs`) by name alone: what was kept in the recorded run is still kept there, if anywhere."""

    async def put(self, data: bytes, *, kind: str) -> str:
        return hashlib.sha256(data).hexdigest()

    async def get(self, sha: str) -> bytes:
        raise HarnessError(f"Blob {sha[:12]} is not part of a recording.")


class ReplayedLog:
    """A log in memory (`History`) that compares what is appended with what was."""

    def __init__(self, tape: Playback, show: Callable[[Envelope], None]) -> None:
        self.views = Views()
        self.finished = False
        self._tape = tape
        self._show = show
        self._streams: dict[str, list[Envelope]] = {}

    async def append(self, writes: Sequence[Write]) -> list[Envelope]:
        failure = None
        if any(isinstance(event, OUTSIDE) for write in writes for event in write.events):
            await self._tape.enter()
        for write in writes:
            recorded, failure = await self._tape.written(write.run)
            self._compare(write.run, [kept.event() for kept in recorded], list(write.events))
        if failure is not None:
            raise failure.error()
        envelopes = [self._add(write.run, event) for write in writes for event in write.events]
        self._tape.advance()
        if self._tape.knocks:
            await asyncio.sleep(0)  # what comes from outside queues for the lock this append still holds
        return envelopes

    async def stream(self, run: str) -> list[Envelope]:
        for kept in self._tape.found(run):
            self._add(run, kept.event())
        return list(self._streams.get(run, ()))

    def _compare(self, run: str, recorded: list[Event], made: list[Event]) -> None:
        if (old := list(map(_comparable, recorded))) != (new := list(map(_comparable, made))):
            self._tape.fail(f"{run} goes another way than it was recorded:", difference(old, new))

    def _add(self, run: str, event: Event) -> Envelope:
        stream = self._streams.setdefault(run, [])
        envelope = Envelope(self.views.pos + 1, run, len(stream) + 1, self._tape.now(), event)
        stream.append(envelope)
        self.views.apply(envelope)
        self.finished = self.finished or isinstance(event, RunFinished)
        self._show(envelope)
        return envelope


def _comparable(event: Event) -> dict[str, Any]:
    fields = msgspec.to_builtins(event)
    return {"type": name_of(event), **{key: value for key, value in fields.items() if key not in VOLATILE}}


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
