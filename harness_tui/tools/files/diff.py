"""What a write changes, as a unified diff: complete, exact about last newlines, and never slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

CONTEXT = 3
"""Lines shown around a change."""
EDITS = 400
"""Lines added and removed up to which the shortest way is looked for; beyond, what differs is shown as one block."""
STEPS = 8_000_000
"""Lines compared at most: a long file is given fewer edits. No clock: the same change must always look the same."""

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
    ops = _shortest(a, b)
    moved: list[Op] = [(kind, i + head, j + head, k + head, m + head) for kind, i, j, k, m in ops]
    i, k = head + len(a), head + len(b)
    around = [("equal", head - lead, head, head - lead, head), *moved, ("equal", i, i + trail, k, k + trail)]
    yield from _apart([op for op in around if op[1:] != (op[1], op[1], op[3], op[3])])


def _shortest(a: Sequence[str], b: Sequence[str]) -> list[Op]:
    """What leads from `a` to `b` in the fewest lines (Myers, "An O(ND) difference algorithm"), else one block."""
    numbers: dict[str, int] = {}
    x, y = ([numbers.setdefault(line, len(numbers)) for line in lines] for lines in (a, b))
    ops: list[Op] = []
    i = k = 0
    for start, other, length in [*_common(x, y), (len(a), len(b), 0)]:
        if start > i or other > k:
            ops.append(("replace", i, start, k, other))
        if length:
            ops.append(("equal", start, start + length, other, other + length))
        i, k = start + length, other + length
    return ops


def _common(a: list[int], b: list[int]) -> list[tuple[int, int, int]]:
    """Runs of equal lines: where in `a`, where in `b`, how many. [] when there are more edits than are looked for."""
    n, m = len(a), len(b)
    most = min(EDITS, STEPS // (2 * min(n, m) + 1))
    if abs(n - m) > most:
        return []
    furthest = {1: 0}
    rounds = []
    for edits in range(min(most, n + m) + 1):
        rounds.append(furthest.copy())
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
            i = furthest[k + 1] if down else furthest[k - 1] + 1
            while i < n and i - k < m and a[i] == b[i - k]:
                i += 1
            furthest[k] = i
            if i >= n and i - k >= m:
                return _way_back(rounds, n, m)
    return []


def _way_back(rounds: list[dict[int, int]], i: int, j: int) -> list[tuple[int, int, int]]:
    runs = []
    for edits in range(len(rounds) - 1, -1, -1):
        furthest, k = rounds[edits], i - j
        down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
        before = furthest[k + 1] if down else furthest[k - 1]
        start = before if down else before + 1
        if i > start:
            runs.append((start, start - k, i - start))
        i, j = before, before - (k + 1 if down else k - 1)
    return runs[::-1]


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
