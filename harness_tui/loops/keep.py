"""Files as they were, held in memory while git writes over them, so that a write that fails leaves nothing behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

MOST = 256 * 1024 * 1024
"""Bytes of all files together; above that none is held, and git alone sees to it."""

_Was = tuple[int, bytes] | None


@contextmanager
def kept(top: Path, paths: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Yields what puts the files (relative to `top`) back as they were. Best effort: it never raises."""
    was: dict[Path, _Was] = {}
    room = MOST
    for path in paths:
        was[top / path] = found = _look(top / path)
        room -= len(found[1]) if found else 0
        if room < 0:
            was.clear()
            break
    yield lambda: _restore(top, was)


def _look(path: Path) -> _Was:
    try:
        seen = os.lstat(path)
        if stat.S_ISLNK(seen.st_mode):
            return seen.st_mode, os.fsencode(os.readlink(path))
        return (seen.st_mode, path.read_bytes()) if stat.S_ISREG(seen.st_mode) else None
    except OSError:
        return None


def _restore(top: Path, was: dict[Path, _Was]) -> None:
    for path, before in was.items():
        if _look(path) == before:
            continue
        with suppress(OSError):
            path.unlink(missing_ok=True)
            if before is None:
                _prune(path.parent, top)
                continue
            mode, data = before
            path.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(mode):
                os.symlink(data, os.fsencode(path))
            else:
                path.write_bytes(data)
                path.chmod(stat.S_IMODE(mode))


def _prune(folder: Path, top: Path) -> None:
    """Folders that were made for files that are gone again."""
    while folder != top and folder.is_relative_to(top):
        with suppress(OSError):
            folder.rmdir()
            folder = folder.parent
            continue
        return
