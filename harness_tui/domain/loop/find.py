"""A loop by what an operator calls it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ..errors import UsageError
from .rows import LoopRow


def standing(rows: Iterable[LoopRow], *, all: bool = False) -> list[LoopRow]:
    """Registered loops by name; all = removed ones too."""
    return sorted((row for row in rows if all or row.state != "removed"), key=lambda row: (row.name, row.id))


def loop(rows: Iterable[LoopRow], name: str) -> LoopRow:
    """The loop of that name or id; a removed one only by its id. Raises UsageError (nearest name given)."""
    known = {row.id: row for row in rows}
    if name in known:
        return known[name]
    names = {row.name: row for row in known.values() if row.state != "removed"}
    if name in names:
        return names[name]
    near = get_close_matches(name, names, 1)
    hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui loop list"
    raise UsageError(f"There is no loop {name}.", hint)
