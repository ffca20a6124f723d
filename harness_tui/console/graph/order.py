"""Where in its column a node stands: an order with few crossings, then rows on which no two lines meet by chance."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

SWEEPS = 5
"""There and back; the last goes left to right, as rows are given."""
MANY = 5_000
"""Nodes from which on three are enough."""


def sweep(columns: list[list[int]], before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> None:
    """Sort each column, in place, by the barycentre of its neighbours' places, a few times."""
    at = [0.0] * len(before)
    for column in columns:
        for i, node in enumerate(column):
            at[node] = i
    for turn in range(SWEEPS if len(at) < MANY else 3):
        forth = turn % 2 == 0
        near = before if forth else after
        for column in columns if forth else reversed(columns):
            for node in column:
                if beside := near[node]:
                    at[node] = sum([at[each] for each in beside]) / len(beside)
            column.sort(key=at.__getitem__)
            for i, node in enumerate(column):
                at[node] = i


def rows(columns: Sequence[Sequence[int]], before: Sequence[Sequence[int]]) -> list[int]:
    """The row of each node. A row that the column to the left uses is given only to what follows from its node: so in
    the gutter between them a line that ends on a row never lies on one that begins there."""
    row = [0] * len(before)
    above: set[int] = set()
    for column in columns:
        tall = max(max(above, default=-1) + 1, len(above) + len(column))
        kept = _straight(column, before, row)
        taken = set(kept.values())
        ceiling, late = tall, list[int]()
        ceilings = {node: (ceiling := kept.get(node, ceiling)) for node in reversed(column)}
        last = -1
        for i, node in enumerate(column):
            if node not in kept:
                y = _between(last, ceilings[node], len(column) - i, [row[each] for each in before[node]], above, taken)
                if y < 0:
                    late.append(node)
                    continue
                row[node] = y
                taken.add(y)
            else:
                row[node] = kept[node]
            last = row[node]
        spare = [y for y in range(tall if late else 0) if y not in above and y not in taken]
        for node in late:  # their order is given up before the drawing grows without end
            middle = fmean([row[each] for each in before[node]]) if before[node] else 0.0
            at = bisect_left(spare, middle)
            at -= at == len(spare) or bool(at and middle - spare[at - 1] < spare[at] - middle)
            row[node] = spare.pop(at)
            taken.add(row[node])
        above = taken
    return row


def _straight(column: Sequence[int], before: Sequence[Sequence[int]], row: Sequence[int]) -> dict[int, int]:
    """Nodes that follow from one node alone, and are the only ones to do so, as far as their order allows: these edges
    are straight."""
    single = Counter(before[node][0] for node in column if len(before[node]) == 1)
    kept: dict[int, int] = {}
    last = -1
    for node in column:
        if len(before[node]) == 1 and single[before[node][0]] == 1 and row[before[node][0]] > last:
            kept[node] = last = row[before[node][0]]
    return kept


def _between(last: int, ceiling: int, left: int, mine: list[int], above: set[int], taken: set[int]) -> int:
    """A row after `last` and before `ceiling`: one of the rows it follows from, the middle one if there is room for the
    `left` nodes still to come, else the next free one; -1 = there is none."""
    ahead = sorted(each for each in mine if last < each < ceiling and each not in taken)
    if ahead:
        middle = fmean(mine)
        y = min(ahead, key=lambda each: abs(each - middle))
        return y if y + left <= ceiling else ahead[0]
    y = last + 1
    while y < ceiling and (y in above or y in taken):
        y += 1
    return y if y < ceiling else -1
