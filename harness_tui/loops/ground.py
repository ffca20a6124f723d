"""What must hold before a change is put where the operator works: it is what was shown, and no work is in its way.

Only what was shown lands: the diff that was decided on is applied to its base anew, and must lead to the tree that is
put there. All of it blocks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence

from ..domain.errors import HarnessError
from ..domain.events import Change
from ..sandbox import git
from .heed import NONE, filtered
from .index import Entry, Index, index

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


def proven(ix: Index, change: Change, diff: bytes) -> list[Entry]:
    """The entries of the change. Raises HarnessError unless the diff that was shown leads from base to commit."""
    if hashlib.sha256(diff).hexdigest() != change.diff:
        raise HarnessError("The diff is not the one that was decided on.", "Look at the change again.")
    if not ix.commit_of(change.commit):
        raise HarnessError(f"The commit {change.commit[:12]}, which held the change, is gone.", "Run the loop again.")
    held = ix.ask("log", "-1", "--format=%P %T", change.commit).words
    if held != f"{change.base} {change.tree}" or ix.applied(change.base, diff) != change.tree:
        raise HarnessError(f"The commit {change.commit[:12]} is not what was shown.", "Look at the change again.")
    return ix.entries(change.base, change.tree)


def filterless(ix: Index, entries: Sequence[Entry], change: Change, by_hand: str) -> None:
    """Raises HarnessError where the operator's git would write other bytes than we do, naming what to do `by_hand`."""
    if found := filtered(ix, entries, change.tree):
        raise HarnessError(found[0], f"Do it by hand: {by_hand}")


def untouched(place: git.Checkout, entries: Sequence[Entry], paths: Sequence[str]) -> None:
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


def as_in(place: git.Checkout, commit: str, paths: Sequence[str]) -> bool:
    """Whether the files at these paths are as in a commit, whatever is staged; what it has not must not be there."""
    with index(place, place.top) as ix:
        for some in _chunks(paths):
            listed = ix.ask("ls-tree", "-r", "-z", "--full-tree", commit, "--", *some).out
            ix.ask("update-index", "-z", "--index-info", data=listed)
        ix.run("update-index", "-q", "--refresh")
        if ix.ask("diff-files", "-z", "--name-only", "--ignore-submodules=all").out:
            return False
        return not any(ix.ask("ls-files", "-z", "--others", "--", *some).out for some in _chunks(paths))


def staged_as_in(place: git.Checkout, commit: str, paths: Sequence[str]) -> bool:
    words = ("diff-index", "--cached", "--name-only", "-z", "--no-renames", commit, "--")
    said = [git.run(place.top, *words, *some, env=place.env) for some in _chunks(paths)]
    return not any(each.code or each.out for each in said)


def _chunks(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    return (paths[at : at + _PATHS] for at in range(0, len(paths), _PATHS))
