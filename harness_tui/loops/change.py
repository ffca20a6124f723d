"""A maker's work as a change: taken from its worktree into one commit on a branch, edited, and let go.

Idempotent: after a crash each of these comes to what it would have come to. All of it blocks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..domain.errors import ApprovalError, HarnessError
from ..domain.events import Change
from ..domain.safetext import safe
from ..sandbox import git, worktree
from .heed import MODULE, flags
from .index import MOST, Entry, Index, index, raw

MOST_ADDED = 64 * 1024 * 1024
"""Bytes of all changed files together, before git is asked to keep them."""
AUTHOR = "harness-tui"
_EMAIL = "loops@harness-tui.invalid"
_BRANCHES = 50
"""Branches of one name that are tried: the first may be the operator's own, or of another home's round."""


class Taken(NamedTuple):
    """What a maker left.

    Attributes:
        change: None = nothing, or nothing that can be offered: see `note`.
        diff: the whole of it, whose SHA-256 is `change.diff`; the blob is the caller's to put.
        flags: sentences, each a reason why it must not be carried out unseen.
    """

    change: Change | None
    diff: bytes = b""
    note: str = ""
    flags: tuple[str, ...] = ()


class _Unfit(Exception):
    """It cannot be offered, and why."""


def take(workspace: Path, path: Path, *, branch: str, message: str, at: int, author: str = AUTHOR) -> Taken:
    """Commit all that the maker left in the kept worktree at `path`, once, on `branch`. Nothing of it is removed.

    New, deleted and changed files, modes and links, as `.gitignore` says; no hook, filter or editor is run.

    Args:
        branch: a number is appended where it is taken by something else.
        message: of the commit; what would steer the terminal of a later `git log` becomes an escape.
        at: us, its date: the round's own, so that taking again gives the same commit.

    Raises HarnessError where there is no worktree, or no repository any more.
    """
    place = git.checkout(workspace)
    base, onto = worktree.marks(path)
    if not base:
        raise HarnessError(f"The worktree {path} of the round is not there any more.", "Run the loop again.")
    with index(place, path) as ix:
        try:
            nested = _stage(ix, base)
            tree = ix.ask("write-tree").words
        except (_Unfit, HarnessError) as error:
            return Taken(None, note=f"What the maker left cannot be taken: {error}")
    with index(place) as ix:
        if tree == ix.tree_of(base):
            return Taken(None, flags=nested)
        diff = ix.diff(base, tree)
        if len(diff) > MOST:
            return Taken(None, note=f"The change is too large to be read: its diff has more than {MOST >> 20} MiB.")
        entries = ix.entries(base, tree)
        # What git reads as another change than the one that is shown must never be offered.
        if ix.applied(base, diff) != tree:
            return Taken(None, note="The change cannot be shown: its diff does not lead to its files.")
        commit = _commit(ix, base, tree, safe(message, newlines=True), (author, _EMAIL, f"@{at // 1_000_000} +0000"))
        held, commit = _hold(ix, branch, base, tree, commit)
        found = (*nested, *flags(ix, entries, tree))
        return Taken(_change(ix, entries, base, onto, held, commit, tree, diff), diff, "", found)


def replace(
    workspace: Path, change: Change, diff: bytes, check: Callable[[bytes], None] = lambda _: None
) -> tuple[Change, bytes]:
    """Put the operator's diff, against the same base, in the place of the change's; on its branch, as a new commit.

    Hunks need not say how many lines they have now.

    Args:
        check: given the whole of it before the branch moves; raises what speaks against it.

    Raises ApprovalError with git's reason when it does not apply or changes nothing, or the branch is not ours now.
    """
    place = git.checkout(workspace)
    with index(place) as ix:
        tree = _edited(ix, change.base, diff)
        if tree == ix.tree_of(change.base):
            raise ApprovalError("The edited diff changes nothing.", "Deny the change instead.")
        said = ix.ask("log", "-1", "--encoding=UTF-8", "--format=%an%n%ae%n%at%n%B", change.commit)
        name, mail, stamp, message = said.out.decode(errors="replace").split("\n", 3)
        commit = _commit(ix, change.base, tree, message.rstrip("\n"), (name, mail, f"@{stamp} +0000"))
        whole = ix.diff(change.base, tree)
        if len(whole) > MOST:
            raise ApprovalError(f"The edited diff has more than {MOST >> 20} MiB.", "Make it smaller.")
        check(whole)
        _move(ix, change, commit)
        entries = ix.entries(change.base, tree)
        return _change(ix, entries, change.base, change.onto, change.branch, commit, tree, whole), whole


def discard(workspace: Path, path: Path) -> None:
    """Take the round's worktree away, whatever is in it. Its branch stays. Raises SandboxError when it stays too."""
    worktree.remove(workspace, path)


def drop(workspace: Path, change: Change) -> None:
    """Delete the branch of a change of which nothing will come; one that moved since, or is checked out, stays."""
    ref = f"refs/heads/{change.branch}"
    with index(git.checkout(workspace)) as ix:
        there = ix.commit_of(ref)
        if _ours(ix, change, there) and not checked_out(ix, change.branch):
            ix.run("update-ref", "-d", ref, there)


