"""Git with an index of our own: nothing that the operator, or an agent, has staged or marked in theirs counts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..domain.errors import HarnessError
from ..sandbox import git
from ..sandbox.refs import IDENTITY

MOST = 4 * 1024 * 1024
"""Bytes of a diff that somebody is to read."""
_PATCH = """
-p --binary --full-index --no-renames --no-color --src-prefix=a/ --dst-prefix=b/ --unified=3 --inter-hunk-context=0
--diff-algorithm=myers --indent-heuristic -O/dev/null --ignore-submodules=none
"""


class Entry(NamedTuple):
    """One path that differs. Attributes: old, new: modes as git writes them, "000000" = not there."""

    path: bytes
    old: str
    new: str
    blob: str

    @property
    def name(self) -> str:
        """For people and for rules: what is no UTF-8 in it is escaped."""
        return self.path.decode(errors="backslashreplace")


class Index:
    """A temporary index of a repository, over the files at `top` or over none. Blocking."""

    def __init__(self, place: git.Checkout, folder: Path, top: Path | None) -> None:
        self.place = place
        # Without files no `.gitattributes` has a say: not on what is shown as text, and not on what is compared.
        self.top = top or folder
        self.env = {
            **IDENTITY,
            "GIT_DIR": str(place.dir),
            "GIT_WORK_TREE": str(self.top),
            "GIT_INDEX_FILE": str(folder / ".index"),
        }

    def run(self, *args: str, data: bytes = b"", env: Mapping[str, str] | None = None, most: int = 1 << 28) -> git.Said:
        more = {**self.env, **(env or {})}
        return git.run(self.top, *args, env=more, data=data, most=most, settings=git.WHOLE)

    def ask(self, *args: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> git.Said:
        """Raises HarnessError with git's reason."""
        said = self.run(*args, data=data, env=env)
        if said.code:
            raise HarnessError(f"git {args[0]}: {git.explain(said.wrong)}.")
        return said

    def commit_of(self, name: str) -> str:
        """The commit a revision names, or ""."""
        said = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return "" if said.code else said.words

    def tree_of(self, name: str) -> str:
        return self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}").words

    def entries(self, old: str, new: str) -> list[Entry]:
        """Paths in which two trees differ, sorted by git."""
        return raw(self.ask("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new).out)

    def lines(self, old: str, new: str) -> tuple[int, int]:
        """Lines (added, removed); binary files count as none."""
        said = self.ask("diff-tree", "-r", "-z", "--numstat", "--no-renames", old, new).out
        counts = [each.split(b"\t", 2)[:2] for each in said.split(b"\0") if each]
        added, removed = (sum(int(each[at]) for each in counts if each[at].isdigit()) for at in (0, 1))
        return added, removed

    def diff(self, old: str, new: str) -> bytes:
        """The whole difference, as git applies it; more than MOST bytes when it is too long to be read."""
        said = self.run("diff-tree", "-r", *_PATCH.split(), old, new, most=MOST)
        if said.code and len(said.out) <= MOST:
            raise HarnessError(f"git diff-tree: {git.explain(said.wrong)}.")
        return said.out

    def applied(self, base: str, diff: bytes, *options: str) -> str:
        """The tree that `diff` makes of `base`. Raises HarnessError with git's reason."""
        self.ask("read-tree", base)
        self.ask("apply", "--cached", "--binary", *options, "-", data=diff)
        return self.ask("write-tree").words


def raw(out: bytes) -> list[Entry]:
    """What `--raw -z` of git says."""
    words = out.split(b"\0")
    found = []
    for head, path in zip(words[::2], words[1::2], strict=False):
        old, new, _, blob, _ = head.decode().removeprefix(":").split(" ")
        found.append(Entry(path, old, new, blob))
    return found


@contextmanager
def index(place: git.Checkout, top: Path | None = None) -> Iterator[Index]:
    """`top`: the files it stands over; None = none."""
    with tempfile.TemporaryDirectory(prefix="harness-index-") as folder:
        yield Index(place, Path(folder), top)
