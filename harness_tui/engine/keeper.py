"""The keeper of loops: registers them, fires their slots, drives their rounds, and carries out what was decided."""

from __future__ import annotations

from ..domain.seams import Clock
from ..journal.journal import Journal
from ..port.commands import AddLoop, BackfillLoop, PauseLoop, RemoveLoop, Reply, ResumeLoop, RunLoop, SetLevel

LoopCommand = AddLoop | RemoveLoop | RunLoop | BackfillLoop | PauseLoop | ResumeLoop | SetLevel


class Keeper:
    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def handle(self, command: LoopCommand) -> Reply:
        raise NotImplementedError
