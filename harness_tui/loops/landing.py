"""A change put where the operator wants it: all of it or nothing, and never over work that is not committed.

All of it but `lock` and `whole` blocks.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from ..domain.errors import HarnessError, SandboxError, SetupError, UsageError
from ..domain.events import Change
from ..sandbox import git
from ..sandbox.refs import IDENTITY, Moving
from .base import contains
from .change import checked_out
from .ground import as_in, filterless, proven, staged_as_in, untouched
from .index import Entry, index
from .keep import kept

T = TypeVar("T")
PATIENCE = 900.0
"""Seconds an action waits for another one on its workspace."""
POLL = 0.05
_waiting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def lock(
    workspace: Path, home: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Hold a workspace, by its repository or else its real path, against every other action, of other processes too.

    Raises HarnessError after PATIENCE; SetupError when the home cannot hold a lock.
    """
    key = await asyncio.to_thread(_key, workspace)
    mine = _waiting.setdefault(key, asyncio.Lock())
    async with mine:
        descriptor = _lock_file(home, key)
        try:
            for _ in range(int(PATIENCE / POLL)):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await sleep(POLL)
            else:
                raise HarnessError(f"Another action is still at work on {workspace}.", "Try again when it has ended.")
            yield
        finally:
            os.close(descriptor)


async def whole(work: Callable[[], T]) -> T:
    """What it returns, from a thread. Cancelled, this ends only when that has: nobody walks away from half of it."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _key(workspace: Path) -> str:
    real = os.path.realpath(workspace)
    try:
        return str(git.checkout(Path(real)).common)
    except SandboxError:
        return real


def _lock_file(home: Path, key: str) -> int:
    folder = home / "locks"
    path = folder / f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.lock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SetupError(f"Cannot open the lock {path}: {error.strerror}.") from None


# -- on a branch ---------------------------------------------------------------------------------------------------


class Landed(NamedTuple):
    """Attributes: ref: full; before: "" = it was made; here: it is checked out in the workspace, which followed."""

    ref: str
    before: str
    after: str
    here: bool
    top: Path


def commit(workspace: Path, change: Change, diff: bytes, target: str = "") -> Landed:
    """Move the branch `target` (or the one the change is based on) from the base to the change's commit, or make it.

    Where it is checked out in the workspace, its files follow, as in a fast-forward. Killed half-way it can simply be
    done again.

    Raises HarnessError with the reason; then nothing has changed.
    """
    place, ref, tip, here, entries = _way(workspace, change, diff, target)
    if not entries:
        return Landed(ref, change.base, change.commit, here, place.top)
    reason = f"harness-tui: {change.branch}"
    with Moving(place, ref, new=change.commit, old=tip, reason=reason) as moving:
        if here:
            _follow(place, change, entries)
        try:
            moving.commit()
        except HarnessError:
            if here:
                _read_tree(place, change.commit, change.base)
            raise
    return Landed(ref, tip, change.commit, here, place.top)


class _Way(NamedTuple):
    """Attributes: tip: of the branch, "" = it will be made; entries: () = it holds the change already."""

    place: git.Checkout
    ref: str
    tip: str
    here: bool
    entries: Sequence[Entry]


def _way(workspace: Path, change: Change, diff: bytes, target: str) -> _Way:
    """How the change gets on the branch. Raises HarnessError when it cannot."""
    place = git.checkout(workspace)
    branch = target or change.onto
    if not branch:
        raise HarnessError("The change is based on no branch, so it cannot say where it lands.", "Set [action] branch.")
    if branch.startswith("-") or " " in branch or not branch.isprintable():
        raise UsageError(f"{branch!r} is no name of a branch.", "Set another [action] branch.")
    ref = f"refs/heads/{branch}"
    with index(place) as ix:
        entries = proven(ix, change, diff)
        tip, where = ix.commit_of(ref), checked_out(ix, branch)
        here = place.top in where
        if tip and contains(ix, tip, change.commit):
            return _Way(place, ref, tip, here, ())
        if not tip and not target:
            raise HarnessError(f"The branch {branch} is not there any more.", "Set [action] branch, or make it again.")
        if tip and tip != change.base:
            raise HarnessError(
                f"{branch} is no longer at {change.base[:12]}, which the change was made on, but at {tip[:12]}.",
                "Push the change back, so that it is made anew on what is there now.",
            )
        if elsewhere := [each for each in where if each != place.top]:
            raise HarnessError(
                f"{branch} is checked out in {elsewhere[0]}, whose files would no longer be its own.",
                f"Merge it there: git -C {elsewhere[0]} merge --ff-only {change.branch}",
            )
        if here:
            filterless(ix, entries, change, "git merge --ff-only " + change.branch)
    if here:
        _may_follow(place, change, entries)
    return _Way(place, ref, tip, here, entries)


def hindrance(workspace: Path, change: Change, diff: bytes, do: str, target: str = "") -> str:
    """Why a patch or a commit could not be done now, with what to do about it; "" when nothing stands in its way."""
    try:
        if do == "commit":
            _way(workspace, change, diff, target)
        elif do == "patch":
            _fit(workspace, change, diff)
    except HarnessError as error:
        return str(error)
    return ""


def landed(workspace: Path, change: Change, target: str = "") -> bool:
    """Whether the branch holds the change's commit. Raises HarnessError when nobody can tell."""
    with index(git.checkout(workspace)) as ix:
        if not ix.commit_of(change.base):
            raise HarnessError(f"The commit {change.base[:12]} is not there any more.")
        tip = ix.commit_of(f"refs/heads/{target or change.onto}")
        return bool(tip) and contains(ix, tip, change.commit)


