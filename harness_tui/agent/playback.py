"""The tape of a replay: hands out recorded records to whoever had them, and lets things from outside in at their place.

Effects come in one order, each stream's appends in one; between them only the order that mattered is kept: nothing
follows a decision, a cancel or an engine's end before that has happened.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn

import msgspec

from ..domain.errors import HarnessError
from ..domain.events import ApprovalDecided, ApprovalEdited, ApprovalResolved, CancelRequested, Event, name_of
from ..domain.messages import ModelRequest
from ..models.cassette.model import Failure
from .tape import Act, ActName, Commit, Kept, Loaded, RunRecord, Said, Value

OUTSIDE = (ApprovalDecided, ApprovalEdited, ApprovalResolved, CancelRequested)
"""Events that came from outside, and tell all that came."""

HOPS = 8
"""Turns of the event loop in which a task that was let go is sure to come to its next wait."""


class Different(HarnessError):
    """The replay went another way than the recording."""


class Playback:
    """The records of one run as they are used up; also the clock of the replay, on which waiting takes no time.

    Attributes:
        front: the first record that is not used up.
        asked_before: the last request the model of each role was recorded with.
        difference: where the replay first went another way, or "".
        stopped: set when the lifecycle is to be stopped: here its engine ended, or the recording does.
        entered: what comes from outside is being appended.
        lives: another engine took over from here.
    """

    def __init__(self, records: Sequence[RunRecord]) -> None:
        self.asked_before: dict[str, ModelRequest] = {}
        self.difference = ""
        self.entered = False
        self.stopped = asyncio.Event()
        self.lives = False
        self._records = records
        self._used = [False] * len(records)
        self.front = 0
        self._now = 0
        self._delivered = -1
        self._deliver: Callable[[Event], None] = lambda _: None
        self._moved = asyncio.Event()
        self._cancelled = False
        self._effects: deque[int] = deque()
        self._appends: dict[str, deque[tuple[int, int]]] = defaultdict(deque)
        self._loads: dict[str, deque[int]] = defaultdict(deque)
        self._values: dict[str, deque[int]] = defaultdict(deque)
        for at, record in enumerate(records):
            match record:
                case Act(act="close") if self._is_stop(at + 1):
                    self._used[at] = True
                case Act() | Said():
                    self._effects.append(at)
                case Commit(_, writes):
                    for part, written in enumerate(writes):
                        self._appends[written.run].append((at, part))
                case Loaded(_, run):
                    self._loads[run].append(at)
                case Value(name):
                    self._values[name].append(at)

    # -- where it stands -----------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Nothing was recorded after this."""
        return self.front >= len(self._records)

    @property
    def knocks(self) -> bool:
        """Whether the next thing comes from outside."""
        return not self.over and self._from_outside(self.front) is not None

    @property
    def next(self) -> str:
        return self._name(self.front)

    def begin(self, deliver: Callable[[Event], None]) -> None:
        """A new life of the lifecycle; `deliver` hands it what comes from outside."""
        self.stopped.clear()
        self.lives = False
        self._cancelled = False
        self._deliver = deliver

    def differs(self, what: str) -> None:
        """Keep the first difference; what follows from it is of no interest."""
        self.difference = self.difference or what
        self.stopped.set()
        self._moved.set()

    def fail(self, what: str, shown: str) -> NoReturn:
        self.differs(f"{what}\n{shown}")
        raise Different(self.difference)

    def advance(self) -> None:
        """Go on to the first record that is not used up; bring what comes from outside there."""
        while not self.over and self._used[self.front]:
            self.front += 1
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        if self.over:
            self.stopped.set()
        elif self._reborn(self.front):
            self.lives = True
            self.stopped.set()
        elif (event := self._from_outside(self.front)) and self._delivered != self.front:
            self._delivered = self.front
            self._deliver(event)

    def _use(self, at: int) -> None:
        self._used[at] = True
        self._now = max(self._now, getattr(self._records[at], "at", 0))

    def _reborn(self, at: int) -> bool:
        record = self._records[at]
        return isinstance(record, Loaded) and record.fresh and at > 0

    def _is_stop(self, at: int) -> bool:
        """Whether an engine ended before the record `at`: it closed the world by itself then."""
        return at >= len(self._records) or self._reborn(at)

    def _from_outside(self, at: int) -> Event | None:
        record = self._records[at]
        if not isinstance(record, Commit):
            return None
        events = (kept.event() for written in record.writes for kept in written.events)
        return next((e for e in events if isinstance(e, OUTSIDE)), None)

    def _outside_before(self, until: int) -> bool:
        return any(not self._used[at] and self._from_outside(at) for at in range(self.front, until))

    def _end(self) -> int:
        """Where this life of the lifecycle ends."""
        later = (at for at in range(self.front, len(self._records)) if self._reborn(at) and not self._used[at])
        return next(later, len(self._records))

    def _mind(self, until: int) -> None:
        """Nothing that the lifecycle itself should have done may be left before the record `until`."""
        for at in range(self.front, until):
            if not self._used[at] and not self._from_outside(at):
                self.fail("The lifecycle goes another way than was recorded; it passes over:", f"- {self._name(at)}")

    # -- what the lifecycle takes --------------------------------------------------------------------------------

    async def turn(self) -> None:
        """Wait while what comes next comes from outside."""
        while self.knocks or (not self.over and self._reborn(self.front)):
            await self._moved.wait()

    async def effect(self, name: ActName | Literal["model"]) -> Act | Said:
        """The next recorded effect, once it is its turn; waits for ever when there is none in this life."""
        at = self._effects[0] if self._effects else len(self._records)
        try:
            while at >= (end := self._end()) or self._outside_before(at):
                if not self._outside_before(end):
                    self._mind(end)
                await self._moved.wait()
        except asyncio.CancelledError:
            if self._cancelled and at < self._end() and _given_up(self._records[at]):
                self._take(at)
            raise
        self._mind(at)
        record = self._records[at]
        assert isinstance(record, Act | Said)
        if self._name(at) != name:
            shown = f"- {self._name(at)}\n+ {name}"
            self.fail("The lifecycle goes another way than was recorded:", shown)
        self._take(at)
        while self.knocks and not self.entered and not self.stopped.is_set():
            # Recorded between an effect and its append: it had the lock already when the effect ended.
            await self._moved.wait()
        return record

    def expects(self, name: str) -> bool:
        """Whether this life takes another value of that name."""
        return bool(self._values[name]) and self._values[name][0] < self._end()

    async def enter(self) -> None:
        """Something from outside is about to be appended: let who waits for that go on."""
        self.entered = True
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        for _ in range(HOPS):
            await asyncio.sleep(0)
        self.entered = False

    async def close(self) -> None:
        """The world was closed, and what came from outside meanwhile is in before the lifecycle goes on."""
        while not self.stopped.is_set():
            at = self._effects[0] if self._effects else len(self._records)
            if at < self._end() and not self._outside_before(at):
                self._mind(at)
                if self._name(at) != "close":
                    self.fail("The lifecycle goes another way than was recorded:", f"- {self._name(at)}\n+ close")
                self._take(at)
                break
            if at >= self._end() and not self._outside_before(self._end()):
                self._mind(self._end())
            await self._moved.wait()
        while not self.stopped.is_set() and self.knocks:
            await self._moved.wait()

    def _name(self, at: int) -> str:
        match self._records[at]:
            case Act(act=act):
                return act
            case Said():
                return "model"
            case Commit(_, writes):
                return ", ".join(name_of(kept.event()) for written in writes for kept in written.events)
            case Value(name):
                return name
            case record:
                return type(record).__name__.lower()

    def _take(self, at: int) -> None:
        self._effects.popleft()
        self._use(at)
        self.advance()

    async def given_up(self) -> NoReturn:
        """A call that had no result: it was cancelled with the run or the engine, else it took too long."""
        await self.turn()
        if self.over:
            await asyncio.Event().wait()
        raise asyncio.CancelledError if self._cancelled else TimeoutError

    async def written(self, run: str) -> tuple[tuple[Kept, ...], Failure | None]:
        """What the stream's next recorded append wrote, and why it was refused, if it was."""
        while not self._appends[run] or self._appends[run][0][0] >= self._end():
            if not self._outside_before(self._end()):
                self._mind(self._end())
            await self._moved.wait()
        at, part = self._appends[run].popleft()
        record = self._records[at]
        assert isinstance(record, Commit)
        if part == len(record.writes) - 1:
            self._use(at)
        if isinstance(self._from_outside(at), CancelRequested):
            self._cancelled = True
        if record.failure is not None:
            self.advance()
        return record.writes[part].events, record.failure

    def found(self, run: str) -> tuple[Kept, ...]:
        """What the log held at the stream's next recorded load and nobody had recorded."""
        if not self._loads[run]:
            return ()
        at = self._loads[run].popleft()
        record = self._records[at]
        assert isinstance(record, Loaded)
        self._use(at)
        self.advance()
        return record.found

    def value(self, name: str, kind: Any) -> Any:
        """The next recorded value of that name."""
        if not self._values[name] or self._values[name][0] > self._end():
            self._mind(self._end())
            raise asyncio.CancelledError  # the engine ended before it came to this
        at = self._values[name].popleft()
        record = self._records[at]
        assert isinstance(record, Value)
        self._use(at)
        self.advance()
        return msgspec.json.decode(bytes(record.value), type=kind)

    # -- the clock -----------------------------------------------------------------------------------------------

    def now(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Time passes at once, unless something from outside comes first, which ends this sleep."""
        if self.knocks or (not self.over and self._reborn(self.front)):
            await asyncio.Event().wait()
        self._now += int(seconds * 1_000_000)


def _given_up(record: RunRecord) -> bool:
    match record:
        case Act():
            return record.given_up
        case Said():
            return record.exchange.answer is None and record.exchange.failure is None
    return False
