"""Recording a run: everything that came to its lifecycle from outside, and every event it made of it, in one cassette.

`recorded` wraps the owner's parts; `replaying` plays the file back through the same lifecycle. Decisions and cancels
need no lines of their own: their events tell all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .. import __version__
from ..domain.approval import Judgement
from ..domain.errors import HarnessError
from ..domain.events import RECORDING, Envelope, Event, Flow, RunFinished, Write
from ..domain.ledger import Account, Hold, Ledger, Refused, Warned
from ..domain.messages import Answer, ToolCall
from ..domain.money import Price
from ..domain.redaction import Redaction
from ..domain.seams import Environment, Interlude, Model, Performed, ToolOutcome, Verdict
from ..domain.task import Level, RunSpec
from ..models.cassette.form import VERSION, Record, Writer, fingerprint, load
from ..models.cassette.model import Exchange, Failure, Recording
from ..models.router import MAIN
from .effects import without_secrets
from .kit import History, Kit
from .tape import Act, ActName, Commit, Here, Kept, Loaded, RunHeader, RunRecord, Said, Value, Written

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


def recorded(kit: Kit, uid: str, spec: RunSpec) -> Kit:
    """The same parts, with all that passes through them written to `spec.record`."""
    to = Recorder(kit, uid, spec)
    return replace(
        kit,
        log=RecordedLog(kit.log, to),
        ledger=RecordedLedger(kit.ledger.accounts, kit.ledger.defaults, to.value),
        model=lambda s, role=MAIN: to.model(kit.model(s, role), role),
        environment=lambda s, session: RecordedWorld(kit.environment(s, session), to),
        approval_id=to.each("approval", kit.approval_id),
        random=to.each("random", kit.random),
        day=to.each("day", kit.day),
    )


class Recorder:
    """The cassette of one run. It is opened when the run is loaded; what cannot be written ends it with a note."""

    def __init__(self, kit: Kit, uid: str, spec: RunSpec) -> None:
        self.uid = uid
        self.seen: dict[str, int] = {}
        self.failed = False
        """Whether the last append was refused: the load after it is not a fresh one."""
        self._kit = kit
        self._spec = spec
        self._writer: Writer | None = None

    @property
    def now(self) -> int:
        return self._kit.clock.now()

    def open(self, started: int) -> None:
        """Begin the file, or go on with it if it is this very run's."""
        if self._writer is not None:
            return
        path, hide = Path(self._spec.record), self._kit.redaction
        recovery = self._kit.environment(self._spec, self.uid).recovery
        header = RunHeader(
            VERSION, "run", __version__, run=self.uid, started=started, spec=self._spec, recovery=recovery
        )
        try:
            if path.exists() and self._continues(path, started):
                self._writer = Writer.resume(path, hide, self._told)
            else:
                self._writer = Writer.create(path, header, hide, self._told)
        except (HarnessError, OSError) as error:
            self._told(f"Nothing is recorded. {error}")

    def _continues(self, path: Path, started: int) -> bool:
        header, records = load(path, RunHeader, RunRecord)
        if (header.run, header.started) != (self.uid, started):
            return False
        for record in records:
            match record:
                case Commit(_, writes, None):
                    self.count((w.run, len(w.events)) for w in writes)
                case Loaded(_, run, found):
                    self.count([(run, len(found))])
        return True

    def count(self, events: Iterable[tuple[str, int]]) -> None:
        for run, many in events:
            self.seen[run] = self.seen.get(run, 0) + many

    def _told(self, sentence: str) -> None:
        self._kit.flow(Flow(self.uid, RECORDING, sentence))

    def write(self, record: Record) -> None:
        if self._writer is not None:
            self._writer.write(record)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def kept(self, events: Iterable[Event]) -> tuple[Kept, ...]:
        return tuple(Kept.of(self._kit.redaction.deep(event)) for event in events)

    def model(self, model: Model, role: str) -> Model:
        return Recording(model, lambda exchange: self.write(Said(self.now, self._clean(exchange), role)), self.hide)

    @property
    def hide(self) -> Redaction:
        return self._kit.redaction

    def _clean(self, exchange: Exchange) -> Exchange:
        """The answer as the lifecycle takes it: a call that holds a secret is refused before it is stored."""
        answer: Answer | None = exchange.answer
        if answer is None:
            return exchange
        parts = tuple(without_secrets(self.hide, part) for part in answer.parts)
        return msgspec.structs.replace(exchange, answer=msgspec.structs.replace(answer, parts=parts))

    def value(self, name: str, value: Any) -> None:
        self.write(Value(name, msgspec.Raw(_encode(value))))

    def each(self, name: str, source: Callable[[], T]) -> Callable[[], T]:
        """`source`, with each value written down."""

        def take() -> T:
            value = source()
            self.value(name, value)
            return value

        return take


