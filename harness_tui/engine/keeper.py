"""The keeper of loops: registers them, fires their slots, and draws the consequences of what their rounds came to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ..config.loopfile import source_state
from ..domain import events as ev
from ..domain.errors import HarnessError, SetupError
from ..domain.events import Event, Write
from ..domain.ledger import Ledger
from ..domain.loop import levels, recall, slots
from ..domain.loop.gate import Decide
from ..domain.loop.rows import LoopRow, RoundRow
from ..domain.loop.spec import LoopSpec
from ..domain.money import from_usd
from ..domain.seams import Clock
from ..journal.journal import Journal
from ..loops import work
from .rounds import Rounds
from .timetable import Timetable

HARNESS = "harness"
SOURCES = 900
"""Seconds between two looks at the files: with ten thousand loops a look takes 0.6 s of CPU."""
TOGETHER = 50
"""Loops whose files are looked at in one go."""
AT_ONCE = 250
"""Loops looked at before an engine answers; the others follow while it does."""

log = logging.getLogger(__name__)


class Keeper:
    """Every change of a loop is an event of its stream, written under its lock and durable before it is answered.

    Args:
        day: today's date, as the ledger's scopes name it.
    """

    def __init__(self, journal: Journal, clock: Clock, ledger: Ledger, rounds: Rounds, day: Callable[[], str]) -> None:
        self.journal = journal
        self.clock = clock
        self._ledger = ledger
        self._rounds = rounds
        self._day = day
        self._timetable = Timetable(clock, lambda loop: self._apart(self.tick(loop)))
        self._locks: dict[str, asyncio.Lock] = {}
        self._backlog: dict[str, deque[int]] = {}
        """Slots to back-fill: what the operator asked for lasts as long as this engine."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._since = clock.now()

    async def open(self) -> None:
        """Go on with what a stopped or killed engine left, then watch the clock."""
        views = self.journal.views
        for ident in views.loops:
            self.limit(ident, views.specs[ident].spec)
        recovered = set(await self._rounds.recover())
        standing = [row for row in views.loops.values() if row.state != "removed"]
        for row in standing:
            for uid in row.recent[-1:]:
                if uid not in recovered:
                    await self.settled(uid)
        for row in standing[:AT_ONCE]:
            await self._look(row.id)
        # A full collection walks every loop there is while all of them wait: what was loaded now stays anyway.
        gc.freeze()
        self._apart(self._timetable.run())
        self._apart(self._begin([row.id for row in standing[AT_ONCE:]]))

    async def _begin(self, loops: Sequence[str]) -> None:
        """Thousands of loops are looked at beside what is due already, then their files."""
        for loop in loops:
            await self._look(loop)
            await asyncio.sleep(0)
        await self._look_at_sources()

    async def _look(self, loop: str) -> None:
        """One that cannot be read any more, as its time zone is gone, keeps no other from its time."""
        try:
            await self.tick(loop)
        except SetupError:
            raise
        except HarnessError as error:
            log.error("%s does not fire: %s", self.journal.views.loops[loop].name, error)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rounds.close()
        gc.unfreeze()

    def lock(self, loop: str) -> asyncio.Lock:
        """Held while the loop's stream is decided on and written to."""
        return self._locks.setdefault(loop, asyncio.Lock())

    async def cancel(self, uid: str, by: str, reason: str) -> bool:
        """End a round that runs; False for one that is over or only waits."""
        return await self._rounds.cancel(uid, by, reason)

    async def cancel_all(self, by: str, reason: str) -> int:
        """End every round that runs, also between its runs, and back-fill no more; returns how many."""
        self._backlog.clear()
        return await self._rounds.cancel_all(by, reason)

    def gate(self, spec: LoopSpec) -> Decide:
        return self._rounds.gate(spec)

    def next(self, loop: str) -> int | None:
        """When the loop is due next, in us; None = not by itself."""
        return self._timetable.at(loop)

    async def note(self, loop: str, *events: Event) -> None:
        """Append to the loop's stream; the caller holds its lock."""
        await self.journal.append([Write(loop, self.journal.head(loop), events)])

    def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        """As a task of its own, which ends with the engine and whose failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a loop's work failed", exc_info=error)

    def limit(self, loop: str, spec: LoopSpec) -> None:
        """What the loop may spend in a day, from now on."""
        caps = spec.budget
        if caps.day_tokens or caps.day_usd is not None:
            self._ledger.limit(loop, caps.day_tokens, None if caps.day_usd is None else from_usd(caps.day_usd))
        else:
            self._ledger.unlimit(loop)

    # -- slots -----------------------------------------------------------------------------------------------------

    async def tick(self, loop: str) -> None:
        """Do what the clock says of a loop now: slots to fire, to miss and to skip. Then when to look again."""
        async with self.lock(loop):
            while await self._tick(loop):
                pass

    async def _tick(self, loop: str) -> bool:
        """One look; True when another is due at once. Of several rounds to start the others stay due until it ends."""
        row, spec = self.journal.views.loops[loop], self.journal.views.specs[loop].spec
        now = self.clock.now()
        due = slots.due(row, spec, now, since=self._since)
        events, fire = list(due.events), due.fire[:1]
        if due.cancel:
            self._apart(self._cancel(row.running))
            fire = ()
        elif fire and (spent := self._spent(row)):
            events += [ev.SlotSkipped(each.slot, spent) for each in due.fire]
            fire = ()
        if fire:
            await self._fire(row, spec, fire[0].slot, fire[0].trigger, before=events)
        elif events:
            await self.note(loop, *events)
        self._timetable.set(loop, due.next)
        return bool(due.next and due.next <= now and (events or fire))

    async def _cancel(self, uid: str) -> None:
        await self._rounds.cancel(uid, HARNESS, "the next slot has come")

    async def _fire(
        self,
        row: LoopRow,
        spec: LoopSpec,
        slot: int,
        trigger: ev.Trigger,
        *,
        before: Sequence[Event] = (),
        by: str = "",
        feedback: str = "",
        about: str = "",
    ) -> str:
        """Start a round: its slot, its number and its first event are one append. The caller holds the lock."""
        number = row.rounds + 1
        uid = f"{row.id}/{number}"
        recent = [self.journal.views.rounds[each] for each in row.recent if each in self.journal.views.rounds]
        asked = (self.journal.views.approvals.get(each.approval) for each in recent)
        said = {request.id: request.reason for request in asked if request and request.reason}
        started = ev.RoundStarted(
            number=number,
            trigger=trigger,
            level=row.level,  # type: ignore[arg-type]
            digest=row.digest,
            slot=slot,
            by=by,
            recall=recall.recall(recent, said),
            feedback=feedback,
            about=about,
        )
        fired = (ev.SlotFired(slot, number),) if slot else ()
        caps = spec.budget
        account = self._ledger.account(f"round:{uid}")
        account.limit, account.usd_limit = caps.tokens, None if caps.usd is None else from_usd(caps.usd)
        own = [Write(row.id, self.journal.head(row.id), (*before, *fired))] if before or fired else []
        await self.journal.append([*own, Write(uid, 0, (started,))])
        self._rounds.drive(uid, spec)
        self._apart(self._look_back(row.id))
        return uid

    async def start(self, loop: str, *, by: str, feedback: str = "", about: str = "") -> str:
        """A round by hand, or because a change was pushed back; the caller holds the lock. Answers its id."""
        row, spec = self.journal.views.loops[loop], self.journal.views.specs[loop].spec
        trigger: ev.Trigger = "push_back" if about else "manual"
        return await self._fire(row, spec, 0, trigger, by=by, feedback=feedback, about=about)

    async def backfill(self, loop: str, slots: Sequence[int]) -> None:
        """Rounds for these slots, one after the other; the caller holds the lock."""
        self._backlog.setdefault(loop, deque()).extend(slots)
        await self._follow_up(loop)

    def _spent(self, row: LoopRow) -> str:
        """Why a round would end before its first model call today, or ""."""
        scope = f"{row.id}:{self._day()}"
        account = self._ledger.account(scope)
        if (account.limit and account.left <= 0) or (account.usd_limit is not None and account.usd_left <= 0):
            return "what the loop may spend in a day is spent"
        last = self.journal.views.rounds.get(row.recent[-1]) if row.recent else None
        if last is None or last.outcome != "exhausted" or last.digest != row.digest:
            return ""
        return "what is left of the day is too little" if last.spent in (scope, f"day:{self._day()}") else ""

    # -- what follows from a round ----------------------------------------------------------------------------------

    async def settled(self, uid: str) -> None:
        """A round has ended, or its change was decided or carried out. Said twice, it changes nothing twice."""
        loop = uid.partition("/")[0]
        async with self.lock(loop):
            row, done = self.journal.views.loops[loop], self.journal.views.rounds.get(uid)
            if done is None:
                return
            if done.ended:
                self._ledger.forget(f"round:{uid}")
            await self._demote(row, done)
            await self._pause(row)
            await self._follow_up(loop)

    async def _demote(self, row: LoopRow, done: RoundRow) -> None:
        signal = levels.signal(self.journal.views.specs[row.id].spec, done)
        if not signal or row.level_since > done.started:  # what a round did at another level says nothing of this one
            return
        demoted = levels.demotion(row, signal, done.id)
        if demoted:
            await self.note(row.id, demoted)

    async def _pause(self, row: LoopRow) -> None:
        limit = self.journal.views.specs[row.id].spec.pause_after
        if limit and row.state == "active" and row.failures >= limit:
            why = f"{row.failures} rounds failed in a row; the last: {row.last_reason}"
            await self.note(row.id, ev.LoopPaused(HARNESS, why[:500]))

    async def _follow_up(self, loop: str) -> None:
        """What waited for the running round to end: a push-back first, then slots. The caller holds the lock."""
        row, spec = self.journal.views.loops[loop], self.journal.views.specs[loop].spec
        if row.running or row.state == "removed":
            return
        pushed = self._pushed_back(row)
        if pushed:
            request = self.journal.views.approvals.get(pushed.approval)
            by, said = (request.by, request.reason) if request else (HARNESS, "")
            await self.start(loop, by=by, feedback=said, about=pushed.id)
        elif waiting := self._backlog.get(loop):
            await self._fire(row, spec, waiting.popleft(), "backfill")
        else:
            self._timetable.set(loop, self.clock.now())

    def _pushed_back(self, row: LoopRow) -> RoundRow | None:
        """A round whose change was pushed back and that has had no new round for it."""
        recent = [self.journal.views.rounds[each] for each in row.recent if each in self.journal.views.rounds]
        about = {each.about for each in recent}
        return next((each for each in recent if each.decided == "pushed_back" and each.id not in about), None)

    async def _look_back(self, loop: str) -> None:
        """Whether what earlier rounds did was taken back meanwhile: the operator says so with git, not to us."""
        rounds = self.journal.views.rounds
        landed = [rounds[each] for each in self.journal.views.loops[loop].recent if each in rounds]
        for done in landed:
            if done.receipt is None or not done.receipt.after or done.rolled_back or self._rounds.driver(done.id):
                continue
            how = await work.rolled_back(self.journal.views.loops[loop].workspace, done.receipt)
            if how:
                async with self.lock(loop):
                    event = ev.RolledBack(how)
                    await self.journal.append([Write(done.id, self.journal.head(done.id), (event,))])
                    demoted = levels.demotion(self.journal.views.loops[loop], "rolled_back", done.id)
                    if demoted:
                        await self.note(loop, demoted)

    # -- the files they were added from ------------------------------------------------------------------------------

    async def _look_at_sources(self) -> None:
        while True:
            rows = [row for row in self.journal.views.loops.values() if row.state != "removed"]
            for start in range(0, len(rows), TOGETHER):
                with contextlib.suppress(HarnessError):
                    await self._look_at(rows[start : start + TOGETHER])
            await self.clock.sleep(SOURCES)

    async def _look_at(self, rows: Sequence[LoopRow]) -> None:
        """Say once that a file is no longer what was pinned, or that it is again.

        In one hop for all of them: for ten thousand loops the hops would cost more than the looking.
        """
        asked = [(row.source, row.source_digest) for row in rows]
        states = await asyncio.to_thread(lambda: [source_state(*each) for each in asked])
        for row, (_, digest), seen in zip(rows, asked, states, strict=True):
            if seen == row.source_state:
                continue
            async with self.lock(row.id):
                if seen != row.source_state and row.source_digest == digest and row.state != "removed":
                    await self.note(row.id, ev.SourceSeen(seen))
