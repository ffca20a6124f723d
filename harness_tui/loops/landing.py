"""A change put where the operator wants it: all of it or nothing, and never over work that is not committed.

Only what was shown lands: the diff that was decided on is applied to its base anew, and must lead to the tree that is
put there. All of it but `lock` and `whole` blocks.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
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
from .heed import NONE, filtered
from .index import Entry, Index, index
from .keep import kept

T = TypeVar("T")
PATIENCE = 900.0
"""Seconds an action waits for another one on its workspace."""
POLL = 0.05
_PATHS = 200
"""Paths in one call of git."""
_BUSY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}
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
    place = git.checkout(workspace)
    branch = target or change.onto
    if not branch:
        raise HarnessError("The change is based on no branch, so it cannot say where it lands.", "Set [action] branch.")
    if branch.startswith("-") or " " in branch or not branch.isprintable():
        raise UsageError(f"{branch!r} is no name of a branch.", "Set another [action] branch.")
    ref = f"refs/heads/{branch}"
    with index(place) as ix:
        entries = _proven(ix, change, diff)
        tip = ix.commit_of(ref)
        where = checked_out(ix, branch)
        here = place.top in where
        if tip and contains(ix, tip, change.commit):
            return Landed(ref, change.base, change.commit, here, place.top)
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
            _filterless(ix, entries, change, "git merge --ff-only " + change.branch)
    reason = f"harness-tui: {change.branch}"
    with Moving(place, ref, new=change.commit, old=tip, reason=reason) as moving:
        if not here:
            moving.commit()
        else:
            _follow(place, change, entries)
            try:
                moving.commit()
            except HarnessError:
                _read_tree(place, change.commit, change.base)
                raise
    return Landed(ref, tip, change.commit, here, place.top)


def landed(workspace: Path, change: Change, target: str = "") -> bool:
    """Whether the branch holds the change's commit. Raises HarnessError when nobody can tell."""
    with index(git.checkout(workspace)) as ix:
        if not ix.commit_of(change.base):
            raise HarnessError(f"The commit {change.base[:12]} is not there any more.")
        tip = ix.commit_of(f"refs/heads/{target or change.onto}")
        return bool(tip) and contains(ix, tip, change.commit)


def _follow(place: git.Checkout, change: Change, entries: Sequence[Entry]) -> None:
    """Bring index and files from the base to the commit. Raises HarnessError before anything is touched."""
    paths = [os.fsdecode(entry.path) for entry in entries]
    if _staged_as_in(place, change.commit, paths) and _as_in(place, change.commit, paths):
        return  # a killed process had come as far as that
    _untouched(place, entries, paths)
    if said := _read_tree(place, change.base, change.commit):
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
    place = git.checkout(workspace)
    with index(place) as ix:
        entries = _proven(ix, change, diff)
        _filterless(ix, entries, change, f"git cherry-pick --no-commit {change.branch}")
    paths = [os.fsdecode(entry.path) for entry in entries]
    _untouched(place, entries, paths)
    if why := _refused(place, diff, "--check"):
        raise HarnessError(
            f"The change does not apply to the files in {place.top}: {why}.",
            "Push it back, so that it is made anew on what is there now.",
        )
    with kept(place.top, paths) as restore:
        if why := _refused(place, diff):
            restore()
            raise HarnessError(f"The change could not be written to {place.top}: {why}.", "Nothing of it was kept.")
    return place.top


def applied(workspace: Path, change: Change, diff: bytes) -> bool | None:
    """Whether the files hold the change; None when they hold neither it nor what it was made of."""
    place = git.checkout(workspace)
    with index(place) as ix:
        paths = [os.fsdecode(entry.path) for entry in ix.entries(change.base, change.tree)]
    if _as_in(place, change.commit, paths):
        return True
    if _as_in(place, change.base, paths):
        return False
    forward, backward = (not _refused(place, diff, "--check", *way) for way in ((), ("--reverse",)))
    return backward if forward != backward else None


def _refused(place: git.Checkout, diff: bytes, *options: str) -> str:
    said = git.run(place.top, "apply", "--binary", *options, "-", env=place.env, data=diff)
    return git.explain(said.wrong) if said.code else ""


# -- what must hold ------------------------------------------------------------------------------------------------


def _proven(ix: Index, change: Change, diff: bytes) -> list[Entry]:
    """The entries of the change. Raises HarnessError unless the diff that was shown leads from base to commit."""
    if hashlib.sha256(diff).hexdigest() != change.diff:
        raise HarnessError("The diff is not the one that was decided on.", "Look at the change again.")
    if not ix.commit_of(change.commit):
        raise HarnessError(f"The commit {change.commit[:12]}, which held the change, is gone.", "Run the loop again.")
    held = ix.ask("log", "-1", "--format=%P %T", change.commit).words
    if held != f"{change.base} {change.tree}" or ix.applied(change.base, diff) != change.tree:
        raise HarnessError(f"The commit {change.commit[:12]} is not what was shown.", "Look at the change again.")
    return ix.entries(change.base, change.tree)


def _filterless(ix: Index, entries: Sequence[Entry], change: Change, by_hand: str) -> None:
    if found := filtered(ix, entries, change.tree):
        raise HarnessError(found[0], f"Do it by hand: {by_hand}")


def _untouched(place: git.Checkout, entries: Sequence[Entry], paths: Sequence[str]) -> None:
    """Raises HarnessError when the operator is at work on one of the paths, or in the middle of something."""
    if busy := next((what for name, what in _BUSY.items() if (place.dir / name).exists()), ""):
        raise HarnessError(f"In {place.top} {busy} is not finished.", "Finish or abort it, then try again.")
    dirty = []
    for some in _chunks(paths):
        said = git.run(
            place.top,
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--",
            *some,
            env=place.env,
        )
        if said.code:
            raise HarnessError(f"git status in {place.top}: {git.explain(said.wrong)}.")
        dirty += [each[3:] for each in said.out.decode(errors="backslashreplace").split("\0") if each]
    fresh = [path for entry, path in zip(entries, paths, strict=True) if entry.old == NONE]
    dirty += [path for path in fresh if os.path.lexists(place.top / path) and path not in dirty]
    if dirty:
        more = f" and {len(dirty) - 1} more" if len(dirty) > 1 else ""
        raise HarnessError(
            f"{dirty[0]}{more} in {place.top} holds work that is not committed.", "Commit or stash it, then try again."
        )


def _as_in(place: git.Checkout, commit: str, paths: Sequence[str]) -> bool:
    """Whether the files at these paths are as in a commit, whatever is staged; what it has not must not be there."""
    with index(place, place.top) as ix:
        for some in _chunks(paths):
            listed = ix.ask("ls-tree", "-r", "-z", "--full-tree", commit, "--", *some).out
            ix.ask("update-index", "-z", "--index-info", data=listed)
        ix.run("update-index", "-q", "--refresh")
        if ix.ask("diff-files", "-z", "--name-only", "--ignore-submodules=all").out:
            return False
        return not any(ix.ask("ls-files", "-z", "--others", "--", *some).out for some in _chunks(paths))


def _staged_as_in(place: git.Checkout, commit: str, paths: Sequence[str]) -> bool:
    words = ("diff-index", "--cached", "--name-only", "-z", "--no-renames", commit, "--")
    said = [git.run(place.top, *words, *some, env=place.env) for some in _chunks(paths)]
    return not any(each.code or each.out for each in said)


def _chunks(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    return (paths[at : at + _PATHS] for at in range(0, len(paths), _PATHS))
