"""The choke point: whatever a tool does to files or starts as a child goes through one `Sandbox`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal

import msgspec

from .tree import Tree

Guarantee = Literal["changes", "writes", "reads", "network", "processes", "controls"]
"""What can be enforced on children, each one proven by a probe.

changes: the operator's own checkout is not changed; writes: nothing outside the workspace is written; reads: nothing
outside the workspace and the system is read; network: no connections; processes: all children end with their call;
controls: they cannot reach this console's socket, state or variables.
"""

FULL: frozenset[Guarantee] = frozenset(("writes", "reads", "processes", "controls"))
"""What keeps a child's acts inside; L3 needs it, and more: see `needed`."""


def needed(*, network: bool) -> frozenset[Guarantee]:
    """What must be enforced for L3; `network`: the operator gave children one."""
    return FULL if network else FULL | {"network"}


HEAD = TAIL = 512 * 1024
"""Bytes kept of the beginning and of the end of a child's output."""
FLOOD = 64 * 1024 * 1024
"""Bytes of output after which a child is stopped."""


class Command(msgspec.Struct, frozen=True):
    """One child to run.

    Attributes:
        argv: its words; `executable` is what is really started, absolute and pinned.
        cwd: relative to the root; "" = the root.
        env: variables beyond the clean set.
        deadline: seconds.
    """

    argv: tuple[str, ...]
    executable: str
    cwd: str = ""
    env: dict[str, str] = {}
    deadline: float = 120.0


class Finished(msgspec.Struct, frozen=True):
    """How a child ended: everything it started is dead by now.

    Attributes:
        code: exit code, None when it was stopped; `ended`: exit | deadline | flood | killed (by a signal).
        output: stdout and stderr as they came, undecodable bytes replaced; head and tail when it was long.
        dropped: bytes left out between head and tail.
    """

    code: int | None
    output: str
    ended: Literal["exit", "deadline", "flood", "killed"] = "exit"
    dropped: int = 0


class Sandbox(ABC):
    """One run's sandbox.

    Attributes:
        kind: what is in force: none | worktree | bubblewrap | container.
        asked: what was asked for.
        workspace: the operator's directory, absolute and real.
        files: the tree that tools read and write; its root is the workspace, or the worktree made of it.
        enforced: what is guaranteed.
        notes: what the run's header must say, a few words each.
    """

    kind: str
    asked: str
    workspace: Path
    files: Tree
    enforced: frozenset[Guarantee] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def profile(self) -> str:
        """One line that goes into every digest: kind, guarantees, network, extra paths."""
        return f"{self.kind}: {', '.join(sorted(self.enforced)) or 'nothing enforced'}"

    async def open(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Make it ready. Raises SandboxError (exit 6) when what was asked for cannot be had."""

    async def close(self) -> None:
        """End what is left in it; never raises. What was changed stays where it is."""
        self.files.close()

    @abstractmethod
    async def run(self, command: Command) -> Finished:
        """Run one child to its end. Raises SetupError when it cannot be started at all."""
