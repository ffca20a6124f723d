"""Files beneath one root, reached by descriptors only: no `..`, link or swap during a call leads out of it."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from ..domain.errors import HarnessError, SetupError
from . import atomic
from .atomic import FileChanged
from .beneath import MAX_DEPTH, Escape, Guard, Place, has_openat2, look, walk
from .protected import protected

__all__ = ["Entry", "Escape", "FileChanged", "Found", "TooLarge", "Tree", "parts_of", "protected"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_INSIDE = "Name a file inside the workspace, relative to it, as in src/app.py."


class TooLarge(HarnessError):
    """A file is larger than the caller can hold."""


class Entry(NamedTuple):
    """One name in a directory."""

    name: str
    kind: Literal["file", "dir", "link", "other"]


class Found(NamedTuple):
    """What a write would replace.

    Attributes:
        real: its path with all links resolved, relative to the root.
        data: its content, None when it does not exist.
    """

    real: str
    data: bytes | None


class Tree:
    """The workspace as file tools see it. Blocking; call it off the event loop, from any thread. Opened at first use.

    Paths are relative to the root, `/` between parts. Every method raises Escape for a path that leaves the root (`..`,
    absolute, `~`, a URL, a link on the way, a mount), that is hidden, or that is no regular file or directory where one
    is needed (FIFOs, devices, sockets), and OSError for everything the file system says.

    Attributes:
        root: absolute and real, whatever it was given as.
        hidden: absolute paths that do not exist for tools (the state folder, the socket's).
    """

    def __init__(self, root: Path, hidden: Collection[Path] = (), *, openat2: bool | None = None) -> None:
        """`openat2`: whether to use that call; None = if the kernel has it."""
        self.root = Path(os.path.realpath(root))  # now: where a link leads later is none of our root
        self.hidden = frozenset(hidden)
        self._openat2 = openat2
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._opening, self._writing = threading.Lock(), threading.Lock()

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        """What is hidden below the root, folded. Looked up with the first use: many trees are made and never read."""
        paths = {*self.hidden, *(Path(os.path.realpath(path)) for path in self.hidden)} - {self.root}
        below = [path.relative_to(self.root) for path in paths if path.is_relative_to(self.root)]
        return [tuple(str(path).casefold().split("/")) for path in below]

    def close(self) -> None:
        """Forget the root's descriptor; the next call opens it again."""
        with self._opening:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def open(self, path: str) -> BinaryIO:
        """A regular file for reading."""
        with self._at(path) as place:
            return atomic.content(_there(place, path), path)

    def real(self, path: str) -> str:
        """Where `path` leads with all links resolved, relative to the root; it need not exist."""
        with self._at(path) as place:
            seen = os.fstat(place.fd)
            if not place.missing and not stat.S_ISDIR(seen.st_mode):
                atomic.regular(seen, path)
            return place.real

    def stat(self, path: str) -> os.stat_result:
        """Of the file itself, links not followed."""
        with self._at(path, follow=False) as place:
            return os.fstat(_there(place, path))

    def scan(self, path: str = "") -> list[Entry]:
        """Entries of a directory, sorted by name, without hidden ones."""
        with self._at(path) as place:
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=_there(place, path))
            try:
                guard, device = self._guard(), os.fstat(descriptor).st_dev
                with os.scandir(descriptor) as entries:
                    seen = [each for each in entries if not _is_hidden(guard, place, each, device)]
                    return sorted(Entry(each.name, _kind(each)) for each in seen)
            finally:
                os.close(descriptor)

    def present(self, path: str, most: int) -> Found:
        """What `replace` would replace, refused as `replace` would refuse it; TooLarge above `most` bytes."""
        *folders, name = _to_write(path)
        with self._walked(folders) as place:
            real = self._writable(place, name, path)
            if place.missing or (before := atomic.target(place.fd, name, path)) is None:
                return Found(real, None)
            if before.st_size > most:
                raise TooLarge(f"{path} has {before.st_size} bytes, and at most {most} can be changed by tools.")
            with self._looked(place, name) as found, atomic.content(found, path) as file:
                return Found(real, file.read(most))

    def replace(self, path: str, data: bytes, *, expected: str | None = None, real: str | None = None) -> None:
        """Write a whole file atomically, making its folders; keeps an existing file's mode.

        Args:
            expected: hex SHA-256 of the content it must still have ("" = it must not exist); None = whatever.
            real: where `path` must still lead (`present`); None = wherever it does.

        Raises Escape for a protected path (`protected`), for a link and for a file with further hard links;
        FileChanged when `expected` or `real` does not hold.
        """
        *folders, name = _to_write(path)
        with self._writing, self._walked(folders) as place:
            led = self._writable(place, name, path)
            if (place.missing and expected) or (real is not None and led != real):
                raise atomic.changed(path)
            with self._made(place, path) as folder:
                if atomic.target(folder.fd, name, path) is None:
                    atomic.replace(folder.fd, name, None, data, path, expected)
                else:
                    with self._looked(folder, name) as found:
                        atomic.replace(folder.fd, name, found, data, path, expected)

    @contextmanager
    def _at(self, path: str, *, follow: bool = True) -> Iterator[Place]:
        with self._walked(parts_of(path), follow=follow) as place:
            self._guard()((*place.names, *place.missing), None)
            yield place

    @contextmanager
    def _walked(self, parts: Sequence[str], *, follow: bool = True) -> Iterator[Place]:
        with self._root() as root, walk(root, parts, self._guard(), kernel=self._kernel, follow=follow) as place:
            yield place

    @contextmanager
    def _looked(self, place: Place, name: str) -> Iterator[int]:
        """An entry of the folder `place`, looked at."""
        found = look(place.fd, name, kernel=self._kernel)
        try:
            self._guard()((*place.names, name), os.fstat(found))
            yield found
        finally:
            os.close(found)

    @contextmanager
    def _made(self, place: Place, path: str) -> Iterator[Place]:
        """The folder at `place`, what is missing of it made."""
        with ExitStack() as held:
            for part in place.missing:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=place.fd)
                found = held.enter_context(self._looked(place, part))
                if not stat.S_ISDIR(os.fstat(found).st_mode):
                    raise Escape(f"{path} was swapped while its folders were made.", _INSIDE)
                place = Place(found, (*place.names, part), place.missing[1:])
            yield place

    def _writable(self, place: Place, name: str, path: str) -> str:
        """Its real path. Raises Escape when tools may not write there, by where it leads."""
        real = f"{place.real}/{name}" if place.real else name
        _unprotected(real, path)
        self._guard()(real.split("/"), None)
        return real

    @property
    def _kernel(self) -> bool:
        return has_openat2() if self._openat2 is None else self._openat2

    @contextmanager
    def _root(self) -> Iterator[int]:
        with self._opening:
            if self._descriptor is None:
                self._descriptor = self._open_root()
            mine = os.dup(self._descriptor)
        try:
            yield mine
        finally:
            os.close(mine)

    def _open_root(self) -> int:
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            where = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            os.close(descriptor)
            raise SetupError("File tools need /proc of Linux, which is not there.", "Mount it.") from None
        found = os.fstat(descriptor)
        identity = (found.st_dev, found.st_ino)
        moved = where != str(self.root) or self._identity not in (None, identity)
        if moved or identity in self._hidden_now():
            os.close(descriptor)
            what = "was replaced by another folder" if moved else "is this program's own state"
            raise Escape(f"The workspace {self.root} {what}.", "Start in the folder you mean.")
        self._identity = identity
        return descriptor

    def _hidden_now(self) -> set[tuple[int, int]]:
        """Device and inode of what is hidden, asked each time, since it may be made later."""
        found = set()
        for path in self.hidden:
            with suppress(OSError):
                seen = os.stat(path)
                found.add((seen.st_dev, seen.st_ino))
        return found

    def _guard(self) -> Guard:
        """Refuses what is hidden: by its real path, whatever case the file system ignores, and by its identity."""
        things = self._hidden_now()

        def refuse(path: Sequence[str], seen: os.stat_result | None) -> None:
            folded = tuple(part.casefold() for part in path)
            named = any(folded[: len(each)] == each for each in self._names)
            if named or (seen and (seen.st_dev, seen.st_ino) in things):
                raise Escape(f"{'/'.join(path)} is this program's own state, which tools cannot touch.", _INSIDE)

        return refuse


