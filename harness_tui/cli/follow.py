"""Start a run and wait for its end: narrate each step, name what waits for a decision, obey signals.

A graph's run is followed with the agent runs under it: what they ask is asked here as well.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..domain import events as ev
from ..domain.codec import WireEvent, to_json
from ..domain.errors import ApprovalError, HarnessError
from ..domain.events import HALTED, NUMBER_OF, RECORDING, Envelope, root_of
from ..domain.safetext import clip
from ..domain.trace import line
from ..domain.views import ApprovalRow, RunRow
from ..port.commands import CancelRun, Decide, ResumeDag, RetryDag, StartDag, StartRun
from ..port.port import EnginePort
from . import output

SHOWN_DIGEST = 16
"""Hex digits of a digest in the line that tells how to decide; 12 are enough."""

NARRATED = 240
"""Cells of one narrated step; `runs show` has the whole line."""


MANY = 500
"""Jobs of a graph up to which each start and success is told; of more, how far it is every PROGRESS seconds."""
PROGRESS = 2.0

_STARTED = NUMBER_OF[ev.RunStarted]
_DONE = frozenset(NUMBER_OF[kind] for kind in (ev.JobSucceeded, ev.JobReused))
_SILENT = frozenset(NUMBER_OF[kind] for kind in (ev.TaskResumed, ev.TaskFinished))
_ASKS = frozenset(NUMBER_OF[kind] for kind in (ev.ApprovalRequested, ev.ApprovalDecided, ev.ApprovalExpired))
_TOLD = frozenset({"ask", "tool", "budget", "login"})
_TROUBLE = frozenset({"fail", "doubt", "retry"})
"""What is told of an agent run under a graph; `runs show` has the rest."""
_ROUTINE = _SILENT | _DONE | {NUMBER_OF[kind] for kind in (ev.JobStarted, ev.JobBound, ev.JobsPlanned)}


class Left(HarnessError):
    """A signal ended the wait; the run is in the engine's hands."""

    def __init__(self, number: signal.Signals, next_step: str = "") -> None:
        super().__init__(f"Stopped by {number.name}.", next_step, exit_code=128 + number)


@dataclass(frozen=True)
class Wish:
    """How a run is to be followed.

    Attributes:
        wait: False = leave at the first approval (exit 4).
        stream: print every event of the run on stdout as JSON.
        approve: whether this request may be approved by `--yes`; None = nobody approves here.
    """

    wait: bool = True
    stream: bool = False
    approve: Callable[[ApprovalRow], bool] | None = None


async def start(port: EnginePort, command: StartRun | StartDag, wish: Wish) -> tuple[RunRow, str]:
    """Start and follow. Returns the row, and the id of the approval it was left waiting for ("" when it ended)."""
    pos = (await port.snapshot()).pos
    run = (await port.send(command)).id
    follower = _Follower(port, run, wish, graph=isinstance(command, StartDag))
    async with _Signals(follower):
        waits = await follower.until_end(pos)
    return await port.run(run), waits


async def rejoin(
    port: EnginePort, run: str, wish: Wish, word: ResumeDag | RetryDag | None = None
) -> tuple[RunRow, str]:
    """Follow a run that is there already, having told it `word`; what waits in it is told first. As `start`."""
    shot = await port.snapshot()
    if word:
        output.tell((await port.send(word)).text)
    elif not any(row.id == run and row.open for row in shot.runs):
        return await port.run(run), ""  # it ended before anybody looked
    follower = _Follower(port, run, wish, (row.id for row in shot.runs if row.parent == run), graph=True)
    follower.knows(next((row for row in shot.runs if row.id == run), None))
    async with _Signals(follower):
        waits = await follower.waiting(row for row in shot.approvals if row.open)
        waits = waits or await follower.until_end(shot.pos)
    return await port.run(run), waits


