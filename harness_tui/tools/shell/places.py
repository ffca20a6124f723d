"""Where the words of a command lead: beneath the workspace, or nowhere."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...sandbox.tree import Escape, Tree

MAX_TEXT = 64 * 1024
MAX_FILES = 64
MAX_CANDIDATES = 2_000
MAX_BYTES = 64 * 1024 * 1024
"""Of one file; a larger one is bound by its inode, size and time."""
MAX_TOTAL = 256 * 1024 * 1024

_MARKS = re.compile(r"[\s;|&<>()\"'`=,:{}$]+")
_INSIDE = "Name something inside the workspace."


class Folder(NamedTuple):
    """A working directory.

    Attributes:
        path: relative to the root, links resolved.
        described: its real path and inode, for the card.
        problem: why nothing can run there now, or "".
    """

    path: str
    described: str
    problem: str = ""


def beneath(files: Tree, cwd: str, path: str) -> str:
    """The real path relative to the root of what a program started in `cwd` would find at `path`; it need not exist.

    Raises Escape when it leaves the workspace, by its words or through a link, is hidden, or is no file or directory.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    at = [part for part in cwd.split("/") if part]
    if path.startswith("/"):
        root = [part for part in str(files.root).split("/") if part]
        if parts[: len(root)] != root:
            raise Escape(f"{path} is outside the workspace.", _INSIDE)
        parts, at = parts[len(root) :], []
    while parts and parts[0] == "..":
        if not at:
            raise Escape(f"{path} leads out of the workspace.", _INSIDE)
        del parts[0], at[-1]
    try:
        return files.real("/".join((*at, *parts)))
    except OSError:
        return "/".join((*at, *parts))  # judged by its name


def folder(files: Tree, path: str) -> Folder:
    """The working directory `path`. Raises Escape."""
    real = beneath(files, "", path)
    whole = files.root / real
    try:
        seen = os.stat(whole, follow_symlinks=False)
    except OSError as error:
        return Folder(real, f"{whole} (not there)", f"{whole}: {os.strerror(error.errno or 0)}")
    problem = "" if stat.S_ISDIR(seen.st_mode) else f"{whole} is no directory"
    return Folder(real, f"{whole} (inode {seen.st_dev}:{seen.st_ino})", problem)


def holds_hidden(files: Tree, path: str) -> bool:
    """Whether something tools must not see lies beneath this path."""
    whole = files.root / path
    return any(Path(os.path.realpath(each)).is_relative_to(whole) for each in files.hidden)


def mentions(files: Tree, cwd: str, commands: Iterable[tuple[str, ...]], text: str) -> tuple[str, ...]:
    """Paths of the workspace that any word may mean, there or not: what a rule on a path is held against."""
    found: dict[str, None] = {}
    for word in islice(_candidates(commands, text[:MAX_TEXT]), MAX_CANDIDATES):
        try:
            found[beneath(files, cwd, word)] = None
        except Escape:
            continue
    return tuple(found)


def operands(files: Tree, cwd: str, commands: Iterable[tuple[str, ...]], text: str) -> list[str]:
    """What the files hold that a command's words name, or anything in its text: `PATH sha256:...`.

    What is beyond the bounds is said, too.
    """
    if len(text) > MAX_TEXT:
        return [f"not bound: the text is longer than {MAX_TEXT // 1024} KiB"]
    here = files.root / cwd
    found: dict[str, str] = {}
    total = 0
    for number, word in enumerate(_candidates(commands, text)):
        if number >= MAX_CANDIDATES or len(found) >= MAX_FILES:
            return [*found.values(), "what else it names is not bound: too many words or files"]
        if not os.path.isfile(here / word):
            continue
        try:
            name, file = _opened(files, cwd, word)
        except (Escape, OSError):
            continue
        with file:
            if name in found:
                continue
            seen = os.fstat(file.fileno())
            total += seen.st_size
            if seen.st_size > MAX_BYTES or total > MAX_TOTAL:
                found[name] = f"{name} {seen.st_size} bytes, not read (inode {seen.st_ino}, changed {seen.st_mtime_ns})"
            else:
                found[name] = f"{name} sha256:{_sha256(file)}"
    return list(found.values())


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def _candidates(commands: Iterable[tuple[str, ...]], text: str) -> Iterator[str]:
    """Whatever may be a path: words, `--file=`, `-f` and `@` before it, and what stands between marks in the text."""
    words = dict.fromkeys((*(word for command in commands for word in command), *_MARKS.split(text)))
    parts = (
        (word, word.partition("=")[2], word.lstrip("@:?+-"), word[2:] if word.startswith("-") else "") for word in words
    )
    return iter(dict.fromkeys(part for each in parts for part in each if part and "\0" not in part))


def _opened(files: Tree, cwd: str, word: str) -> tuple[str, BinaryIO]:
    """A regular file: through the workspace's tree, or, where it lies elsewhere, as the command would find it."""
    try:
        real = beneath(files, cwd, word)
        return real, files.open(real)
    except Escape:
        real = os.path.realpath(files.root / cwd / word)
        if any(Path(real).is_relative_to(os.path.realpath(each)) for each in files.hidden):
            raise
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Escape(f"{word} is no regular file.")
    return real, file
