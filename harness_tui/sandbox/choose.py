"""From what a task asks for to the sandbox it gets, or a refusal: never less without a word."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import get_args

from ..domain.errors import SandboxError
from ..domain.task import Level, SandboxTable
from . import bubblewrap, hidden
from .base import Guarantee, Sandbox, needed
from .bubblewrap import Bubblewrap
from .container import Container
from .none import NoSandbox
from .probe import Probe, probe
from .worktree import Worktree

ELSEWHERE = "Start it in the directory of a project."


def choose(
    table: SandboxTable,
    workspace: Path,
    *,
    state: Sequence[Path],
    scratch: Path,
    run: str,
    level: Level,
    acts: bool,
    keep: bool = False,
    base: str = "",
) -> Sandbox:
    """The sandbox of one run, not yet open. Blocking the first time in a process, while the probes run.

    "auto" is bubblewrap where it works. At L1 and L2 what does not work becomes none, and its notes say so.

    Args:
        workspace: the operator's directory.
        state: this program's own folders, the home first; below that one worktrees are made.
        scratch: holds temporary directories of runs.
        run: the run's id, or the name of the round it belongs to.
        acts: whether the run has a tool that starts children or writes.
        keep: it belongs to a round, whose worktree stays until the round is over.
        base: branch that such a worktree is made of, if there is one.

    Raises SandboxError: L3 and the sandbox asked for does not work, or acts without being held in; a workspace that is
    no place to write in.
    """
    workspace = Path(os.path.realpath(workspace))
    homes = [Path(os.path.realpath(path)) for path in state]
    notes = _place(workspace, homes, acts=acts)
    unseen = _unseen((*homes, scratch), int(time.monotonic()))
    read, missing = _readable(table.read, homes)
    notes += missing
    wanted = "bubblewrap" if table.kind == "auto" else table.kind
    tried = probe(wanted, image=table.image) if wanted == "container" else probe(wanted)
    if not tried.ok and table.kind != "auto" and level == "L3":
        raise SandboxError(f"The sandbox {table.kind} was asked for. {tried.detail}", tried.remedy)
    own, writable = scratch / run, level != "L1" and workspace != Path("/")
    made: Sandbox
    if not tried.ok:
        said = tried.detail if table.kind == "auto" else f"asked {table.kind}, enforced none: {tried.detail}"
        made = NoSandbox(workspace, scratch=own, hidden=unseen, asked=table.kind, notes=(said, *notes))
    elif wanted == "bubblewrap":
        made = Bubblewrap(
            workspace,
            hidden=unseen,
            read=read,
            network=table.network,
            writable=writable,
            asked=table.kind,
            notes=tuple(notes),
        )
    elif wanted == "container":
        made = Container(workspace, table.image, hidden=unseen, read=read, network=table.network, notes=tuple(notes))
    elif wanted == "worktree":
        held = probe("bubblewrap" if keep else "wide")
        tried = tried if held.ok else held
        made = Worktree(
            workspace,
            folder=homes[0] / "worktrees",
            run=run,
            scratch=own,
            hidden=unseen,
            read=read,
            network=table.network,
            writable=writable,
            keep=keep,
            base=base,
            bwrap=bubblewrap.program() if held.ok else "",
            notes=tuple(notes),
        )
    else:
        made = NoSandbox(workspace, scratch=own, hidden=unseen, asked=table.kind, notes=tuple(notes))
    if level == "L3" and acts:
        _hold(made, table, tried)
    return made


@lru_cache(maxsize=8)
def _unseen(state: tuple[Path, ...], second: int) -> tuple[Path, ...]:
    """What no child sees, looked up once in a `second`: a hundred loops may be due in the same one."""
    return hidden.paths(state)


def _hold(made: Sandbox, table: SandboxTable, tried: Probe) -> None:
    missing = needed(network=table.network) - made.enforced
    if lacking := [each for each in get_args(Guarantee) if each in missing]:
        step = tried.remedy or "Set [sandbox] kind to bubblewrap or container, or run it at L2."
        cause = "" if tried.ok else f" {tried.detail}"
        raise SandboxError(
            f"L3 acts inside an enforced sandbox only, and {made.kind} does not enforce {', '.join(lacking)}.{cause}",
            step,
        )


def _place(workspace: Path, state: Sequence[Path], *, acts: bool) -> list[str]:
    """Notes on where it is. Raises SandboxError where nothing may be written."""
    if acts and workspace == Path("/"):
        raise SandboxError("/ is the whole machine, and no workspace for tools that write.", ELSEWHERE)
    if acts and any(workspace.is_relative_to(path) for path in state):
        raise SandboxError(f"{workspace} belongs to this program's own state, and is no workspace.", ELSEWHERE)
    notes = []
    if workspace == hidden.of_operator():
        notes.append("the workspace is your whole home")
    if any(path.is_relative_to(workspace) for path in state):
        notes.append("this program's state lies in the workspace, hidden")
    return notes


def _readable(named: Sequence[str], state: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """(real paths that are there, notes on the others). Raises SandboxError for this program's own state."""
    home = hidden.of_operator()
    found, notes = [], []
    for name in named:
        path = home / name[2:] if name.startswith("~/") else home if name == "~" else Path(name)
        real = Path(os.path.realpath(path))
        if not path.is_absolute():
            raise SandboxError(f"[sandbox] read {name!r} is not an absolute path.", "Begin it with / or ~/.")
        if any(real.is_relative_to(each) for each in state):
            raise SandboxError(f"{name} is this program's own state, which no child reads.", "Take it out of read.")
        if real.exists():
            found.append(real)
        else:
            notes.append(f"{name} is not there to be read")
    return found, notes
