"""The outline: every job once, below the dependency it waits for longest, with what it takes and what it needs.

`rows` is made once for a plan and what is folded; drawing looks at the rows on screen alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...domain.dag.state import DagState, JobState
from ..lines import Line, Span, blank
from ..panes.table import Chosen, Column, choose, heads, pointed, row
from ..panes.words import money, tokens
from .folding import groups
from .look import Look, keep
from .names import counted, middle, token, took, word
from .notes import note

COLUMNS = (
    Column("node", 20, keep=10, flex=2, most=52),
    Column("state", 8, keep=9),
    Column("time", 6, right=True, keep=5),
    Column("tok", 6, right=True, keep=4),
    Column("$", 6, right=True, keep=3),
    Column("needs / note", 12, keep=8, flex=3, gap=2),
)
DEEP = 6
"""Levels that are indented; deeper ones say their depth."""
LOW = 4
"""Rows from which on there is a header."""


@dataclass(slots=True)
class OutlineRow:
    """One row.

    Attributes:
        ident: id of the job, or of several the key of their group as in the layers.
        jobs: ids of what is in the row itself; `hidden`: jobs below it that are folded away with it.
        text: name of the job or of the group, not yet clipped.
        trunk: of each level that is indented, its own last, whether more follows on it.
    """

    ident: str
    depth: int
    jobs: tuple[str, ...]
    text: str
    critical: bool
    trunk: tuple[bool, ...] = ()
    hidden: int = 0


def rows(s: DagState, folds: Collection[str] = (), critical: Collection[str] = ()) -> list[OutlineRow]:
    """The plan as a tree: a job is below the dependency with the longest way to it, the first such one it lists.

    folds: `fetch-*`, `rank:3`, or the id of a job whose branch is folded.
    """
    ranks = s.dag.ranks()
    found = groups(s.dag, ranks, folds)
    key_of = {ident: key for key, _, jobs in found for ident in jobs}
    below: dict[str, list[int]] = {"": []}
    for i, (_, _, jobs) in enumerate(found):
        deps = [dep for ident in jobs for dep in s.dag.jobs[ident].deps]
        parent = max(deps, key=ranks.__getitem__, default="")
        below.setdefault(key_of.get(parent, ""), []).append(i)
    marked = frozenset(critical)
    out: list[OutlineRow] = []
    stack: list[tuple[int, int, tuple[bool, ...]]] = _level(below[""], 0, ())
    shut: OutlineRow | None = None
    while stack:
        i, depth, trunk = stack.pop()
        key, fold, jobs = found[i]
        if shut and depth > shut.depth:
            shut.hidden += len(jobs)
        else:
            line = OutlineRow(key, depth, tuple(jobs), fold or key, not marked.isdisjoint(jobs), trunk)
            out.append(line)
            shut = line if key in folds else None
        stack += _level(below.get(key, ()), depth + 1, trunk)
    return out


def _level(children: Sequence[int], depth: int, trunk: tuple[bool, ...]) -> list[tuple[int, int, tuple[bool, ...]]]:
    """Children as they are taken from a stack, the first one last."""
    last = len(children) - 1
    kept = depth if depth <= DEEP else 0
    return [(child, depth, (*trunk, i < last) if kept else ()) for i, child in reversed([*enumerate(children)])]


def draw_outline(
    listed: Sequence[OutlineRow], s: DagState, look: Look, width: int, height: int, top: int = 0
) -> list[Line]:
    """`height` lines of `width` cells, from row `top` on, further where the cursor would not be seen."""
    chosen = choose(COLUMNS, width)
    out = [heads(COLUMNS, chosen, width)] if height >= LOW else []
    room = height - len(out)
    at = next((i for i, each in enumerate(listed) if each.ident == look.cursor), -1) if look.cursor else -1
    top = keep(top, at, room, len(listed))
    for i, each in enumerate(listed[top : top + room], top):
        line = _row(s, each, look, chosen, width)
        out.append(pointed(line, look.glyphs.cursor, look.focused) if i == at else line)
    return [*out, *[blank(width)] * (height - len(out))]


def _row(s: DagState, each: OutlineRow, look: Look, chosen: Sequence[Chosen], width: int) -> Line:
    room = next((cell.width for cell in chosen if cell.place == 0), 0)
    jobs = [s.jobs[ident] for ident in each.jobs if ident in s.jobs]
    if len(jobs) == 1:
        state, spent, words = word(jobs[0]), _spent(jobs, look.now_t), note(s, jobs[0], look)
    else:
        state, words = counted(word(job) for job in jobs)
        spent, words = _spent(jobs, look.now_t), "" if words == state else words
    plain = "dim" if state in ("done", "cancel") else "base"
    time, toks, usd = spent
    cells = (
        _name(each, look, room, "title" if each.critical else plain),
        Span(f"{look.glyphs.state(state)} {state}", token(state)),
        Span(took(time) if time else "", plain),
        Span(tokens(toks) if toks else "", plain),
        Span(money(usd, toks) if toks else "", plain),
        Span(words, "dim"),
    )
    return row(cells, chosen, width)


def _name(each: OutlineRow, look: Look, room: int, plain: str) -> Line:
    """Indentation, name, how many it stands for, and the sign of the critical path."""
    if each.depth > DEEP:
        indent = f"{'  ' * (DEEP - 1)}{look.glyphs.more}{each.depth} "
    elif look.glyphs.ascii or not each.depth:
        indent = "  " * each.depth
    else:
        branch, end, trunk = look.glyphs.tree
        levels = ("  ", f"{trunk} ")
        indent = "".join(levels[more] for more in each.trunk[:-1]) + (branch if each.trunk[-1] else end) + " "
    more = f" x{len(each.jobs)}" if len(each.jobs) > 1 else f" +{each.hidden}" if each.hidden else ""
    mark = f" {look.glyphs.crit}" if each.critical else ""
    name = middle(each.text, max(4, room - len(indent) - len(more) - len(mark)))
    return Span(indent, "faint"), Span(name, plain), Span(more, "dim"), Span(mark, "mark")


def _spent(jobs: Sequence[JobState], now_t: int) -> tuple[int, int, int | None]:
    """Time with an attempt under way (us), tokens, nano-dollars (None: of some nobody knows)."""
    time = sum((now_t if bar.end < 0 else bar.end) - bar.start for job in jobs for bar in job.bars)
    toks = sum(job.tokens for job in jobs)
    known = [job.usd for job in jobs if job.usd is not None]
    return time, toks, sum(known) if len(known) == len(jobs) else None
