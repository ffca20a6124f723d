"""Where everything of a graph lies: columns by rank, rows, gutters with the edges between them. Nothing of its states.

`lay_out` is a pure function of the plan and what is folded: whoever draws calls it in the background, once for each
revision of the plan. Cells are counted from the drawing's upper left corner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from ...domain.dag.graph import Dag
from ...domain.dag.spec import Job
from ..lines import cells
from .folding import groups, suggest
from .names import WORD, middle
from .order import rows, sweep
from .route import Gutter, route

__all__ = ["Node", "Shape", "lay_out", "suggest"]

NAME = 24
"""Cells of a name at most."""
LONG = 9
"""Cells of `retry 2/3` and `ask 12.3s`."""
COUNTS = 18
"""Cells for what the jobs of a group do."""
LANES = (400, 6_000)
"""Cells of columns that long edges pass: so many more than nodes, and so many at most; beyond that, the longest edges
end in a sign."""


@dataclass(slots=True)
class Node:
    """A job, or several shown as one.

    Attributes:
        key: the job's id, or of a group `fetch-*@2`.
        label: safe and clipped; `size` its cells; `room` those for what it does.
        leaves, enters: it has edges that are not drawn.
    """

    key: str
    jobs: tuple[str, ...]
    label: str
    size: int
    rank: int
    room: int = WORD
    row: int = 0
    leaves: bool = False
    enters: bool = False


@dataclass(slots=True)
class Place:
    """One column. by_row: its nodes, and None where a long edge passes."""

    x: int
    width: int
    by_row: dict[int, Node | None] = field(default_factory=dict)


@dataclass(slots=True)
class Shape:
    """A laid out graph.

    Attributes:
        of: job -> node, of folded jobs.
        before, after: node -> nodes it has edges with, in the plan's order.
        far: (node, node) -> the long edge's lane, or -1 where it is not drawn.
        lanes: (lane, rank) -> row.
        gutters: `gutters[i]` lies right of `places[i]`.
        ranks: the nodes of each column, from top to bottom.
        signs: some edges are not drawn; boxes leave a cell for the sign of that.
        tallies, path: what the jobs of a group do, and the critical path by rank: kept by who draws.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)
    far: dict[tuple[str, str], int] = field(default_factory=dict)
    lanes: dict[tuple[int, int], int] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    gutters: list[Gutter] = field(default_factory=list)
    ranks: list[list[str]] = field(default_factory=list)
    signs: bool = False
    width: int = 0
    height: int = 0
    tallies: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    path: tuple[Collection[str], dict[str, Node]] = field(default_factory=lambda: ((), {}))

    def node(self, ident: str) -> Node | None:
        """The node of a job, or of a group's key."""
        return self.nodes.get(self.of.get(ident, ident))

    def hops(self, source: str, target: str) -> Iterator[tuple[int, int, int]]:
        """The way of an edge: (gutter, row on its left, row on its right) for each; nothing where it is not drawn."""
        a, b = self.nodes[source], self.nodes[target]
        lane = self.far.get((source, target), -1)
        if b.rank > a.rank + 1 and lane < 0:
            return
        row = a.row
        for rank in range(a.rank, b.rank):
            at = b.row if rank + 1 == b.rank else self.lanes[lane, rank + 1]
            yield rank, row, at
            row = at


def lay_out(
    dag: Dag, folds: frozenset[str] = frozenset(), *, width_of: Callable[[str], int] = cells, name: int = NAME
) -> Shape:
    """Lay out a plan. folds: `fetch-*` and `rank:3`, see `suggest`; name: cells of a name at most."""
    shape = Shape()
    ranks = dag.ranks()
    for key, fold, jobs in groups(dag, ranks, folds):
        label = f"{middle(fold or key, name)} x{len(jobs)}" if fold else middle(key, name)
        room = COUNTS if fold else _room(dag.jobs[key])
        shape.nodes[key] = Node(key, tuple(jobs), label, width_of(label), ranks[jobs[0]], room)
        shape.before[key], shape.after[key] = [], []
        if fold:
            shape.of.update(dict.fromkeys(jobs, key))
    for key, node in shape.nodes.items():
        deps = (shape.of.get(dep, dep) for ident in node.jobs for dep in dag.jobs[ident].deps)
        shape.before[key] = list(dict.fromkeys(deps))
        for dep in shape.before[key]:
            shape.after[dep].append(key)
    _Layout(shape).run()
    return shape


def _room(job: Job) -> int:
    """Cells for what it does: more where which try it is, or how long it waits, is to be seen."""
    return LONG if job.retry.attempts > 1 or job.gate is not None else WORD


