"""One file of a directory replaced at once: its readers see the old content or the new, whatever fails."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from contextlib import suppress
from io import BufferedReader

from ..domain.errors import HarnessError
from .beneath import Escape

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileChanged(HarnessError):
    """The file is not what it was when the call was judged."""


def content(found: int, path: str) -> BufferedReader:
    """Open for reading what was only looked at; anything but a regular file is refused without being opened."""
    regular(os.fstat(found), path)
    return os.fdopen(os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY), "rb")


def regular(seen: os.stat_result, path: str) -> None:
    """Raises IsADirectoryError, and Escape for whatever else is no regular file."""
    if stat.S_ISDIR(seen.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(seen.st_mode):
        kind = _KINDS.get(stat.S_IFMT(seen.st_mode), "no regular file")
        raise Escape(f"{path} is {kind}; tools touch regular files only.", "Name the file itself.")


_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


def target(directory: int, name: str, path: str) -> os.stat_result | None:
    """What a write to `name` would replace; None when it is absent. Raises Escape when it is none to be replaced."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    regular(found, path)
    if found.st_nlink > 1:
        raise Escape(
            f"{path} has {found.st_nlink} hard links, so another file would change with it.", "Write a new file."
        )
    return found


def replace(directory: int, name: str, found: int | None, data: bytes, path: str, expected: str | None) -> None:
    """Put `data` in place of `name` in `directory`.

    Args:
        found: the present file, looked at; None when absent.
        expected: hex SHA-256 it must have, "" = it must be absent, None = whatever.

    Raises FileChanged; OSError leaves the old content and nothing else behind.
    """
    if found is None:
        before = None
        holds = not expected
    else:
        before = os.fstat(found)
        with content(found, path) as file:
            holds = expected is None or expected == hashlib.file_digest(file, "sha256").hexdigest()
    if not holds:
        raise changed(path)
    temporary = f".{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(temporary, _NEW, 0o600, dir_fd=directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _dress(file.fileno(), before)
            os.fsync(file.fileno())
        if _version(target(directory, name, path)) != _version(before):
            raise changed(path)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    _sync(directory)


def changed(path: str) -> FileChanged:
    return FileChanged(f"{path} was changed since the call was judged; nothing was written.", "Read it again.")


def _version(found: os.stat_result | None) -> tuple[int, ...] | None:
    return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _dress(descriptor: int, before: os.stat_result | None) -> None:
    """Mode and owner of the file it replaces, without set-id bits, which the kernel drops on a write too."""
    if before is None:
        os.fchmod(descriptor, 0o644 & ~_umask())
        return
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o777)


def _umask() -> int:
    # os.umask() would change it for every thread for a moment.
    with open("/proc/self/status") as lines:
        return next((int(line.split()[1], 8) for line in lines if line.startswith("Umask:")), 0o077)


def _sync(directory: int) -> None:
    """Make the new name durable; some file systems cannot sync a directory, and lose nothing else by it."""
    with suppress(OSError):
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
