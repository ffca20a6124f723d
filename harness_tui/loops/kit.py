"""What a round needs from its owner, the engine, handed over in one piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..agent.kit import History
from ..domain.events import Envelope, Write
from ..domain.loop.gate import Decide
from ..domain.loop.spec import LoopSpec
from ..domain.redaction import Redaction
from ..domain.seams import Blobs, Clock
from ..domain.task import RunSpec, SandboxTable
from ..domain.views import ApprovalRow, RunRow
from ..sandbox.base import Sandbox


class Runs(Protocol):
    """The engine's runs, as a round uses them."""

    async def start(self, spec: RunSpec, first: Callable[[str], Write]) -> str:
        """Start a root run, the round's own event in the same append; answers its id. Raises HarnessError."""
        ...

    async def ended(self, run: str) -> RunRow:
        """Its row, once it is over."""
        ...

    async def cancel(self, run: str, by: str, reason: str) -> bool: ...

    async def events(self, run: str) -> list[Envelope]:
        """All of a run and its attempts."""
        ...


@dataclass(slots=True)
class RoundKit:
    """The owner's parts.

    Attributes:
        gate: what decides on proposals of a loop, with the operator's rules as they are now; it may block.
        sandbox: a world by its table, not yet open: of the round (its id), kept till its end, or of nobody ("").
        worktree: where the maker's files are; it need not be there.
        waiting: the loop's changes that wait for a decision.
        approval_id: a fresh approval id.
        state: this program's own folder.
    """

    log: History
    clock: Clock
    blobs: Blobs
    redaction: Redaction
    runs: Runs
    gate: Callable[[LoopSpec], Decide]
    sandbox: Callable[[LoopSpec, SandboxTable, str], Sandbox]
    worktree: Path
    waiting: Callable[[], Sequence[ApprovalRow]]
    approval_id: Callable[[], str]
    state: Path
    over: Callable[[], Awaitable[None]]