class RecordedLog:
    """The run's log (`History`)."""

    def __init__(self, log: History, to: Recorder) -> None:
        self._log = log
        self._to = to

    async def append(self, writes: Sequence[Write]) -> list[Envelope]:
        to = self._to
        kept = tuple(Written(w.run, to.kept(w.events)) for w in writes)
        try:
            envelopes = await self._log.append(writes)
        except Exception as error:
            to.failed = True
            to.write(Commit(to.now, kept, Failure.of(error)))
            raise
        to.write(Commit(to.now, kept))
        to.count((w.run, len(w.events)) for w in writes)
        if any(isinstance(event, RunFinished) for w in writes for event in w.events):
            to.close()
        return envelopes

    async def stream(self, run: str) -> list[Envelope]:
        to = self._to
        envelopes = await self._log.stream(run)
        if run == to.uid and envelopes:
            to.open(envelopes[0].at)
        found = [envelope.event for envelope in envelopes[to.seen.get(run, 0) :]]
        to.write(Loaded(to.now, run, to.kept(found), run == to.uid and not to.failed))
        to.count([(run, len(found))])
        to.failed = False
        return envelopes


class RecordedLedger(Ledger):
    """The owner's accounts, with each of its answers to this run written down."""

    told: Callable[[str, Any], None] = lambda name, value: None

    def reserve(
        self, scopes: Iterable[str], input: int, most: int, least: int, price: Price | None, call: Account | None = None
    ) -> Hold | Refused:
        answer = Ledger.reserve(self, scopes, input, most, least, price, call)
        self.told("reserve", (answer, None) if isinstance(answer, Hold) else (None, answer))
        return answer

    def settle(
        self, scopes: Iterable[str], held: int, usd_held: int | None, spent: int, usd: int | None
    ) -> tuple[Warned, ...]:
        warned = Ledger.settle(self, scopes, held, usd_held, spent, usd)
        self.told("settle", warned)
        return warned


class RecordedWorld:
    """A world (`Environment`) whose every call and outcome is written down; pictures stay outside, by their hash."""

    def __init__(self, world: Environment, to: Recorder) -> None:
        self._world = world
        self._to = to
        self._lines = Lines(to)
        self.sandbox = getattr(world, "sandbox", None)
        self._look()

    def _look(self) -> Here:
        world = self._world
        self.kind, self.recovery, self.session = world.kind, world.recovery, world.session
        self.notes, self.tools = tuple(world.notes), world.tools
        return Here(self.kind, self.recovery, self.session, self.notes, self.tools)

    @property
    def unrecorded(self) -> Environment:
        """The world itself, to hear its judgement of what the lifecycle did not come to: an edit's event tells all."""
        return self._world

    async def open(self) -> None:
        await self._did("open", None, self._world.open(), lambda _: (self._look(), ()))

    async def close(self) -> None:
        await self._did("close", None, self._world.close(), lambda _: (None, ()))

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Event, ...]]:
        return await self._did("baseline", None, self._world.baseline(), lambda taken: taken)

    async def judge(self, call: ToolCall, level: Level) -> Judgement:
        return await self._did("judge", (call, level), self._world.judge(call, level), lambda came: (came, ()))

    async def perform(self, call: ToolCall) -> ToolOutcome:
        return await self._did("perform", call, self._world.perform(call), _parted)

    async def after_batch(self) -> Interlude:
        return await self._did("after_batch", None, self._world.after_batch(), _parted)

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        hashed = fingerprint(self._to.hide.deep((tuple(done), baseline)))
        return await self._did("goal", hashed, self._world.goal(done, baseline), lambda came: (came, ()))

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict:
        hashed = fingerprint(self._to.hide.deep((tuple(done), baseline)))
        return await self._did("verify", hashed, self._world.verify(done, baseline), _parted)

    async def _did(
        self, act: ActName, asked: Any, call: Awaitable[T], parted: Callable[[T], tuple[Any, Iterable[Event]]]
    ) -> T:
        """Await the call and write down what came of it."""
        to, line = self._to, self._lines.begin()
        asked = msgspec.to_builtins(to.hide.deep(asked))
        try:
            result = await call
        except asyncio.CancelledError:
            self._lines.end(line, Act(to.now, act, asked, given_up=True))
            raise
        except Exception as error:
            self._lines.end(line, Act(to.now, act, asked, failure=Failure.of(error)))
            raise
        came, events = parted(result)
        self._lines.end(line, Act(to.now, act, asked, msgspec.Raw(_encode(to.hide.deep(came))), to.kept(events)))
        return result


class Lines:
    """The world's lines in the order its calls began, whichever of those that run at once ends first.

    A replay makes the calls one after the other. It never comes to those after one that was given up, so these are
    left out.
    """

    def __init__(self, to: Recorder) -> None:
        self._to = to
        self._open: deque[list[Act]] = deque()

    def begin(self) -> list[Act]:
        """A place for the line of a call that begins."""
        self._open.append([])
        return self._open[-1]

    def end(self, line: list[Act], act: Act) -> None:
        line.append(act)
        while self._open and self._open[0]:
            (ended,) = self._open.popleft()
            self._to.write(ended)
            if ended.given_up:
                self._open.clear()


def _parted(outcome: Any) -> tuple[Any, Iterable[Event]]:
    """An outcome without its events, and they."""
    return msgspec.structs.replace(outcome, events=()), outcome.events
