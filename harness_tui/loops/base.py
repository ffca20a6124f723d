"""A change held against what its branch is now: before it is decided on, and after it has landed. All of it blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from ..domain.errors import HarnessError, SandboxError
from ..domain.events import Change, Receipt
from ..sandbox import git
from .index import Index, index


class Base(NamedTuple):
    """Where the branch a change is for stands now.

    Attributes:
        state: landed: the change is in it; gone: the branch, or the commit that holds the change, is not there.
        text: the same, as a clause without a full stop.
    """

    state: Literal["unmoved", "moved", "gone", "landed"]
    text: str


def look(workspace: Path, change: Change, *, target: str = "") -> Base:
    """`target`: another branch than `change.onto` it is to land on; one that does not exist yet will be made."""
    try:
        place = git.checkout(workspace)
        with index(place) as ix:
            return _look(ix, change, target)
    except (SandboxError, HarnessError) as error:
        return Base("gone", error.what.rstrip("."))


def _look(ix: Index, change: Change, target: str) -> Base:
    branch = target or change.onto
    name, ref = (branch, f"refs/heads/{branch}") if branch else ("HEAD", "HEAD")
    if not ix.commit_of(change.commit) or not ix.commit_of(change.base):
        return Base("gone", f"the commit {change.commit[:12]}, which held the change, is not there any more")
    tip = ix.commit_of(ref)
    if not tip and target and target != change.onto:
        return Base("unmoved", f"{name} does not exist yet")
    if not tip:
        return Base("gone", f"the branch {name} is not there any more")
    short = change.base[:12]
    if tip == change.base:
        return Base("unmoved", f"{name} is still at {short}")
    if contains(ix, tip, change.commit):
        return Base("landed", f"the change is in {name} already")
    diff = ix.diff(change.base, change.tree)
    why = _fails(ix, tip, diff)
    if why and not _fails(ix, tip, diff, "--reverse"):
        return Base("landed", f"what the change does is in {name} already")
    fate = f"the change no longer applies to it ({why})" if why else "the change would still apply to it"
    if not contains(ix, tip, change.base):
        return Base("moved", f"{name} was rewritten, {short} is no longer in it, and {fate}")
    ahead = int(ix.ask("rev-list", "--count", f"{change.base}..{tip}").words)
    return Base("moved", f"{name} moved on by {ahead} commit{'' if ahead == 1 else 's'}, and {fate}")


def contains(ix: Index, tip: str, commit: str) -> bool:
    return ix.run("merge-base", "--is-ancestor", commit, tip).code == 0


def _fails(ix: Index, tip: str, diff: bytes, *options: str) -> str:
    """Why the diff does not apply to a commit, or ""."""
    ix.ask("read-tree", tip)
    said = ix.run("apply", "--cached", "--check", "--binary", *options, "-", data=diff)
    return git.explain(said.wrong) if said.code else ""


def rolled_back(workspace: Path, receipt: Receipt) -> str:
    """How what a commit's receipt tells was taken back since, as a clause; "" while it was not, or nobody can tell."""
    if not receipt.ref or not receipt.after:
        return ""
    try:
        with index(git.checkout(workspace)) as ix:
            return _rolled_back(ix, receipt)
    except HarnessError:
        return ""


def _rolled_back(ix: Index, receipt: Receipt) -> str:
    name, short = receipt.ref.removeprefix("refs/heads/"), receipt.after[:12]
    tip = ix.commit_of(receipt.ref)
    if not tip:
        return f"the branch {name} was deleted"
    if not contains(ix, tip, receipt.after):
        return f"{short} is no longer in {name}"
    said = f"This reverts commit {receipt.after}"
    words = ("--fixed-strings", f"--grep={said}", "--max-count=1", "--format=%H", f"{receipt.after}..{tip}")
    by = ix.ask("log", *words).words
    return f"{by[:12]} on {name} reverts it" if by else ""