def _may_follow(place: git.Checkout, change: Change, entries: Sequence[Entry]) -> bool:
    """Whether the files are still to follow: a killed process may have come as far. Raises HarnessError."""
    paths = [os.fsdecode(entry.path) for entry in entries]
    if staged_as_in(place, change.commit, paths) and as_in(place, change.commit, paths):
        return False
    untouched(place, entries, paths)
    return True


def _follow(place: git.Checkout, change: Change, entries: Sequence[Entry]) -> None:
    """Bring index and files from the base to the commit. Raises HarnessError before anything is touched."""
    said = _read_tree(place, change.base, change.commit) if _may_follow(place, change, entries) else ""
    if said:
        raise HarnessError(
            f"The files of {place.top} cannot follow: {said}.", "Commit or move away what is in the way."
        )


def _read_tree(place: git.Checkout, old: str, new: str) -> str:
    said = git.run(place.top, "read-tree", "-m", "-u", old, new, env={**IDENTITY, **place.env})
    return git.explain(said.wrong) if said.code else ""


# -- in the files --------------------------------------------------------------------------------------------------


def apply(workspace: Path, change: Change, diff: bytes) -> Path:
    """Apply the change to the files of the checkout, nothing staged; tells where its top is.

    Raises HarnessError with the reason; then nothing has changed.
    """
    place, paths = _fit(workspace, change, diff)
    with kept(place.top, paths) as restore:
        if why := _refused(place, diff):
            restore()
            raise HarnessError(f"The change could not be written to {place.top}: {why}.", "Nothing of it was kept.")
    return place.top


def _fit(workspace: Path, change: Change, diff: bytes) -> tuple[git.Checkout, list[str]]:
    """Where it applies, and to which paths. Raises HarnessError when it does not."""
    place = git.checkout(workspace)
    with index(place) as ix:
        entries = proven(ix, change, diff)
        filterless(ix, entries, change, f"git cherry-pick --no-commit {change.branch}")
    paths = [os.fsdecode(entry.path) for entry in entries]
    untouched(place, entries, paths)
    if why := _refused(place, diff, "--check"):
        raise HarnessError(
            f"The change does not apply to the files in {place.top}: {why}.",
            "Push it back, so that it is made anew on what is there now.",
        )
    return place, paths


def applied(workspace: Path, change: Change, diff: bytes) -> bool | None:
    """Whether the files hold the change; None when they hold neither it nor what it was made of."""
    place = git.checkout(workspace)
    with index(place) as ix:
        paths = [os.fsdecode(entry.path) for entry in ix.entries(change.base, change.tree)]
    if as_in(place, change.commit, paths):
        return True
    if as_in(place, change.base, paths):
        return False
    forward, backward = (not _refused(place, diff, "--check", *way) for way in ((), ("--reverse",)))
    return backward if forward != backward else None


def _refused(place: git.Checkout, diff: bytes, *options: str) -> str:
    said = git.run(place.top, "apply", "--binary", *options, "-", env=place.env, data=diff)
    return git.explain(said.wrong) if said.code else ""
