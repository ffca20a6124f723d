"""The layered drawing: a column for each rank, boxes joined by box characters. Only what is seen is drawn.

A box begins where its node lies and is as long as what it says; the edges begin where it ends, so nothing moves when a
state changes.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Literal

from ...domain.dag.state import DagState, JobState
from ..lines import Line, Span, clip, over, width_of
from .look import Look
from .names import counted, crop, token, took, word
from .shape import COUNTS, Node, Shape
from .strokes import ACROSS, PLAIN, Canvas, sign

__all__ = ["Direction", "Look", "draw", "neighbour", "tally", "where"]

Direction = Literal["left", "right", "up", "down"]
ON_PATH, AT_CURSOR = 1, 2
GONE = "gone"
"""Of a job that the plan no longer has, until the new drawing is there."""


def draw(shape: Shape, s: DagState, look: Look, width: int, height: int) -> list[Line]:
    """`height` lines of `width` cells: the drawing from cell (`look.x`, `look.y`) on."""
    first = max(0, bisect_right(shape.places, look.x, key=lambda place: place.x) - 1)
    last = bisect_right(shape.places, look.x + width - 1, key=lambda place: place.x)
    canvases = [Canvas(gutter, look.y, height) for gutter in shape.gutters[first:last]]
    marks = _marks(shape, look, first, canvases)
    start = shape.places[first].x if shape.places else 0
    out: list[Line] = []
    for y in range(look.y, look.y + height):
        line: list[Span] = []
        for rank in range(first, last):
            line += _place(shape, s, look, rank, y, marks.get((rank, y), 0))
            if rank - first < len(canvases):
                line += canvases[rank - first].line(y, look.glyphs)
                line[-1] = _enters(shape, look, rank + 1, y, line[-1])
        out.append(crop(tuple(line), look.x - start, width))
    return out


def where(shape: Shape, ident: str) -> tuple[int, int, int]:
    """x, y and cells of the column of a job or a group; (0, 0, 0) of what is not there."""
    node = shape.node(ident)
    if node is None:
        return 0, 0, 0
    place = shape.places[node.rank]
    return place.x, node.row, place.width


def neighbour(shape: Shape, ident: str, direction: Direction) -> str:
    """Where an arrow key leads: along an edge to the nearest row, or up and down in the rank; else it stays."""
    node = shape.node(ident)
    if node is None:
        return next(iter(shape.nodes), "")
    if direction in ("left", "right"):
        keys = (shape.before if direction == "left" else shape.after)[node.key]
        near = min(
            (shape.nodes[key] for key in keys),
            key=lambda each: (abs(each.rank - node.rank), abs(each.row - node.row), each.row),
            default=node,
        )
        return near.key
    column = shape.ranks[node.rank]
    at = column.index(node.key) + (1 if direction == "down" else -1)
    return column[min(max(at, 0), len(column) - 1)]


def tally(shape: Shape, s: DagState, node: Node) -> tuple[str, str]:
    """The gravest state of a group, and what its jobs do, counted once for each event of the run."""
    known = shape.tallies.get(node.key)
    if known is None or known[0] != s.seq:
        jobs = (s.jobs.get(ident) for ident in node.jobs)
        known = s.seq, *counted(word(job) for job in jobs if job)
        shape.tallies[node.key] = known
    return known[1], known[2]


# -- boxes ----------------------------------------------------------------------------------------------------------


def _place(shape: Shape, s: DagState, look: Look, rank: int, y: int, marks: int) -> list[Span]:
    """One row of a column: a box and how it goes on, a long edge on its way, or nothing."""
    place = shape.places[rank]
    if y not in place.by_row:
        return [Span(" " * place.width)]
    node = place.by_row[y]
    edge = sign(look.glyphs, ACROSS, ACROSS * bool(marks & ON_PATH), ACROSS * bool(marks & AT_CURSOR))
    if node is None:
        return [Span(edge.text * place.width, edge.token)]
    box = _box(shape, s, look, node, place.width - shape.signs)
    if node is shape.node(look.cursor):
        box = (Span(look.glyphs.cursor, "focus"), *box[1:])
        box = over(box, "cursor") if look.focused else box
    rest = place.width - width_of(box)
    if node.leaves:
        box = (*box, Span(_on(look), PLAIN))
        rest -= 1
    goes = rank < len(shape.gutters) and y in shape.gutters[rank].beginning
    return [*box, Span(edge.text * rest, edge.token) if goes else Span(" " * rest)]


def _enters(shape: Shape, look: Look, rank: int, y: int, end: Span) -> Span:
    """The end of a gutter, with the sign that an edge which is not drawn ends here."""
    node = shape.places[rank].by_row.get(y)
    return Span(f"{end.text[:-1]}{_on(look)}", end.token) if node and node.enters and end.text.isspace() else end


def _on(look: Look) -> str:
    return ">" if look.glyphs.ascii else look.glyphs.fold


def _box(shape: Shape, s: DagState, look: Look, node: Node, room: int) -> Line:
    """`[+ fetch-a done 4.1s]`: sign, name, word, and what else fits."""
    name = Span(node.label, "title" if look.critical and node.key in _path(shape, look) else "base")
    if len(node.jobs) > 1:
        state, text = tally(shape, s, node)
        return _boxed(look, state, name, clip(text, COUNTS))
    job = s.jobs.get(node.jobs[0])
    if job is None:
        return _boxed(look, "note", name, GONE)
    state = word(job)
    more = _more(job, look)
    left = room - node.size - 5 - len(state)
    return _boxed(look, state, name, f"{state} {more}" if more and len(more) < left else state)


def _boxed(look: Look, state: str, name: Span, text: str) -> Line:
    mark = token(state)
    return (
        Span("[", PLAIN),
        Span(look.glyphs.state(state), mark),
        Span(" "),
        name,
        Span(" "),
        Span(text, mark),
        Span("]", PLAIN),
    )


def _more(job: JobState, look: Look) -> str:
    """Which try it is, or for how long it has been so."""
    tries = job.tries + (job.state == "retrying")
    if tries > 1 and not job.over:
        return f"{tries}/{job.spec.retry.attempts}"
    if job.bars and job.bars[-1].end < 0:
        return took(look.now_t - job.bars[-1].start)
    return ""


# -- marked edges ---------------------------------------------------------------------------------------------------


def _path(shape: Shape, look: Look) -> dict[str, Node]:
    """Nodes of the critical path by rank."""
    if shape.path[0] is not look.critical:
        found = {node.key: node for node in (shape.node(ident) for ident in look.critical) if node}
        by_rank = sorted(found.values(), key=lambda node: (node.rank, node.row))
        shape.path = look.critical, {node.key: node for node in by_rank}
    return shape.path[1]


def _marks(shape: Shape, look: Look, first: int, canvases: list[Canvas]) -> dict[tuple[int, int], int]:
    """Mark what is critical, and the edges of the selected node; where in the columns these pass: (rank, row)."""
    edges = [(a.key, b.key, ON_PATH) for a, b in pairwise(_path(shape, look).values()) if a.key in shape.before[b.key]]
    chosen = shape.node(look.cursor)
    if chosen:
        edges += [(each, chosen.key, AT_CURSOR) for each in shape.before[chosen.key]]
        edges += [(chosen.key, each, AT_CURSOR) for each in shape.after[chosen.key]]
    marks: dict[tuple[int, int], int] = {}
    for a, b, kind in edges:
        if shape.nodes[b].rank < first or shape.nodes[a].rank >= first + len(canvases):
            continue
        for rank, left, right in shape.hops(a, b):
            if 0 <= rank - first < len(canvases):
                marks[rank, left] = marks.get((rank, left), 0) | kind
                canvases[rank - first].mark(left, right, critical=kind == ON_PATH)
    return marks
