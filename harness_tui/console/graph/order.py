"""Where in its column a node stands: an order with few crossings, then rows on which no two lines meet by chance."""

from __future__ import annotations

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
        taken: set[int] = set()
        last = -1
        spare = 0
        for i, node in enumerate(column):
            mine = [row[each] for each in before[node]]
            ahead = sorted(each for each in mine if each > last and each not in taken)
            if ahead:
                middle = fmean(mine)
                y = min(ahead, key=lambda each: abs(each - middle))
                y = y if y + len(column) - i <= tall else ahead[0]
                last = y
            else:
                y = last + 1
                while y in above or y in taken:
                    y += 1
                if y < tall or not i:
                    last = y
                else:  # the order is given up before the drawing grows without end
                    while spare in above or spare in taken:
                        spare += 1
                    y = spare
            taken.add(y)
            row[node] = y
        above = taken
    return row
