"""Files beneath one root, reached by descriptors only: no `..`, link or swap during a call leads out of it."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from ..domain.errors import HarnessError


class Escape(HarnessError):
    """A path leaves the root, or is none that tools may touch."""


class Tree:
    """The workspace as file tools see it. Blocking; call it off the event loop. Opened at first use.

    Paths are relative to the root, `/` between parts. Every method raises Escape for a path that leaves the root (`..`,
    absolute, `~`, a URL, a link on the way, a mount), that is hidden, or that is no regular file or directory where one
    is needed (FIFOs, devices, sockets), and OSError for everything the file system says.

    Attributes:
        root: absolute and real.
        hidden: absolute paths that do not exist for tools (the state folder, the socket's).
    """

    def __init__(self, root: Path, hidden: Collection[Path] = ()) -> None:
        self.root = root
        self.hidden = frozenset(hidden)

    def close(self) -> None:
        """Forget the root's descriptor; the next call opens it again."""

    def open(self, path: str) -> BinaryIO:
        """A regular file for reading."""
        raise NotImplementedError

    def stat(self, path: str) -> os.stat_result:
        """Of the file itself, links not followed."""
        raise NotImplementedError

    def scan(self, path: str = "") -> list[os.DirEntry[str]]:
        """Entries of a directory, sorted by name, without hidden ones."""
        raise NotImplementedError

    def replace(self, path: str, data: bytes, *, expected: str | None = None) -> None:
        """Write a whole file atomically, making its folders; keeps an existing file's mode.

        Args:
            expected: hex SHA-256 of the content it must still have ("" = it must not exist); None = whatever.

        Raises Escape for a protected path (`protected`) and for a file with further hard links; FileChanged when
        `expected` does not hold.
        """
        raise NotImplementedError


class FileChanged(HarnessError):
    """The file is not what it was when the call was judged."""


def protected(path: str) -> str:
    """Why tools may not write there, or "": what programs execute or obey (`.git/hooks`, `.bashrc`, `.vscode`, ...).

    Held against the path as every file system might read it: case, Unicode form, trailing dots; also where absent.
    """
    raise NotImplementedError