def checked_out(ix: Index, branch: str) -> tuple[Path, ...]:
    """Checkouts of the repository in which the operator, or somebody, is on the branch: real paths."""
    found = []
    said = ix.ask("worktree", "list", "--porcelain").out.decode(errors="surrogateescape")
    for block in said.split("\n\n"):
        words = dict(line.partition(" ")[::2] for line in block.split("\n") if line)
        if words.get("branch") == f"refs/heads/{branch}":
            found.append(Path(os.path.realpath(words["worktree"])))
    return tuple(found)


def _stage(ix: Index, base: str) -> tuple[str, ...]:
    """Bring the index from `base` to what lies in the worktree; tells what is a repository of its own, and left out.

    Submodules stay as they are: git would look into them, and obey what it finds there.
    """
    ix.ask("read-tree", base)
    ix.run("update-index", "-q", "--refresh", "--ignore-submodules")
    seen = raw(ix.ask("diff-files", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=all").out)
    others = [each for each in ix.ask("ls-files", "-z", "--others", "--exclude-standard").out.split(b"\0") if each]
    nested = {each.rstrip(b"/") for each in others if each.endswith(b"/")}
    nested |= {each.path for each in seen if each.new == MODULE}
    gone = [each.path for each in seen if each.new in ("000000", MODULE)]
    kept = [each.path for each in seen if each.path not in gone]
    kept += [each for each in others if not each.endswith(b"/")]
    top = os.fsencode(ix.top)
    if sum(os.lstat(os.path.join(top, each)).st_size for each in kept) > MOST_ADDED:
        raise _Unfit(f"its files have more than {MOST_ADDED >> 20} MiB.")
    ix.ask("update-index", "-z", "--force-remove", "--stdin", data=b"".join(each + b"\0" for each in gone))
    ix.ask("update-index", "-z", "--add", "--replace", "--stdin", data=b"".join(each + b"\0" for each in kept))
    names = (each.decode(errors="backslashreplace") for each in sorted(nested))
    return tuple(f"{name} is a repository of its own, which is not in the change." for name in names)


def _commit(ix: Index, base: str, tree: str, message: str, who: tuple[str, str, str]) -> str:
    name, mail, date = who
    env = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    data = message.encode("utf-8", "replace").replace(b"\0", b"") + b"\n"
    return ix.ask("commit-tree", "--no-gpg-sign", "-p", base, tree, data=data, env=env).words


def _hold(ix: Index, branch: str, base: str, tree: str, commit: str) -> tuple[str, str]:
    """(branch, commit): the first of that name that is free, or holds the very same already."""
    for name in (branch, *(f"{branch}-{number}" for number in range(2, _BRANCHES))):
        there = ix.commit_of(f"refs/heads/{name}")
        if not there:
            ix.ask("update-ref", "-m", "harness-tui: a change", f"refs/heads/{name}", commit, "")
            return name, commit
        if ix.ask("log", "-1", "--format=%P %T", there).words == f"{base} {tree}":
            return name, there
    raise HarnessError(f"There are {_BRANCHES} branches called {branch} already.", "Delete those that nobody needs.")


def _move(ix: Index, change: Change, commit: str) -> None:
    ref, there = f"refs/heads/{change.branch}", ix.commit_of(f"refs/heads/{change.branch}")
    if there == commit:
        return
    if there and not _ours(ix, change, there):
        raise ApprovalError(f"The branch {change.branch} was changed by somebody else.", "Deny the change, or land it.")
    if where := checked_out(ix, change.branch):
        raise ApprovalError(f"The branch {change.branch} is checked out in {where[0]}.", "Switch to another one there.")
    said = ix.run("update-ref", "-m", "harness-tui: edited", ref, commit, there)
    if said.code:
        raise ApprovalError(f"The branch {change.branch} was not moved: {git.explain(said.wrong)}.", "Try again.")


def _ours(ix: Index, change: Change, there: str) -> bool:
    """Whether that commit is the change, or an edit of it with which an engine died before it was on record.

    Of an edit all but the files is as it was, who committed it and when too: nobody else's commit is like that.
    """
    if there in ("", change.commit):
        return bool(there)
    form = "--format=%P%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%B"
    one, other = (ix.run("log", "-1", "--encoding=UTF-8", form, each) for each in (there, change.commit))
    return one.code == other.code == 0 and one.out == other.out


def _edited(ix: Index, base: str, diff: bytes) -> str:
    """Always counted anew: by the old counts git would leave out, without a word, what an edit has added to a hunk."""
    try:
        return ix.applied(base, diff, "--recount")
    except HarnessError as error:
        reason = error.what.removeprefix("git apply: ")
    try:
        return ix.applied(base, diff.rstrip(b"\n") + b"\n", "--recount")  # an editor's blank lines at the end
    except HarnessError:
        what = f"The edited diff does not apply to {base[:12]}: {reason}"
        raise ApprovalError(what, "Nothing was changed; edit it again.") from None


def _change(
    ix: Index, entries: list[Entry], base: str, onto: str, branch: str, commit: str, tree: str, diff: bytes
) -> Change:
    added, removed = ix.lines(base, tree)
    files = tuple(sorted(entry.name for entry in entries))
    return Change(base, onto, branch, commit, tree, hashlib.sha256(diff).hexdigest(), files, added, removed)