class _Layout:
    """Nodes and lanes of long edges as numbers, column by column."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.keys = list(shape.nodes)
        self.number = {key: i for i, key in enumerate(self.keys)}
        self.columns: list[list[int]] = [[] for _ in range(1 + max((n.rank for n in shape.nodes.values()), default=-1))]
        self.before: list[list[int]] = [[] for _ in self.keys]
        self.after: list[list[int]] = [[] for _ in self.keys]
        self.lane: dict[int, tuple[int, int]] = {}

    def run(self) -> None:
        for key, node in self.shape.nodes.items():
            self.columns[node.rank].append(self.number[key])
        self._edges()
        sweep(self.columns, self.before, self.after)
        row = rows(self.columns, self.before)
        for key, node in self.shape.nodes.items():
            node.row = row[self.number[key]]
        for number, lane in self.lane.items():
            self.shape.lanes[lane] = row[number]
        self._measure(row)

    def _edges(self) -> None:
        """Edges to the next column, and those that go on through lanes."""
        shape = self.shape
        far: list[tuple[int, int]] = []
        for key, before in shape.before.items():
            rank, b = shape.nodes[key].rank, self.number[key]
            for each in before:
                a = self.number[each]
                if shape.nodes[each].rank + 1 == rank:
                    self._link(a, b)
                else:
                    far.append((a, b))
        if far:
            self._lanes(far)

    def _lanes(self, far: list[tuple[int, int]]) -> None:
        """A lane belongs to one source or to one target, whichever has more long edges."""
        nodes = [self.shape.nodes[key] for key in self.keys]
        leaving, entering = Counter(a for a, _ in far), Counter(b for _, b in far)
        reach: dict[tuple[bool, int], tuple[int, int]] = {}
        for a, b in far:
            into = entering[b] > leaving[a]
            owner = (into, b if into else a)
            first, last = reach.get(owner, (len(self.columns), 0))
            reach[owner] = min(first, nodes[a].rank + 1), max(last, nodes[b].rank - 1)
        room = min(LANES[0] + len(nodes), LANES[1])
        lanes: dict[tuple[bool, int], tuple[int, dict[int, int]]] = {}
        for owner in sorted(reach, key=lambda each: (reach[each][1] - reach[each][0], each)):
            first, last = reach[owner]
            room -= last - first + 1
            if room < 0:
                break
            lanes[owner] = (len(lanes), self._lane(len(lanes), first, last))
        for a, b in far:
            into = entering[b] > leaving[a]
            lane, steps = lanes.get((into, b if into else a), (-1, {}))
            self.shape.far[self.keys[a], self.keys[b]] = lane
            if not steps:
                nodes[a].leaves = nodes[b].enters = True
                continue
            if into:
                self._link(a, steps[nodes[a].rank + 1])
            else:
                self._link(steps[nodes[b].rank - 1], b)
        for (into, number), (_, steps) in lanes.items():
            if into:
                self._link(steps[max(steps)], number)
            else:
                self._link(number, steps[min(steps)])

    def _lane(self, lane: int, first: int, last: int) -> dict[int, int]:
        """One more lane through these columns: rank -> its number there."""
        steps: dict[int, int] = {}
        for rank in range(first, last + 1):
            steps[rank] = len(self.before)
            self.lane[steps[rank]] = (lane, rank)
            self.columns[rank].append(steps[rank])
            self.before.append([])
            self.after.append([])
            if rank > first:
                self._link(steps[rank - 1], steps[rank])
        return steps

    def _link(self, a: int, b: int) -> None:
        self.after[a].append(b)
        self.before[b].append(a)

    def _measure(self, row: list[int]) -> None:
        """Widths, and the lines in each gutter."""
        shape = self.shape
        shape.signs = any(node.leaves for node in shape.nodes.values())
        x = 0
        for i, column in enumerate(self.columns):
            nodes = [shape.nodes[self.keys[each]] for each in column if each < len(self.keys)]
            width = max(node.size + 5 + node.room for node in nodes)
            place = Place(x, width + shape.signs)
            for each in column:
                place.by_row[row[each]] = shape.nodes[self.keys[each]] if each < len(self.keys) else None
            shape.places.append(place)
            shape.ranks.append([node.key for node in sorted(nodes, key=lambda node: node.row)])
            x += place.width
            if i + 1 < len(self.columns):
                edges = {row[a]: sorted(row[b] for b in self.after[a]) for a in column if self.after[a]}
                shape.gutters.append(gutter := route(edges))
                x += gutter.width
        shape.width = x
        shape.height = 1 + max(row, default=-1)
