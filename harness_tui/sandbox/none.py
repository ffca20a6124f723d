"""No sandbox: children run as the operator, with a clean environment and an end that is seen to."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from . import child
from .base import Command, Finished, Sandbox
from .scratch import Scratch
from .tree import Tree


class NoSandbox(Sandbox):
    """Nothing is enforced on children: one that means it can kill its nanny and read whatever the operator reads."""

    kind = "none"

    def __init__(
        self,
        workspace: Path,
        *,
        scratch: Path,
        hidden: Collection[Path] = (),
        asked: str = "none",
        notes: tuple[str, ...] = (),
    ) -> None:
        """`scratch`: a directory of this run, for the children's home and temporary files; removed at the end."""
        self.asked = asked
        self.workspace = workspace
        self.files = Tree(workspace, hidden)
        self.notes = ("no sandbox", *notes)
        self._scratch = Scratch(scratch)

    async def close(self) -> None:
        await super().close()
        await self._scratch.remove()

    async def run(self, command: Command) -> Finished:
        cwd = child.directory(self.files.root, command.cwd, tuple(self.files.hidden))
        return await child.run(
            command.argv,
            executable=command.executable,
            cwd=cwd,
            env=self._scratch.env(command.env),
            deadline=command.deadline,
        )
