"""A git worktree of the run's own: the operator's checkout is not what tools work on.

It isolates changes and is no jail by itself. Where bubblewrap works its children see the whole file system read-only,
without what no child may see; git's own folder is read-only for them too, since its settings and hooks are shared with
the operator's checkout. Where bubblewrap does not work they are plain children.

One that belongs to a round of a loop is kept for all of it: maker, checker and acceptance see the same files. Its
children see nothing but it, the system and git's folder, so that it holds in what a run at L3 does.
"""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
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
BASE, ONTO = "refs/worktree/base", "refs/worktree/onto"
"""Refs of a kept worktree alone: the commit it was made of, and (symbolic) the branch that stood there, if any."""


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
        keep: bool = False,
        base: str = "",
        bwrap: str = "",
        asked: str = "worktree",
        notes: tuple[str, ...] = (),
    ) -> None:
        """One worktree; what is not named here is as in `Bubblewrap` and `NoSandbox`.

        Args:
            keep: it belongs to a round: on no branch, and there until `remove`.
            base: branch a kept one is made of, where it exists; else what the workspace has checked out.
            bwrap: bubblewrap's path where the probe of its view holds ("bubblewrap" if kept, else "wide"), else "".
        """
        if not _RUN.fullmatch(run):
            raise SandboxError(f"{run!r} cannot name a worktree.")
        self.asked = asked
        self.workspace = workspace
        self.path = folder / run
        self.branch = "" if keep else f"harness/{run}"
        self.files = Tree(self.path, hidden)
        guarantees: set[Guarantee] = {"changes", "writes", "processes", "controls"}
        if keep:
            guarantees.add("reads")
        inside = guarantees if network else {*guarantees, "network"}
        self.enforced = frozenset(inside) if bwrap else frozenset({"changes"})
        self.notes = notes if bwrap else (OUTSIDE, *notes)
        self._hidden, self._read, self._network = hidden, tuple(read), network
        self._kind: view.Kind = "write" if writable else "read"
        self._keep, self._base, self._bwrap = keep, base, bwrap
        self._scratch = Scratch(scratch)
        self._git: dict[str, str] = {}
        self._links: tuple[Path, ...] = ()

    async def open(self) -> None:
        await asyncio.to_thread(self._prepare)

    async def close(self) -> None:
        """Remove it when nothing was changed in it; else, or when it is kept, it stays, branch and all."""
        await super().close()
        await self._scratch.remove()
        if self._keep:
            return
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
        home = bubblewrap.own_home() if self._keep else Path("/tmp")
        return await child.run(
            bubblewrap.arguments(self._bwrap, self._mounts(home), command, cwd, network=self._network),
            executable=self._bwrap,
            cwd=Path("/"),
            env=child.clean(home, Path("/tmp"), command.env),
            deadline=command.deadline,
            gain=True,  # for a set-uid bubblewrap; its own child gains nothing
        )

    def _mounts(self, home: Path) -> list[view.Mount]:
        root, hidden = self.files.root, self._hidden
        read = [*self._read, *git.folders(self.path), *bubblewrap.resolver(network=self._network)]
        if self._keep:
            # All of it, where the workspace is below the checkout: git looks upward for its `.git`.
            above = [self.path] if root != self.path else []
            return view.narrow(root, home, [*above, *read], hidden, kind=self._kind, links=self._links)
        return view.wide(root, read, hidden, kind=self._kind, links=self._links)

    def _prepare(self) -> None:
        self._ask("rev-parse", "--is-inside-work-tree", otherwise="is no git checkout", expect="true")
        self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}", otherwise="has no commit yet")
        common = Path(self._ask("rev-parse", "--path-format=absolute", "--git-common-dir", otherwise="is odd"))
        prefix = self._ask("rev-parse", "--show-prefix", otherwise="is odd")
        if self._ask("status", "--porcelain", otherwise="cannot be read"):
            self.notes += ("uncommitted changes are not in it",)
        if self._keep and self.path.exists() and _unfinished(self.path):
            remove(self.workspace, self.path)
        if not self.path.exists():
            self._add()
        found = git.folders(self.path)
        if not found or found[1] != common.resolve():
            raise SandboxError(f"{self.path} is in the way: it is no worktree of {self.workspace}.", "Move it away.")
        self._git = _env(self.path)
        if prefix:
            (self.path / prefix).mkdir(parents=True, exist_ok=True)
            self.files = Tree(self.path / prefix, self.files.hidden)
        self._links = git.links(self.files.root)

    def _add(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._keep:
            self._add_kept()
            return
        known, _, _ = git.call(self.workspace, "show-ref", "--verify", "--quiet", f"refs/heads/{self.branch}")
        where = (str(self.path), self.branch) if known == 0 else ("-b", self.branch, str(self.path), "HEAD")
        self._ask("worktree", "add", "--quiet", *where, otherwise="gives no worktree")

    def _add_kept(self) -> None:
        """All files of a commit on no branch, then the marks that say what it was made of: only then is it done."""
        base, onto = f"refs/heads/{self._base}", ""
        if not self._base or git.run(self.workspace, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}").code:
            base, onto = "HEAD", git.call(self.workspace, "symbolic-ref", "--quiet", "HEAD")[1]
        onto = onto if base == "HEAD" else base
        said = git.run(
            self.workspace, "worktree", "add", "--quiet", "--detach", str(self.path), base, settings=git.WHOLE
        )
        env = _env(self.path)
        if not said.code and onto.strip():
            said = git.run(self.path, "symbolic-ref", ONTO, onto.strip(), env=env)
        if not said.code:
            said = git.run(self.path, "update-ref", "--no-deref", BASE, "HEAD", env=env)
        if said.code:
            raise SandboxError(f"{self.workspace} gives no worktree: {git.explain(said.wrong)}.")

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


def marks(path: Path) -> tuple[str, str]:
    """(commit, branch) a kept worktree was made of, branch "" = none; ("", "") when it is none, or not finished."""
    env = _env(path)
    if not env:
        return "", ""
    base = git.run(path, "rev-parse", "--verify", "--quiet", f"{BASE}^{{commit}}", env=env)
    onto = git.run(path, "symbolic-ref", "--quiet", ONTO, env=env)
    return ("", "") if base.code else (base.words, onto.words.removeprefix("refs/heads/"))


def remove(workspace: Path, path: Path) -> None:
    """Take a worktree away, whatever is in it and however little is left of it; its branch stays. Blocking.

    Raises SandboxError when something of it stays.
    """
    if path.exists() or path.is_symlink():
        # By a program, since children may have nested deeper in it than Python can follow, or locked a folder.
        for words in (["rm", "-rf", "--"], ["chmod", "-R", "u+rwX", "--"], ["rm", "-rf", "--"]):
            if path.exists() or path.is_symlink():
                subprocess.run([*words, str(path)], env=child.clean(Path("/"), Path("/tmp")), capture_output=True)
    if path.exists():
        raise SandboxError(f"The worktree {path} cannot be removed.", "Remove it by hand.")
    listed = git.run(workspace, "worktree", "list", "--porcelain")
    if f"worktree {path}" in listed.out.decode(errors="surrogateescape").split("\n"):
        git.run(workspace, "worktree", "remove", "--force", "--force", str(path))


def _unfinished(path: Path) -> bool:
    """A crash came before anybody worked in it."""
    found = git.folders(path)
    return (not found and not (path / ".git").exists()) or (bool(found) and not marks(path)[0])


def _env(path: Path) -> dict[str, str]:
    found = git.folders(path)
    return {"GIT_DIR": str(found[0]), "GIT_WORK_TREE": str(path)} if found else {}
