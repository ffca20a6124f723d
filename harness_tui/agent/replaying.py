"""Replaying a recorded run: the real lifecycle over what was recorded, with no world, no model and no time of its own.

Equal means: each stream gets the same events in the same order, but for `VOLATILE` fields, places in the log and times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from ..domain import inputs as inp
from ..domain.approval import Proposal
from ..domain.errors import HarnessError
from ..domain.events import (
    ApprovalDecided,
    ApprovalEdited,
    ApprovalResolved,
    CancelRequested,
    Envelope,
    Event,
    RunFinished,
    Write,
    name_of,
)
from ..domain.fold import Views
from ..domain.seams import Environment
from ..domain.task import RunSpec
from ..models.cassette.form import difference
from ..models.router import MAIN, of_role
from .driver import Driver
from .kit import Kit
from .playback import OUTSIDE, Playback
from .replayed import Named, ReplayedLedger, ReplayedModel, ReplayedWorld
from .spill import Spill
from .tape import RunHeader, RunRecord

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
    """Bring what came from outside. Digests hold the time, which is another one here: it names what is shown now."""
    match event:
        case ApprovalDecided(ident, decision, by, _, reason):
            await driver.decide(inp.Decided(ident, decision, by, driver.digest(ident), reason))
        case ApprovalEdited(id=ident, by=by, risk=risk, action=action, summary=summary, facts=facts):
            risk_class = event.risk_class or "destructive"
            proposal = Proposal("", event.arguments, risk_class, risk, summary, facts)
            await driver.decide(inp.Edited(ident, driver.digest(ident), by, proposal, action))
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
