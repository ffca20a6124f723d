"""No sandbox: children run as the operator, with a clean environment and an end that is seen to."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection
from pathlib import Path

from . import child
from .base import Command, Finished, Sandbox
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
        self._scratch = scratch

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    async def run(self, command: Command) -> Finished:
        cwd = child.directory(self.files.root, command.cwd, tuple(self.files.hidden))
        home, tmp = self._scratch / "home", self._scratch / "tmp"
        for folder in (home, tmp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await child.run(
            command.argv,
            executable=command.executable,
            cwd=cwd,
            env=child.clean(home, tmp, command.env),
            deadline=command.deadline,
        )
