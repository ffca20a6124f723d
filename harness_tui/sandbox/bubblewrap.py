"""bubblewrap: each child in namespaces of its own, seeing the system, the workspace and nothing else of the host."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import SandboxError, SetupError
from . import child, git, hidden, view
from .base import Command, Finished, Guarantee, Sandbox
from .tree import Tree

PLACES = ("/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap")
"""Where the program may be: never what a PATH says."""

ISOLATED = (
    "--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try "
    "--die-with-parent --new-session --cap-drop ALL --hostname sandbox"
)
RESOLVER = Path("/etc/resolv.conf")
_KEEPERS: Counter[Path] = Counter()
"""Sandboxes that write, by workspace: the last one to close takes away the place they kept."""


def program(places: Sequence[str] = PLACES) -> str:
    """Its path, or "" where it is not installed."""
    return next((path for path in places if os.access(path, os.X_OK)), "")


def arguments(bwrap: str, mounts: Sequence[view.Mount], command: Command, cwd: Path, *, network: bool) -> list[str]:
    """bubblewrap's own argv for one command in a view."""
    net = [] if network else ["--unshare-net"]
    options = [*ISOLATED.split(), *net, *view.words(mounts), "--chdir", str(cwd)]
    return [bwrap, *options, "--", command.executable, *command.argv[1:]]


class Bubblewrap(Sandbox):
    """Enforced by the kernel for as long as the probe holds (`probe.py`)."""

    kind = "bubblewrap"

    def __init__(
        self,
        workspace: Path,
        *,
        hidden: Collection[Path],
        read: Sequence[Path] = (),
        network: bool = False,
        writable: bool = True,
        asked: str = "bubblewrap",
        notes: tuple[str, ...] = (),
        places: Sequence[str] = PLACES,
    ) -> None:
        """A run's sandbox.

        Args:
            read: further real paths that children may read.
            writable: whether they may write the workspace; no need where all they do is read.
            places: where bubblewrap is looked for.
        """
        self.asked = asked
        self.workspace = workspace
        self.files = Tree(workspace, hidden)
        guarantees: set[Guarantee] = {"writes", "reads", "processes", "controls"}
        self.enforced = frozenset(guarantees if network else {*guarantees, "network"})
        self.notes = notes
        self._read = tuple(read)
        self._network = network
        self._kind: view.Kind = "write" if writable else "read"
        self._links: tuple[Path, ...] = ()
        self._keeps = False
        self._program = program(places)

    @property
    def profile(self) -> str:
        also = f"; reads {', '.join(map(str, self._read))}" if self._read else ""
        return f"{super().profile}; workspace {self._kind}; network {'open' if self._network else 'none'}{also}"

    async def open(self) -> None:
        if not self._program:
            raise SandboxError("bubblewrap is not installed.", "Install the package bubblewrap.")
        self._links = await asyncio.to_thread(git.links, self.workspace)

    async def close(self) -> None:
        await super().close()
        if not self._keeps:
            return
        self._keeps = False
        _KEEPERS[self.workspace] -= 1
        if not _KEEPERS[self.workspace]:  # another run's child may be about to be shown it
            del _KEEPERS[self.workspace]
            with suppress(OSError):
                (self.workspace / ".git").rmdir()  # goes only if it is empty: no repository, perhaps of a killed engine

    async def run(self, command: Command) -> Finished:
        cwd = child.directory(self.workspace, command.cwd, tuple(self.files.hidden))
        home = own_home()
        if self._kind == "write":
            self._keep_place()
        read = [*self._read, *resolver(network=self._network)]
        try:
            mounts = view.narrow(self.workspace, home, read, self.files.hidden, kind=self._kind, links=self._links)
        except OSError as error:
            raise SetupError(f"The workspace {self.workspace} cannot be read: {error.strerror}.") from None
        return await child.run(
            arguments(self._program, mounts, command, cwd, network=self._network),
            executable=self._program,
            cwd=Path("/"),
            env=child.clean(home, Path("/tmp"), command.env),
            deadline=command.deadline,
            gain=True,  # for a set-uid bubblewrap; its own child gains nothing
        )

    def _keep_place(self) -> None:
        """Where there is no repository yet, a child would make one whose settings the operator's git obeys."""
        if not self._keeps:
            self._keeps = True
            _KEEPERS[self.workspace] += 1
        with suppress(OSError):
            (self.workspace / ".git").mkdir()


def own_home() -> Path:
    """Where a child's home is: at the operator's own path, so that what may be read of it is found there, but empty."""
    home = hidden.of_operator()
    return home if len(home.parts) > 1 else Path("/tmp/home")


def resolver(*, network: bool) -> list[Path]:
    """What `/etc/resolv.conf` links to, for children that may use the network."""
    return [Path(os.path.realpath(RESOLVER))] if network and RESOLVER.is_symlink() else []
