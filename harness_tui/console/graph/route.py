"""Edges in the gutter between two columns: which of them share a line, and on which track its upright part is."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CLEAR = 12
"""Tracks up to which every source has a line of its own."""
MOST = 20
"""Tracks a gutter has at most: beyond, lines share them."""
BLOCK = 32
"""Rows of one entry in a gutter's index, at least."""
BLOCKS = 64
"""Entries of an index at most."""


class Net:
    """One line: every row of `lefts` leads to every row of `rights` (both sorted). track -1: straight across."""

    __slots__ = ("bottom", "lefts", "rights", "top", "track")

    def __init__(self, lefts: tuple[int, ...], rights: tuple[int, ...]) -> None:
        self.lefts, self.rights, self.track = lefts, rights, -1
        self.top = min(lefts[0], rights[0])
        self.bottom = max(lefts[-1], rights[-1])


@dataclass(slots=True)
class Gutter:
    """Between two columns.

    Attributes:
        blocks: lines by the blocks of `block` rows they touch; `beginning` by the rows they begin on.
    """

    nets: list[Net]
    tracks: int = 0
    block: int = BLOCK
    blocks: dict[int, list[int]] = field(default_factory=dict)
    beginning: dict[int, list[int]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return max(3, self.tracks + 2)

    def touching(self, top: int, bottom: int) -> list[Net]:
        """Lines that touch rows `top` to `bottom` - 1, in their order."""
        found: set[int] = set()
        for block in range(top // self.block, (bottom - 1) // self.block + 1):
            found.update(self.blocks.get(block, ()))
        return [self.nets[i] for i in sorted(found)]

    def line(self, left: int, right: int) -> Net | None:
        """The line that leads from one row to the other."""
        for i in self.beginning.get(left, ()):
            ends = self.nets[i].rights
            at = bisect_left(ends, right)
            if at < len(ends) and ends[at] == right:
                return self.nets[i]
        return None


def route(edges: Mapping[int, Sequence[int]]) -> Gutter:
    """Lines for edges between rows; edges: row on the left -> rows on the right, sorted."""
    nets = _alike(edges.items())
    if not _track(nets, CLEAR):
        nets = _hubs(edges)
        _track(nets, MOST)
    gutter = Gutter(nets, 1 + max((net.track for net in nets), default=-1))
    gutter.block = size = max(BLOCK, max((net.bottom for net in nets), default=0) // BLOCKS + 1)
    for i, net in enumerate(nets):
        for block in range(net.top // size, net.bottom // size + 1):
            gutter.blocks.setdefault(block, []).append(i)
        for row in net.lefts:
            gutter.beginning.setdefault(row, []).append(i)
    return gutter


def _alike(edges: Iterable[tuple[int, Sequence[int]]]) -> list[Net]:
    """One line for all that lead to the very same rows: it says nothing that is not so."""
    found: dict[tuple[int, ...], list[int]] = {}
    for left, rights in edges:
        found.setdefault(tuple(rights), []).append(left)
    return [Net(tuple(sorted(lefts)), rights) for rights, lefts in found.items()]


def _hubs(edges: Mapping[int, Sequence[int]]) -> list[Net]:
    """One line for whatever has more edges, the source or the target: thousands that lead into one job are one line,
    and what else they lead to is another."""
    into: dict[int, int] = {}
    for rights in edges.values():
        for right in rights:
            into[right] = into.get(right, 0) + 1
    sources: dict[int, list[int]] = {}
    targets: dict[int, list[int]] = {}
    for left, rights in edges.items():
        for right in rights:
            if into[right] > len(rights):
                targets.setdefault(right, []).append(left)
            else:
                sources.setdefault(left, []).append(right)
    back = [Net(net.rights, net.lefts) for net in _alike((right, sorted(lefts)) for right, lefts in targets.items())]
    return [*_alike(sources.items()), *back]


def _track(nets: Iterable[Net], most: int) -> bool:
    """Give the lines tracks on which they do not touch; False: there are not enough, and they share what there is.

    Of lines that go down the lower begin further left, of those that go up the upper: then they do not cross.
    """
    bent = [net for net in nets if net.top < net.bottom]
    down = [net for net in bent if net.bottom - net.lefts[0] >= net.lefts[0] - net.top]
    ups = [net for net in bent if net.bottom - net.lefts[0] < net.lefts[0] - net.top]
    down.sort(key=lambda net: (-net.lefts[0], -net.bottom))
    ups.sort(key=lambda net: (net.lefts[0], net.top))
    enough = _density(bent) <= most
    tracks: list[list[tuple[int, int]]] = [[] for _ in range(most if enough else 0)]
    for i, net in enumerate((*down, *ups)):
        net.track = i % most
        stretch = (net.top, net.bottom)
        for number, track in enumerate(tracks):
            at = bisect_left(track, stretch)
            if (not at or track[at - 1][1] + 1 < net.top) and (at == len(track) or track[at][0] > net.bottom + 1):
                insort(track, stretch)
                net.track = number
                break
        else:
            enough = False
    return enough


def _density(nets: Sequence[Net]) -> int:
    """How many lines touch one row at most, a free row between two on one track included."""
    begins = sorted([net.top for net in nets])
    ends = sorted([net.bottom + 1 for net in nets])
    most = over = 0
    for i, begin in enumerate(begins):
        while ends[over] < begin:
            over += 1
        most = max(most, i + 1 - over)
    return most
