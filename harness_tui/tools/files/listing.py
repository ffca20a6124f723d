"""What is where: one directory, or all paths that match a glob. Bounded work, sorted, links not followed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...domain.rules import path_matches
from ...sandbox.tree import Escape, Tree, parts_of

SHOWN = 500
"""Names in one answer."""
LOOKED_AT = 100_000
"""Entries one walk looks at."""
SKIPPED = frozenset((".git", "node_modules", "target", ".venv", "__pycache__"))
"""Folders a walk does not enter unless it begins in one: made by programs, and larger than all the rest."""
_MAGIC = frozenset("*?[")


def listed(tree: Tree, path: str) -> str:
    """Kind, size and name of each entry."""
    entries = tree.scan(path)
    lines = [f"{shown(path)}: {len(entries)} entries"]
    for entry in entries[:SHOWN]:
        size = _size(tree, f"./{path}/{entry.name}") if entry.kind == "file" else ""
        name = shown(entry.name) + ("/" if entry.kind == "dir" else "")
        lines.append(f"{entry.kind:5} {size:>10} {name}")
    if len(entries) > SHOWN:
        lines.append(f"[{len(entries) - SHOWN} more entries; use glob for a part of them]")
    return "\n".join(lines)


def _size(tree: Tree, path: str) -> str:
    try:
        return str(tree.stat(path).st_size)
    except (OSError, Escape):
        return "?"


def globbed(tree: Tree, pattern: str) -> str:
    """Paths that match, folders with a `/` behind."""
    parts = parts_of(pattern)
    wanted = "/".join(parts)
    walk = Walk(tree, base_of(pattern), depth=None if "**" in parts else len(parts))
    found = sorted(path + ("/" if kind == "dir" else "") for path, kind in walk if path_matches(wanted, path))
    if not found:
        hint = "; braces are not understood" if "{" in pattern else ""
        return f"No path matches {pattern}{hint}.{walk.ending}"
    lines = [shown(path) for path in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"[{len(found) - SHOWN} more matches; narrow the pattern]")
    return "\n".join(lines) + walk.ending


def base_of(pattern: str) -> str:
    """The folder every match of a glob lies in."""
    parts = parts_of(pattern)
    plain = next((i for i, part in enumerate(parts) if _MAGIC & set(part)), len(parts))
    return "/".join(parts[: min(plain, len(parts) - 1)]) if parts else ""


class Walk:
    """Everything below a folder, as (path, kind), in order of names.

    Attributes:
        ending: what the answer must say of what was left out, or "".
    """

    def __init__(self, tree: Tree, base: str, *, depth: int | None = None) -> None:
        """`depth`: parts a path has at most."""
        self._tree, self._base, self._depth = tree, base, depth
        self.ending = ""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        seen = unread = 0
        left = [self._base]
        while left:
            folder = left.pop()
            try:
                entries = self._tree.scan(f"./{folder}")
            except (OSError, Escape):
                if folder == self._base:
                    raise
                unread += 1
                self.ending = f"\n[{unread} folders could not be read]"
                continue
            below = []
            for entry in entries:
                seen += 1
                if seen > LOOKED_AT:
                    self.ending = f"\n[stopped after {LOOKED_AT} entries; begin further down]"
                    return
                path = f"{folder}/{entry.name}" if folder else entry.name
                yield path, entry.kind
                deeper = self._depth is None or path.count("/") + 1 < self._depth
                if entry.kind == "dir" and entry.name not in SKIPPED and deeper:
                    below.append(path)
            left += reversed(below)


def shown(name: str) -> str:
    """A name on one line: quoted as JSON does when it holds what could pass for more lines."""
    return name if name.isprintable() else json.dumps(name)
