"""Which file a program's name stands for: looked up in the system's directories alone, and pinned.

Never on the operator's PATH, never in the workspace, never in `.`; so nothing that an agent can write becomes `ls`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
"""Those of a child's PATH come first, in its order, so that bash finds the same file."""


class Executable(NamedTuple):
    """One file as it is now. `path`: as found; `real`: links resolved; `modified`: ns since the epoch."""

    path: str
    real: str
    device: int
    inode: int
    size: int
    modified: int

    def __str__(self) -> str:
        """Its path, and 12 digits that change when it is another file, or was written."""
        facts = f"{self.path} {self.device} {self.inode} {self.size} {self.modified}"
        return f"{self.real} #{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def find(name: str) -> Executable | None:
    """The file behind a bare name, or behind an absolute path into those directories; None when there is none."""
    directory, _, base = name.rpartition("/")
    if base in ("", ".", "..") or ("/" in name and directory not in DIRECTORIES) or "\0" in name:
        return None
    for folder in (directory,) if directory else DIRECTORIES:
        if found := _look(f"{folder}/{base}"):
            return found
    return None


def _look(path: str) -> Executable | None:
    try:
        real = os.path.realpath(path, strict=True)
        seen = os.stat(real)
    except OSError:
        return None
    if not stat.S_ISREG(seen.st_mode) or not os.access(real, os.X_OK):
        return None
    return Executable(path, real, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)


def named(words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A command as rules see it: by the program's name.

    `/usr/bin/rm x` is `rm x`. Of any other path both are judged: it is denied as `rm`, and never allowed as `rm` alone.
    """
    base = words[0].rpartition("/")[2]
    if not base or base == words[0]:
        return (words,)
    by_name = (base, *words[1:])
    named_so = find(words[0])
    return (by_name,) if named_so and named_so == find(base) else (words, by_name)