def parts_of(path: str) -> list[str]:
    """The parts of a path below the root, [] for the root itself. Raises Escape when the words alone lead out."""
    why = ""
    if path.startswith("/"):
        why = "is absolute"
    elif path.startswith("~"):
        why = "starts in a home directory"
    elif _URL.match(path):
        why = "is a URL"
    elif "\0" in path:
        why = "holds a NUL"
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        why = "leads up with `..`"
    elif len(parts) > MAX_DEPTH:
        why = "is nested too deep"
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        why = "is no name a file can have"
    if why:
        raise Escape(f"The path {path!r} {why}.", _INSIDE)
    return parts


def _to_write(path: str) -> list[str]:
    """`parts_of` a file to be written; what its name alone forbids needs no root to exist."""
    parts = parts_of(path)
    if not parts:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    _unprotected(path, path)
    return parts


def _unprotected(real: str, path: str) -> None:
    if why := protected(real):
        raise Escape(f"{path} cannot be written: {why}", "Leave it to the operator, and say what it should hold.")


def _there(place: Place, path: str) -> int:
    if place.missing:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return place.fd


def _is_hidden(guard: Guard, place: Place, entry: os.DirEntry[str], device: int) -> bool:
    try:
        guard((*place.names, entry.name), os.stat_result((0, entry.inode(), device, *[0] * 7)))
    except Escape:
        return True
    return False


def _kind(entry: os.DirEntry[str]) -> Literal["file", "dir", "link", "other"]:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
