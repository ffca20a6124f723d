"""A git worktree of the run's own: the operator's checkout is not what tools work on.

It isolates changes and is no jail by itself. Where bubblewrap works its children see the whole file system read-only,
without what no child may see; git's own folder is read-only for them too, since its settings and hooks are shared with
the operator's checkout. Where bubblewrap does not work they are plain children.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import HarnessError, SandboxError
from . import bubblewrap, child, git, view
from .base import Command, Finished, Guarantee, Sandbox
from .scratch import Scratch
from .tree import Tree

log = logging.getLogger(__name__)

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
OUTSIDE = "children can leave the worktree"


class Worktree(Sandbox):
    """`folder/RUN` on the branch `harness/RUN`, from the workspace's HEAD; a run that goes on finds it again."""

    kind = "worktree"

    def __init__(
        self,
        workspace: Path,
        *,
        folder: Path,
        run: str,
        scratch: Path,
        hidden: Collection[Path],
        read: Sequence[Path] = (),
        network: bool = False,
        writable: bool = True,
        bwrap: str = "",
        asked: str = "worktree",
        notes: tuple[str, ...] = (),
    ) -> None:
        """`bwrap`: bubblewrap's path where its probe holds, else ""; the others as in `Bubblewrap` and `NoSandbox`."""
        if not _RUN.fullmatch(run):
            raise SandboxError(f"{run!r} cannot name a worktree.")
        self.asked = asked
        self.workspace = workspace
        self.path = folder / run
        self.branch = f"harness/{run}"
        self.files = Tree(self.path, hidden)
        guarantees: set[Guarantee] = {"changes", "writes", "processes", "controls"}
        inside = guarantees if network else {*guarantees, "network"}
        self.enforced = frozenset(inside) if bwrap else frozenset({"changes"})
        self.notes = notes if bwrap else (OUTSIDE, *notes)
        self._hidden, self._read, self._network = hidden, tuple(read), network
        self._kind: view.Kind = "write" if writable else "read"
        self._bwrap = bwrap
        self._scratch = Scratch(scratch)
        self._git: dict[str, str] = {}
        self._links: tuple[Path, ...] = ()

    async def open(self) -> None:
        await asyncio.to_thread(self._prepare)

    async def close(self) -> None:
        """Remove it when nothing was changed in it; else it stays, branch and all."""
        await super().close()
        await self._scratch.remove()
        with suppress(HarnessError, OSError):
            await asyncio.to_thread(self._remove_unchanged)

    async def run(self, command: Command) -> Finished:
        root = self.files.root
        cwd = child.directory(root, command.cwd, tuple(self.files.hidden))
        if not self._bwrap:
            env = self._scratch.env(command.env)
            return await child.run(
                command.argv, executable=command.executable, cwd=cwd, env=env, deadline=command.deadline
            )
        read = [*self._read, *git.folders(self.path), *bubblewrap.resolver(network=self._network)]
        return await child.run(
            bubblewrap.arguments(
                self._bwrap,
                view.wide(root, read, self._hidden, kind=self._kind, links=self._links),
                command,
                cwd,
                network=self._network,
            ),
            executable=self._bwrap,
            cwd=Path("/"),
            env=child.clean(Path("/tmp"), Path("/tmp"), command.env),
            deadline=command.deadline,
            gain=True,  # for a set-uid bubblewrap; its own child gains nothing
        )

    def _prepare(self) -> None:
        self._ask("rev-parse", "--is-inside-work-tree", otherwise="is no git checkout", expect="true")
        self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}", otherwise="has no commit yet")
        common = Path(self._ask("rev-parse", "--path-format=absolute", "--git-common-dir", otherwise="is odd"))
        prefix = self._ask("rev-parse", "--show-prefix", otherwise="is odd")
        if self._ask("status", "--porcelain", otherwise="cannot be read"):
            self.notes += ("uncommitted changes are not in it",)
        if not self.path.exists():
            self._add()
        found = git.folders(self.path)
        if not found or found[1] != common.resolve():
            raise SandboxError(f"{self.path} is in the way: it is no worktree of {self.workspace}.", "Move it away.")
        self._git = {"GIT_DIR": str(found[0]), "GIT_WORK_TREE": str(self.path)}
        if prefix:
            (self.path / prefix).mkdir(parents=True, exist_ok=True)
            self.files = Tree(self.path / prefix, self.files.hidden)
        self._links = git.links(self.files.root)

    def _add(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        known, _, _ = git.call(self.workspace, "show-ref", "--verify", "--quiet", f"refs/heads/{self.branch}")
        where = (str(self.path), self.branch) if known == 0 else ("-b", self.branch, str(self.path), "HEAD")
        self._ask("worktree", "add", "--quiet", *where, otherwise="gives no worktree")

    def _ask(self, *args: str, otherwise: str, expect: str = "") -> str:
        code, said, wrong = git.call(self.workspace, *args)
        if code or (expect and said.strip() != expect):
            reason = f": {git.explain(wrong)}" if wrong.strip() else ""
            raise SandboxError(f"{self.workspace} {otherwise}{reason}.", "Ask for another sandbox, as in bubblewrap.")
        return said.rstrip("\n")

    def _remove_unchanged(self) -> None:
        """Only what is surely unchanged: no file, and no commit that the operator's checkout does not have."""
        if not self._git or self._changed():
            return
        if git.call(self.workspace, "worktree", "remove", str(self.path))[0] == 0:
            git.call(self.workspace, "branch", "--quiet", "-D", self.branch)

    def _changed(self) -> bool:
        status, files, _ = git.call(self.path, "status", "--porcelain", env=self._git)
        _, head, _ = git.call(self.workspace, "rev-parse", "HEAD")
        counted, commits, _ = git.call(
            self.path, "rev-list", "--count", "HEAD", self.branch, "--not", head.strip(), env=self._git
        )
        return bool(status or counted or files or commits.strip() != "0")
