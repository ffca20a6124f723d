"""What of a workspace would be interpreted, and its digest: nothing of it is used before the operator trusts it.

Trust is by directory and by content, never inherited: not from a repository this one claims to belong to, nor from
what the directory held yesterday.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ..domain.errors import UsageError
from ..domain.safetext import clip

INTERPRETED = (".harness-tui",)
"""Names at the top of a workspace that are read as more than text."""
MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 10_000
MAX_DEPTH = 64

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass
class Content:
    """What was read, once: who uses a file uses these bytes, which are the ones the digest is of.

    Attributes:
        path: the workspace, absolute and real.
        digest: over names, modes, contents and links (64 hex); "" = there is nothing to interpret.
        files: content by path relative to the workspace, `/` between parts.
    """

    path: str
    digest: str = ""
    files: dict[str, bytes] = field(default_factory=dict)


def read(workspace: Path) -> Content:
    """Read it, following no link. Blocking.

    Raises UsageError when it cannot be read whole or is too large to be looked through.
    """
    path = os.path.realpath(workspace)
    reading = _Reading()
    try:
        top = os.open(path, _FLAGS | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"Cannot look into {clip(path, 200)}: {error.strerror}.") from None
    try:
        for name in INTERPRETED:
            reading.entry(top, name, name)
    except OSError as error:
        raise UsageError(f"Cannot read {clip(str(error.filename or path), 200)}: {error.strerror}.") from None
    finally:
        os.close(top)
    return Content(path, reading.digest(), reading.files)


class _Reading:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._hash = hashlib.sha256()
        self._left = MAX_BYTES
        self._entries = 0

    def digest(self) -> str:
        return self._hash.hexdigest() if self._entries else ""

    def entry(self, folder: int, name: str, path: str) -> None:
        """Take one entry in, and what is under it. Raises OSError, UsageError."""
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        self._entries += 1
        if self._entries > MAX_ENTRIES or path.count("/") > MAX_DEPTH:
            raise _too_much(path)
        if stat.S_ISLNK(found.st_mode):
            self._note("link", path, 0, os.fsencode(os.readlink(name, dir_fd=folder)))
        elif stat.S_ISDIR(found.st_mode):
            self._note("folder", path, found.st_mode, b"")
            self._folder(folder, name, path)
        elif stat.S_ISREG(found.st_mode):
            self.files[path] = content = self._content(folder, name, path)
            self._note("file", path, found.st_mode, content)
        else:
            self._note("other", path, found.st_mode, b"")

    def _folder(self, folder: int, name: str, path: str) -> None:
        inner = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
        try:
            for each in sorted(os.listdir(inner), key=os.fsencode):
                self.entry(inner, each, f"{path}/{each}")
        finally:
            os.close(inner)

    def _content(self, folder: int, name: str, path: str) -> bytes:
        with open(os.open(name, _FLAGS, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{clip(path, 200)} changed while it was read.", "Try again.")
            content = file.read(self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise _too_much(path)
        return content

    def _note(self, kind: str, path: str, mode: int, content: bytes) -> None:
        """One record: every field with its length or of fixed length, so that no two trees read the same."""
        for part in (kind.encode(), os.fsencode(path), b"%o" % stat.S_IMODE(mode), content):
            self._hash.update(b"%d:" % len(part) + part)


def _too_much(path: str) -> UsageError:
    most = f"{MAX_ENTRIES} entries, {MAX_DEPTH} deep, {MAX_BYTES >> 20} MiB"
    return UsageError(
        f"{clip(path, 200)} is more than can be looked through: {most}.",
        f"Keep in {' and '.join(INTERPRETED)} only what the harness reads.",
    )
