"""Bytes by their SHA-256 in files outside the log: `ab/abcdef...`, written whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Container
from pathlib import Path

from ..domain.errors import HarnessError, SetupError, UsageError

DAY = 24 * 3600
"""Seconds an unnamed blob is left alone: its event may be on the way."""

_SHA = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """A directory of blobs; implements `seams.Blobs`. Disk work happens on a thread, never on the loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, data: bytes, *, kind: str) -> str:
        """Write, sync and rename, then return the 64 hex digits. Raises SetupError when the disk refuses.

        `kind` says what the bytes are (`frame`, `output`); equal bytes are stored once whatever they are.
        """
        return await asyncio.to_thread(self._put, data)

    async def get(self, sha: str) -> bytes:
        """The bytes. Raises UsageError for what is no hash, HarnessError when they are missing or damaged."""
        return await asyncio.to_thread(self.read, sha)

    async def sweep(self, named: Container[str], now: int) -> int:
        """Delete what no event names (`Journal.blobs`) and is older than a day at `now` (us); returns how many."""
        return await asyncio.to_thread(self._sweep, named, now // 1_000_000 - DAY)

    def read(self, sha: str) -> bytes:
        """As `get`, for callers without a loop."""
        path = self._path(sha)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise HarnessError(f"Blob {sha[:12]} cannot be read: {error.strerror}.") from None
        if hashlib.sha256(data).hexdigest() != sha:
            raise HarnessError(f"Blob {sha[:12]} is damaged: its bytes do not match its name.")
        return data

    def _path(self, sha: str) -> Path:
        if not _SHA.fullmatch(sha):
            raise UsageError("A blob is named by 64 hex digits.")
        return self._folder / sha[:2] / sha

    def _put(self, data: bytes) -> str:
        sha = hashlib.sha256(data).hexdigest()
        path = self._path(sha)
        try:
            if path.exists():
                os.utime(path)  # young again: a sweep must not take it before its new event is written
                return sha
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(path, data)
        except OSError as error:
            raise SetupError(
                f"The disk refused to save a blob: {error.strerror}.", "Make room and try again."
            ) from None
        return sha

    def _write(self, path: Path, data: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name, too, must be there before an event speaks of it
        finally:
            os.close(folder)

    def _sweep(self, named: Container[str], before: int) -> int:
        swept = 0
        for path in self._folder.glob("??/*"):
            if path.name not in named and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                swept += 1
        return swept
