"""What a write changes, as a unified diff: complete, exact about last newlines, and never slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

CONTEXT = 3
"""Lines shown around a change."""
COMPARED = 4_000_000
"""Pairs of lines compared at most; beyond it what differs is one block, all of it taken out and put in."""

Op = tuple[str, int, int, int, int]


class Diff(NamedTuple):
    """A unified diff, and the lines it adds and takes out."""

    text: str
    added: int
    removed: int


def unified(old: bytes | None, new: bytes, path: str) -> Diff:
    """From `old` (None = absent) to `new`, lines split at LF only; bytes that are no UTF-8 are shown as `\\xNN`."""
    before, after = _lines(old or b""), _lines(new)
    out = [f"--- {'/dev/null' if old is None else path}\n", f"+++ {path}\n"]
    added = removed = 0
    for group in _groups(before, after):
        first, last = group[0], group[-1]
        out.append(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n")
        for kind, a, b, c, d in group:
            if kind == "equal":
                out += _marked(" ", before[a:b])
                continue
            out += _marked("-", before[a:b])
            out += _marked("+", after[c:d])
            removed, added = removed + b - a, added + d - c
    return Diff("".join(out), added, removed)


def _lines(raw: bytes) -> list[str]:
    lines = raw.decode("utf-8", "backslashreplace").split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _groups(before: Sequence[str], after: Sequence[str]) -> Iterator[list[Op]]:
    """Changes with their context. What is equal at both ends is not even compared."""
    shortest = min(len(before), len(after))
    head = next((i for i in range(shortest) if before[i] != after[i]), shortest)
    room = shortest - head
    tail = next((i for i in range(room) if before[-1 - i] != after[-1 - i]), room)
    a, b = before[head : len(before) - tail], after[head : len(after) - tail]
    if not a and not b:
        return
    lead, trail = min(head, CONTEXT), min(tail, CONTEXT)
    ops = SequenceMatcher(None, a, b).get_opcodes() if len(a) * len(b) <= COMPARED else [_whole(a, b)]
    moved: list[Op] = [(kind, i + head, j + head, k + head, m + head) for kind, i, j, k, m in ops]
    i, k = head + len(a), head + len(b)
    around = [("equal", head - lead, head, head - lead, head), *moved, ("equal", i, i + trail, k, k + trail)]
    yield from _apart([op for op in around if op[1:] != (op[1], op[1], op[3], op[3])])


def _whole(a: Sequence[str], b: Sequence[str]) -> Op:
    return ("replace", 0, len(a), 0, len(b))


def _apart(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """One group a stretch of changes: split where more than twice the context is equal."""
    group: list[Op] = []
    for kind, a, b, c, d in ops:
        if kind == "equal" and b - a > 2 * CONTEXT:
            yield [*group, (kind, a, a + CONTEXT, c, c + CONTEXT)]
            group = [(kind, b - CONTEXT, b, d - CONTEXT, d)]
        else:
            group.append((kind, a, b, c, d))
    yield group


def _range(start: int, stop: int) -> str:
    length = stop - start
    first = start + 1 if length else start
    return f"{first}" if length == 1 else f"{first},{length}"


def _marked(sign: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
