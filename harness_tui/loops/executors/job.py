"""One action to be carried out: all that its executor gets to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from ...domain.errors import HarnessError
from ...domain.events import Change
from ...domain.loop.spec import LoopSpec
from ...domain.task import SandboxTable
from ...sandbox.base import Sandbox

Settled = Literal["done", "not_done", "unknown"]
"""unknown: the round is in doubt until the operator has looked."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was decided on.

    Attributes:
        round: id of the round, `l3/214`.
        workspace: of the loop, absolute.
        home: this program's own folder.
        digest: of what was decided on; goes into the receipt, and out as the key under which a repetition is known.
        at: us, when its intent was written down; the same after a crash.
        change, diff: of files, where the round proposes one.
        sandbox: makes the sandbox of a command, not yet open: of `table(spec)`, over the workspace.
    """

    spec: LoopSpec
    round: str
    workspace: Path
    home: Path
    digest: str
    at: int
    change: Change | None = None
    diff: bytes = b""
    report: str = ""
    outcome: str = ""
    summary: str = ""
    sandbox: Callable[[], Sandbox] | None = None

    @property
    def name(self) -> str:
        """The round as one part of a path: `l3-214`."""
        return self.round.replace("/", "-")

    @property
    def date(self) -> str:
        """`2026-11-21`, in the loop's zone."""
        return datetime.fromtimestamp(self.at / 1_000_000, ZoneInfo(self.spec.zone)).date().isoformat()

    def proposed(self) -> Change:
        """The change. Raises HarnessError where there is none."""
        if self.change is None:
            raise HarnessError(f"Round {self.round} proposes no change of files to {self.spec.action.do}.")
        return self.change


def table(spec: LoopSpec) -> SandboxTable:
    """The sandbox of a command: over the workspace itself, since in a worktree it would act on what is thrown away."""
    from msgspec.structs import replace

    given = spec.maker.sandbox
    return replace(given, kind="bubblewrap") if given.kind == "worktree" else given
