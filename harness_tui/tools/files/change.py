"""What a write or an edit would do to one file: planned when the call is judged, carried out only as planned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...sandbox.tree import Tree, parts_of
from .diff import Diff, unified
from .reading import WHOLE, binary

_COUNTED = 1000
"""Places counted of a text that is not unique."""


@dataclass(frozen=True)
class Change:
    """One file before and after.

    Attributes:
        path: as the model names it, plain; `real`: where it is, links resolved.
        before: None when it does not exist.
        after: None when the call cannot be carried out; `problem` says why, for the model.
        places: how often the old string was replaced.
    """

    path: str
    real: str
    before: bytes | None = None
    after: bytes | None = None
    problem: str = ""
    places: int = 0

    @property
    def idle(self) -> bool:
        """It would leave the file as it is."""
        return self.after is None or self.after == self.before

    @cached_property
    def diff(self) -> Diff:
        return unified(self.before, self.after or b"", self.path)

    @property
    def undone_by_diff(self) -> bool:
        """Its diff shows the old content to the last byte."""
        old = self.before or b""
        return b"\0" not in old and old.decode(errors="ignore").encode() == old


def digest(data: bytes | None) -> str:
    """Hex SHA-256, "" for what does not exist: as `Tree.replace` expects it."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def planned(tree: Tree, tool: str, arguments: Mapping[str, Any]) -> Change:
    """What `write_file` or `edit_file` would do now. Raises Escape and TooLarge; OSError becomes a `problem`."""
    path = "/".join(parts_of(arguments["path"]))
    try:
        real, before = tree.present(arguments["path"], WHOLE)
    except OSError as error:
        return Change(path, path, problem=f"{path}: {error.strerror}")
    try:
        if tool == "write_file":
            return Change(path, real, before, arguments["content"].encode())
        return _edited(Change(path, real, before), arguments)
    except UnicodeEncodeError:
        return Change(path, real, before, problem="the text holds half a surrogate pair, which no file can hold")


def _edited(now: Change, arguments: Mapping[str, Any]) -> Change:
    def cannot(problem: str) -> Change:
        return Change(now.path, now.real, now.before, problem=problem)

    old, new = arguments["old_string"].encode(), arguments["new_string"].encode()
    text = now.before
    if text is None:
        return cannot(f"{now.path} does not exist; write_file makes it")
    if kind := binary(text):
        return cannot(f"{now.path} is {kind}, which edit_file cannot change")
    if not old:
        return cannot("old_string is empty; write_file replaces a whole file")
    if old == new:
        return cannot("old_string and new_string are equal, so nothing would change")
    if old not in text and b"\n" in old:
        old = _crlf(old)
    count = _places(text, old)
    if count == 0:
        return cannot(_not_found(now.path, text, arguments["old_string"]))
    if count > 1 and str(arguments.get("replace_all")).lower() != "true":
        many = f"{_COUNTED} times or more" if count >= _COUNTED else f"{count} times"
        return cannot(f"old_string occurs {many} in {now.path}; give more lines around it, or replace_all=true")
    if b"\r\n" in old or (b"\r\n" in text and text.count(b"\r\n") == text.count(b"\n")):
        new = _crlf(new)
    return Change(now.path, now.real, text, text.replace(old, new), places=text.count(old))


def _crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _places(text: bytes, old: bytes) -> int:
    """Occurrences, overlapping ones too: `aa` is in `aaa` at two places, and which one is meant is not said."""
    count, at = 0, text.find(old)
    while at >= 0 and count < _COUNTED:
        count, at = count + 1, text.find(old, at + 1)
    return count


def _not_found(path: str, text: bytes, old: str) -> str:
    first = next((line.strip() for line in old.splitlines() if line.strip()), "")
    lines = text.decode("utf-8", "replace").split("\n")
    near = next((number for number, line in enumerate(lines, 1) if first and first in line), 0)
    if near:
        return f"old_string is not in {path}, though its first line is in line {near}; copy it exactly, spaces included"
    if "\ufffd" in old:
        return f"old_string is not in {path}; leave out \ufffd, which stands for a byte that is not UTF-8"
    return f"old_string is not in {path}; read it again and copy the text exactly"
