"""The desk of loops: what an operator may do with them, command by command. Nothing an agent can call comes here."""

from __future__ import annotations

import asyncio

from ..domain import events as ev
from ..domain import schedule as when
from ..domain.errors import UsageError
from ..domain.loop import find, levels, slots
from ..domain.loop.rows import LoopRow
from ..domain.loop.spec import LoopSpec, digest
from ..domain.task import LEVELS, Level
from ..port.commands import AddLoop, BackfillLoop, PauseLoop, RemoveLoop, Reply, ResumeLoop, RunLoop, SetLevel
from .keeper import Keeper

LoopCommand = AddLoop | RemoveLoop | RunLoop | BackfillLoop | PauseLoop | ResumeLoop | SetLevel
MOST_BACKFILLED = 100


class LoopDesk:
    """Raises UsageError for what makes no sense; nothing has changed then."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._journal = keeper.journal
        self._clock = keeper.clock
        self._adding = asyncio.Lock()

    async def handle(self, command: LoopCommand) -> Reply:
        if isinstance(command, AddLoop):
            async with self._adding:
                return await self._add(command)
        row = find.loop(self._journal.views.loops.values(), command.loop)
        if row.state == "removed":
            raise UsageError(f"{row.name} was removed by {row.by}.", "Add it again with: harness-tui loop add")
        async with self._keeper.lock(row.id):
            match command:
                case RemoveLoop(by=by):
                    await self._keeper.note(row.id, *slots.dropped(row, f"removed by {by}"), ev.LoopRemoved(by))
                    reply = Reply(row.id, f"{row.name} is removed. What it did stays on record.")
                case RunLoop(by=by):
                    reply = await self._run(row, by)
                case BackfillLoop():
                    reply = await self._backfill(row, command)
                case PauseLoop():
                    reply = await self._pause(row, command)
                case ResumeLoop(by=by):
                    reply = await self._resume(row, by)
                case SetLevel():
                    reply = await self._level(row, command)
        await self._keeper.tick(row.id)
        return reply

    async def _add(self, command: AddLoop) -> Reply:
        """Register it, or pin it anew: what was pinned before goes on until this is durable."""
        spec = command.spec
        _check_schedule(spec, fast=command.fast)
        if spec.level == "L3":
            raise UsageError("A loop begins at L1 or L2: L3 is earned.", "Add it at L2, then use loop promote.")
        rows = self._journal.views.loops
        known = next((row for row in rows.values() if row.name == spec.name and row.state != "removed"), None)
        loop = known.id if known else f"l{len(rows) + 1}"
        async with self._keeper.lock(loop):
            level: Level = spec.level
            why, anew = "", True
            if known:
                if (known.digest, known.fast) == (digest(spec), command.fast) and known.source_state == "same":
                    return Reply(loop, f"{spec.name} is registered as it is: nothing has changed.")
                before = self._journal.views.specs[loop].spec
                level, why = levels.readded(before, spec, known)
                anew = level != known.level or bool(levels.differing(before, spec))
            added = ev.LoopAdded(
                spec=spec,
                digest=digest(spec),
                source=command.source,
                source_digest=command.source_digest,
                level=level,
                by=command.by,
                why=why,
                fast=command.fast,
                anew=anew,
            )
            await self._keeper.note(loop, added)
            self._keeper.limit(loop, spec)
        await self._keeper.tick(loop)
        said = f"{spec.name} is {'pinned anew' if known else 'registered'} at {level}."
        return Reply(loop, f"{said} {why}".rstrip())

    async def _run(self, row: LoopRow, by: str) -> Reply:
        if row.running:
            raise UsageError(f"{row.running} of {row.name} still runs.", "Wait for it, or cancel it: runs cancel.")
        uid = await self._keeper.start(row.id, by=by)
        return Reply(uid, f"{uid} of {row.name} started.")

    async def _backfill(self, row: LoopRow, command: BackfillLoop) -> Reply:
        if command.end < command.start:
            raise UsageError("The range ends before it begins.")
        if command.end > self._clock.now():
            raise UsageError("A range to back-fill lies in the past.", "For a round now: loop run NAME")
        dealt = {each.at for each in await self._journal.slots(row.id, 100_000) if each.state in ("fired", "queued")}
        wanted = slots.within(row, command.start, min(command.end, row.slot), MOST_BACKFILLED + 1)
        if len(wanted) > MOST_BACKFILLED:
            raise UsageError(f"That range has more than {MOST_BACKFILLED} slots.", "Take a shorter one.")
        left = [at for at in wanted if at not in dealt]
        if not left:
            return Reply(row.id, f"{row.name} has no slot in that range without a round.")
        await self._keeper.backfill(row.id, left)
        return Reply(row.id, f"{_count(len(left))} of {row.name} follow, oldest first, one after the other.")

    async def _pause(self, row: LoopRow, command: PauseLoop) -> Reply:
        if command.until and command.until <= self._clock.now():
            raise UsageError("The time to pause until has passed already.")
        dropped = slots.dropped(row, f"paused by {command.by}")
        await self._keeper.note(row.id, *dropped, ev.LoopPaused(command.by, command.reason, command.until))
        return Reply(row.id, f"{row.name} is paused.")

    async def _resume(self, row: LoopRow, by: str) -> Reply:
        if row.state != "paused":
            raise UsageError(f"{row.name} is not paused.")
        await self._keeper.note(row.id, *slots.passed(row, self._clock.now()), ev.LoopResumed(by))
        return Reply(row.id, f"{row.name} goes on.")

    async def _level(self, row: LoopRow, command: SetLevel) -> Reply:
        """Up by one step, on evidence and after a drill; down by any, at once."""
        spec, now = self._journal.views.specs[row.id].spec, self._clock.now()
        if command.level == row.level:
            raise UsageError(f"{row.name} is at {row.level} already.")
        if LEVELS.index(command.level) < LEVELS.index(row.level):
            why = command.reason or "asked for"
            await self._keeper.note(row.id, ev.LevelSet(command.level, command.by, why))
            return Reply(row.id, f"{row.name} is at {command.level} now.")
        lines = levels.may_promote(spec, row, command.level, now)
        if command.level == "L3" and not levels.missing(lines[:-1]):  # the last one is the drill itself
            drill = await asyncio.to_thread(levels.drill, spec, self._keeper.gate(spec))
            await self._keeper.note(row.id, drill)
            if not drill.passed:
                raise UsageError(f"{row.name} stays at {row.level}: its gate did not pass the drill.", _failed(drill))
            lines = levels.may_promote(spec, row, command.level, now)
        if lacks := levels.missing(lines):
            raise UsageError(f"{row.name} stays at {row.level}: {lacks}.", f"See: harness-tui loop why {row.name}")
        evidence = tuple(line.text for line in lines)
        event = ev.LevelSet(command.level, command.by, command.reason or "promoted on evidence", evidence)
        await self._keeper.note(row.id, event)
        return Reply(row.id, f"{row.name} is at {command.level} now.")


def _check_schedule(spec: LoopSpec, *, fast: bool) -> None:
    """Raises ScheduleError: the file was read elsewhere, and what fires here is decided here."""
    when.zone(spec.zone)
    if spec.schedule:
        when.parse(spec.schedule, name=spec.name, fast=fast)


def _failed(drill: ev.DrillRun) -> str:
    return next((each for each in drill.checks if each.startswith("wrong")), "")


def _count(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"