class _Follower:
    """One run, watched from before its first event; `under`: agent runs of a graph that are there already."""

    def __init__(
        self, port: EnginePort, run: str, wish: Wish, under: Iterable[str] = (), *, graph: bool = False
    ) -> None:
        self.port, self.run, self.wish = port, run, wish
        self._said = ""
        self._family = {run, *under}
        self.next_step = f"Go on with: harness-tui dag resume {run}" if graph else ""
        self._jobs = self._done = 0
        self._next = 0.0

    def knows(self, row: RunRow | None) -> None:
        """How far it is."""
        if row:
            self._jobs, self._done = row.jobs.get("all", 0), row.jobs.get("succeeded", 0)

    async def waiting(self, rows: Iterable[ApprovalRow]) -> str:
        """Tell of requests that are open. Returns the one that is not waited for, or ""."""
        for row in rows:
            if root_of(row.stream) in self._family and not await self._asked(row):
                return row.id
        return ""

    async def until_end(self, pos: int) -> str:
        async for batch in self.port.batches(pos):
            for item in batch.flow:
                if (item.run, item.key) == (self.run, HALTED):
                    raise HarnessError(f"{self.run} halted: {item.text}", exit_code=item.count)
                if (item.run, item.key) == (self.run, RECORDING):
                    output.tell(item.text)
            for wire in batch.events:
                if not self._ours(wire) or self._quiet(wire):
                    continue
                envelope = wire.open()
                self._show(envelope)
                if isinstance(envelope.event, ev.RunFinished) and root_of(envelope.run) == self.run:
                    return ""
                if isinstance(envelope.event, ev.ApprovalRequested) and not await self._asked(envelope.event):
                    return envelope.event.id
        return ""

    def _ours(self, wire: WireEvent) -> bool:
        """Whether it is of the run, or of an agent run under it: that says itself whose it is."""
        root = root_of(wire.run)
        if root in self._family:
            return True
        if wire.kind == _STARTED:
            event = wire.open().event
            if isinstance(event, ev.RunStarted) and event.spec.dag == self.run:
                self._family.add(root)
                return True
        return False

    def _quiet(self, wire: WireEvent) -> bool:
        """Whether nothing is said of it: the graph's own events do, or its jobs are too many to be told one by one."""
        many = self._jobs > MANY
        routine = many and (wire.kind in _ROUTINE or (wire.kind not in _ASKS and root_of(wire.run) != self.run))
        if self.wish.stream or not (routine or wire.kind in _SILENT):
            return False
        self._done += wire.kind in _DONE
        if many and time.monotonic() > self._next:
            self._next = time.monotonic() + PROGRESS
            output.tell(f"{output.clock(wire.at)}  run     dag     {self._done:,} of {self._jobs:,} jobs succeeded")
        return True

    def _show(self, envelope: Envelope) -> None:
        if self.wish.stream:
            output.emit(to_json(envelope))
        match envelope.event:
            case ev.PlanApplied(size=size, undone=undone):
                self._jobs, self._done = size, self._done - undone.get("succeeded", 0)
            case ev.JobsReset(undone=undone):
                self._done -= undone.get("succeeded", 0)
        if NUMBER_OF[type(envelope.event)] in _SILENT:
            return
        drawn = line(envelope)
        if drawn and (drawn.run == self.run or drawn.kind in _TOLD or drawn.state in _TROUBLE):
            whose = "" if drawn.run == self.run else f"{drawn.run}  "
            told = clip(whose + _unrepeated(drawn.text, self._said), NARRATED)
            self._said = drawn.text
            output.tell(f"{output.clock(drawn.at)}  {drawn.state:<6}  {drawn.kind:<6}  {told}")

    async def _asked(self, asked: ev.ApprovalRequested | ApprovalRow) -> bool:
        """Decide it, or say how it is decided. False: do not wait for the decision."""
        if self.wish.approve:
            row = next((row for row in await self.port.approvals() if row.id == asked.id), None)
            if row and self.wish.approve(row):
                return await self._approve(row)
        output.tell(
            f"waiting for approval {asked.id}, decide with: {how_to_decide(asked.kind, asked.id, asked.digest)}"
        )
        return self.wish.wait

    async def _approve(self, row: ApprovalRow) -> bool:
        try:
            await self.port.send(Decide(row.id, row.digest, "approved", by="--yes"))
        except ApprovalError as error:  # another console was faster; its word counts
            output.tell(str(error))
        return True

    async def cancel(self) -> None:
        output.tell("cancelling; press Ctrl-C again to leave at once")
        try:
            await self.port.send(CancelRun(self.run, by="Ctrl-C"))
        except HarnessError as error:
            output.tell(str(error))


def _unrepeated(text: str, before: str) -> str:
    """`text` without the sentence that was told just before it: "stopped by error: X" after "X"."""
    return text[: -len(before)].rstrip(" :") or text if before and text.endswith(before) else text


def how_to_decide(kind: str, approval: str, digest: str) -> str:
    """The command that decides a request."""
    if kind == "in_doubt":
        words = f"resolve {approval} --digest {digest[:SHOWN_DIGEST]} --happened|--did-not|--again"
    else:
        words = f"approve {approval} --digest {digest[:SHOWN_DIGEST]}"
    return f"harness-tui approvals {words}"


class _Signals:
    """SIGINT asks the engine to cancel; a second one, SIGTERM and SIGHUP end the wait (`Left`)."""

    def __init__(self, follower: _Follower) -> None:
        self._follower = follower
        self._left: signal.Signals | None = None
        self._asked: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._got, number)

    def _got(self, number: signal.Signals) -> None:
        if number == signal.SIGINT and self._asked is None:
            self._asked = asyncio.ensure_future(self._follower.cancel())
        elif self._task and self._left is None:
            self._left = number
            self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        if self._asked:
            await self._asked
        if self._left and isinstance(error, asyncio.CancelledError):
            if self._task:
                self._task.uncancel()
            raise Left(self._left, self._follower.next_step) from None
