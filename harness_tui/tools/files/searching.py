"""Lines that match a regular expression, found by a child that is stopped when the expression takes too long."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ...domain.errors import HarnessError
from ...domain.rules import path_matches
from ...sandbox.tree import Escape, Tree, parts_of
from .listing import Walk, shown
from .reading import WHOLE, binary

MATCHES = 200
ANSWER = 16 * 1024
"""Bytes of all matches together."""
WIDTH = 300
"""Characters of one line that are shown."""
READ = 256 * 1024 * 1024
"""Bytes one search reads."""
PATIENCE = 15.0
"""Seconds one search may take."""

Text = tuple[str, bytes]
"""A name, and what is searched under it."""


class Matcher:
    """The child. Raises HarnessError when the pattern is none, or nothing came back in time."""

    def __init__(self, pattern: str, ignore_case: bool) -> None:
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("matcher.py"))]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
        )
        self._alarm = threading.Timer(PATIENCE, self._child.kill)
        self._alarm.daemon = True
        self._alarm.start()
        self._order = json.dumps([pattern, ignore_case, MATCHES + 1, WIDTH]).encode() + b"\n"

    def __enter__(self) -> Matcher:
        try:
            self._ask(self._order)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._alarm.cancel()
        self._child.kill()
        self._child.communicate()

    def lines(self, text: bytes) -> list[tuple[int, str]]:
        """Number and preview of each line that matches."""
        return [(number, line) for number, line in self._ask(b"%d\n" % len(text) + text)["found"]]

    def _ask(self, message: bytes) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(message)
            self._child.stdin.flush()
            answer = self._child.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            late = f"The search was stopped: the pattern took more than {PATIENCE:g} s or its memory."
            raise HarnessError(late, "Use a simpler pattern, without a repeated group, or fewer files.")
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise HarnessError(f"The pattern is no regular expression: {found['error']}.", "Escape ( [ { . * + ? \\.")
        return found


def searched(texts: Iterable[Text], pattern: str, *, ignore_case: bool = False) -> str:
    """`name:line:text` of each line that matches, until there are enough of them."""
    lines: list[str] = []
    used = read = count = 0
    with Matcher(pattern, ignore_case) as matcher:
        for name, text in texts:
            if binary(text):
                continue
            count, read = count + 1, read + len(text)
            for number, preview in matcher.lines(text):
                line = f"{name}:{number}:{preview}"
                used += len(line.encode("utf-8", "backslashreplace")) + 1
                if len(lines) == MATCHES or used > ANSWER:
                    return "\n".join([*lines, "[more matches follow; narrow the pattern or the path]"])
                lines.append(line)
            if read > READ:
                return "\n".join([*lines, f"[stopped after {read} bytes; narrow the path]"])
    return "\n".join(lines) or f"No line matches in {count} text file{'' if count == 1 else 's'}."


def search(tree: Tree, path: str, pattern: str, include: str | None, ignore_case: bool) -> str:
    """In one file, or in all below a folder whose name (or path, when it has a `/`) matches `include`."""
    try:
        tree.scan(path)
    except NotADirectoryError:
        return searched([_text(tree, path)], pattern, ignore_case=ignore_case)
    walk = Walk(tree, "/".join(parts_of(path)))
    named = (name for name, kind in walk if kind == "file" and (include is None or _included(name, include)))
    return searched(_texts(tree, named), pattern, ignore_case=ignore_case) + walk.ending


def _texts(tree: Tree, names: Iterable[str]) -> Iterator[Text]:
    for name in names:
        with suppress(OSError, Escape):  # gone, unreadable or swapped since it was listed
            yield _text(tree, f"./{name}")


def _text(tree: Tree, path: str) -> Text:
    with tree.open(path) as file:
        return shown("/".join(parts_of(path))), file.read(WHOLE)


def _included(path: str, include: str) -> bool:
    return path_matches(include, path) if "/" in include else fnmatchcase(path.rsplit("/", 1)[-1], include)
