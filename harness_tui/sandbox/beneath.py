"""Going down from a directory by descriptors, one part at a time.

Each part is opened by `openat2` (`RESOLVE_BENEATH`, no mounts, no magic links), or without it by `openat` and a look at
the mount. One part at a time, since the kernel's answer for a whole path would not tell what was passed on the way: a
hidden folder under another name, and the real path that rules are held against.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

from ..domain.errors import HarnessError


class Escape(HarnessError):
    """A path leaves the root, or is none that tools may touch."""


O_PATH: int = getattr(os, "O_PATH", 0)
"""Linux; the tree itself says so where it is missing."""
LOOK = O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags to look at a thing without opening it: nothing blocks, no device notices."""
MAX_LINKS = 40
"""Links followed on one path, as the kernel counts."""
MAX_DEPTH = 200
"""Directories held open on one path."""

_OPENAT2 = 437
_NO_XDEV, _NO_MAGICLINKS, _BENEATH = 0x01, 0x02, 0x08
_HOW = struct.pack("QQQ", LOOK, 0, _BENEATH | _NO_MAGICLINKS | _NO_XDEV)


class Unsupported(Exception):
    """This kernel, or the filter around us, has no openat2."""


@cache
def _syscall() -> Callable[..., int]:
    return ctypes.CDLL(None, use_errno=True).syscall


def look(directory: int, name: str, *, kernel: bool) -> int:
    """Look at one entry of a directory, a link itself if it is one, by `openat2` or without; a mount is an Escape."""
    return (_look_by_kernel if kernel else _look_by_hand)(directory, name)


def _look_by_kernel(directory: int, name: str) -> int:
    found = _syscall()(_OPENAT2, directory, os.fsencode(name), _HOW, len(_HOW))
    if found >= 0:
        return found
    code = ctypes.get_errno()
    if code == errno.EXDEV:
        raise Escape(f"{name} is a mount, which leads out of the workspace.", "Name a file inside it.")
    if code in (errno.ENOSYS, errno.EPERM):
        raise Unsupported
    raise OSError(code, os.strerror(code), name)


def _look_by_hand(directory: int, name: str) -> int:
    found = os.open(name, LOOK, dir_fd=directory)
    if _mount(found) != _mount(directory):
        os.close(found)
        raise Escape(f"{name} is a mount, which leads out of the workspace.", "Name a file inside it.")
    return found


def _mount(descriptor: int) -> str:
    with open(f"/proc/self/fdinfo/{descriptor}") as lines:
        return next(line for line in lines if line.startswith("mnt_id:"))


@cache
def has_openat2() -> bool:
    """Asked of the kernel once: a version says nothing about a container's filter."""
    root = os.open("/", LOOK)
    try:
        os.close(_look_by_kernel(root, "."))
    except Unsupported:
        return False
    finally:
        os.close(root)
    return True


class Place:
    """Where a walk ended.

    Attributes:
        names: the real path of what was reached, link by link resolved, relative to the root.
        missing: parts after it that do not exist.
        fd: what was reached, only looked at (`LOOK`); belongs to the walk.
    """

    def __init__(self, fd: int, names: Sequence[str], missing: Sequence[str]) -> None:
        self.fd = fd
        self.names = tuple(names)
        self.missing = tuple(missing)

    @property
    def real(self) -> str:
        return "/".join((*self.names, *self.missing))


Guard = Callable[[Sequence[str], os.stat_result | None], None]
"""Called with the real path of each thing on the way, and with what it is where it exists; raises Escape."""


@contextmanager
def walk(root: int, parts: Sequence[str], guard: Guard, *, kernel: bool = True, follow: bool = True) -> Iterator[Place]:
    """Go from `root` part by part, holding every directory passed, so that nothing swapped meanwhile changes the way.

    `..`, which only a link's target can hold, goes back to the directory we came from.

    Args:
        kernel: use openat2 for each part.
        follow: follow a link that is the last part.

    Raises Escape for whatever leads above the root, into a mount, or does not please `guard`; OSError for the rest.
    What does not exist is no error: see `Place.missing`.
    """
    held: list[tuple[int, str]] = []
    left = deque(parts)
    links = 0
    here = root
    try:
        while left:
            part = left.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if not held:
                    raise Escape("/".join(parts) + " leads out of the workspace.", "Name a file inside it.")
                os.close(held.pop()[0])
                here = held[-1][0] if held else root
                continue
            try:
                found = look(here, part, kernel=kernel)
            except FileNotFoundError:
                if ".." in left:
                    raise
                left.appendleft(part)
                break
            seen = os.fstat(found)
            if stat.S_ISLNK(seen.st_mode) and (left or follow):
                try:
                    target = os.readlink("", dir_fd=found)
                finally:
                    os.close(found)
                links += 1
                if links > MAX_LINKS:
                    raise Escape("/".join(parts) + " leads through links in a circle.", "Name the file itself.")
                if target.startswith("/"):
                    raise Escape("/".join(parts) + " leads out of the workspace.", "Name a file inside it.")
                left.extendleft(reversed(target.split("/")))
                continue
            held.append((found, part))
            if len(held) > MAX_DEPTH:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), part)
            guard([name for _, name in held], seen)
            if left and not stat.S_ISDIR(seen.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), part)
            here = found
        yield Place(here, [name for _, name in held], [part for part in left if part not in ("", ".")])
    finally:
        for descriptor, _ in held:
            with suppress(OSError):
                os.close(descriptor)
