"""Files of the home that only its owner reads: replaced whole or not at all, by one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ...domain.errors import SetupError

MAX_BYTES = 4 * 1024 * 1024


def read(path: Path) -> bytes | None:
    """The file's bytes; None when there is none. Raises SetupError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise SetupError(f"{path} is larger than this program would write.", "Look at it, and move it away.")
    return data


def replace(path: Path, data: bytes) -> None:
    """Write beside, sync, rename, sync the folder: a crash leaves the old file or the new one. Mode 0600."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}.") from None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the file's lock (beside it) while it is read, changed and replaced; makes the home, 0700."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise SetupError(
            f"{path.parent} cannot be written: {error.strerror}.", "Set HARNESS_TUI_HOME to a writable place."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
