"""Pane 3 where the selected run is a graph: its own line, the view that was chosen, and what it waits for.

What a drawing is made of comes from `console.graph`; here it is put together from the state that is there now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...domain.dag.state import DagState, JobState
from ...domain.safetext import clip as safe_clip
from ...domain.safetext import safe
from ...domain.views import RunRow
from ..graph import names
from ..lines import Line, Span, blank, fit, spread, width_of
from ..stores.dags import Graph, View, patch_of
from ..stores.filter import Filter
from . import empty, runs
from .table import pointed
from .words import age, clock, money, state_word, tokens

if TYPE_CHECKING:
    from ...domain.dag.analysis import Analysis
    from ..graph.layers import Direction
    from ..graph.look import Look
    from ..graph.outline import OutlineRow
    from ..graph.shape import Shape
    from ..model import Model

VIEWS: tuple[View, ...] = ("outline", "layers", "gantt")
WIDE = 100
"""Cells from which on the graph is drawn as one by itself."""
TEXT = 200
AROUND = 2
"""Lines of a list that are no rows of it: its heads and its legend."""
LONG = 2000
"""Lines of a change that are shown here; the request in 4 has all of them."""
LOW = 8
"""Lines below which there is no foot."""


def selected(m: Model) -> RunRow | None:
    """The selected run, if it is a graph."""
    row = m.world.views.runs.get(m.runs.current)
    return row if row and row.kind == "dag" else None


def graph(m: Model) -> Graph | None:
    """What is known of it job by job."""
    row = selected(m)
    return m.dags.get(row.id) if row else None


def job(m: Model) -> JobState | None:
    """The job under the cursor."""
    found = graph(m)
    return found.state.jobs.get(found.cursor) if found and found.state else None


def view(m: Model, width: int) -> View:
    return m.dags.view or ("layers" if width >= WIDE else "outline")


def after(now: View) -> View:
    """The next one."""
    return VIEWS[(VIEWS.index(now) + 1) % len(VIEWS)] if now in VIEWS else VIEWS[0]


def drawn(m: Model, of: Graph) -> View:
    """What shows: while a filter is on, the list of what it lets through."""
    chosen = view(m, m.inner(3)[0])
    return "outline" if m.filters.get(3) or (chosen == "layers" and of.shape is None) else chosen


def order(m: Model, of: Graph) -> list[str]:
    """What the cursor goes through from the top to the end."""
    if of.state is None:
        return []
    shown = drawn(m, of)
    if shown == "layers" and of.shape:
        nodes = of.shape.nodes.values()
        return [node.key for node in sorted(nodes, key=lambda node: (node.rank, node.row))]
    if shown == "gantt":
        from ..graph.gantt import order as by_start

        return by_start(of.state)
    return [row.ident for row in rows(m, of)]


def rows(m: Model, of: Graph) -> list[OutlineRow]:
    """The outline, made once for each plan; under a filter the jobs it lets through, none of them folded."""
    from ..graph.outline import rows as outline

    s, wanted = of.state, m.filters.get(3)
    if s is None:
        return []
    folds = frozenset() if wanted else of.folds or frozenset()
    made_of = (s.digest, folds, of.critical)
    if of.listed != made_of:
        of.rows, of.listed, of.matched = outline(s, folds, of.critical), made_of, None
    if not wanted:
        return of.rows
    asked = (s.seq, wanted.source)
    if of.matched is None or of.matched[0] != asked:
        flat = (replace(row, depth=0, trunk=()) for row in of.rows if _matches(s, row.ident, wanted))
        of.matched = (asked, list(flat))
    return of.matched[1]


def _matches(s: DagState, ident: str, wanted: Filter) -> bool:
    known = s.jobs.get(ident)
    if known is None:
        return False
    spec = known.spec
    return wanted.lets(spec.kind or "", names.word(known), known.child, lambda: f"{ident} {spec.title} {known.error}")


def neighbour(of: Graph, direction: Direction) -> str:
    """Where an arrow leads in the layers."""
    from ..graph.layers import neighbour as beside

    return beside(of.shape, of.cursor, direction) if of.shape else of.cursor


def right(run: RunRow) -> str:
    """The pane's rule."""
    return runs.progress(run).strip()


def body(m: Model, width: int, height: int) -> list[Line]:
    row, of = selected(m), graph(m)
    if row is None or of is None or of.state is None:
        return _coming(m, row, of, width, height)
    analysis = of.analysis(m.now())
    foot = _foot(m, row, of, of.state, analysis, width) if height >= LOW else []
    head = _head(m, row, of, of.state, width)
    room = max(0, height - 1 - len(foot))
    middle = _drawing(m, of, of.state, analysis, width, room)[:room]
    return [head, *middle, *[blank(width)] * (room - len(middle)), *foot][:height]


def _coming(m: Model, row: RunRow | None, of: Graph | None, width: int, height: int) -> list[Line]:
    name = safe_clip(row.id, 20) if row else ""
    if of and of.trouble:
        return empty.lines(m, 3, width, height, f"{name} cannot be shown: {safe(of.trouble)}", (("R", "ask again"),))
    return empty.lines(m, 3, width, height, f"{name}: its jobs are on their way.", (("2", "pick another run"),))


def _drawing(m: Model, of: Graph, s: DagState, analysis: Analysis | None, width: int, height: int) -> list[Line]:
    """The view that was chosen, windowed so that the cursor is on it."""
    from ..graph.gantt import draw_gantt
    from ..graph.look import keep
    from ..graph.outline import draw_outline

    shown = drawn(m, of)
    if shown == "layers" and of.shape:
        return _layers(m, of, of.shape, s, width, height)
    look, idents = _look(m, of), order(m, of)
    if not idents:
        words = f"No job matches /{m.shown_filter_of(3)}." if m.filters.get(3) else "The plan has no jobs."
        return [fit((Span(f"  {words}", "dim"),), width)]
    at = idents.index(of.cursor) if of.cursor in idents else 0
    of.top = keep(of.top, at, height - AROUND, len(idents))
    if shown == "gantt":
        return draw_gantt(s, look, width, height, of.top)
    return draw_outline(rows(m, of), s, look, width, height, of.top)


def _look(m: Model, of: Graph, x: int = 0, y: int = 0) -> Look:
    from ..graph.look import Look

    return Look(of.cursor, x, y, of.critical, m.glyphs, of.now(m.now()), m.now(), m.focus == 3)


def _layers(m: Model, of: Graph, shape: Shape, s: DagState, width: int, height: int) -> list[Line]:
    """The part of the drawing the cursor is in; it moves only as far as it must."""
    from ..graph.layers import draw, where

    if not of.cursor:
        of.x = of.y = 0
    elif shape.node(of.cursor):
        x, y, size = where(shape, of.cursor)
        of.x = max(min(of.x, x), x + min(size, width) - width)
        of.y = max(min(of.y, y), y + 1 - height)
    of.x = max(0, min(of.x, shape.width - width))
    of.y = max(0, min(of.y, shape.height - height))
    return draw(shape, s, _look(m, of, of.x, of.y), width, height)


def patch_rows(m: Model, ident: str, width: int) -> list[Line]:
    """A change of the plan, job by job; `ident` is `r20/0`, the newest."""
    from ..graph.diff import draw_patch, size

    run, _, back = ident.partition("/")
    of = m.dags.get(run)
    found = patch_of(of.state, int(back)) if of and of.state else None
    if of is None or of.state is None or found is None:
        return [fit((Span("  it is not here any more", "dim"),), width)]
    s, (patch, jobs) = of.state, found
    key = (patch.number, s.seq, width)
    if of.patch is None or of.patch[0] != key:
        lines = size(s, patch, jobs)
        drawn = draw_patch(s, patch, jobs, width, min(lines, LONG))
        if lines > LONG:
            drawn.append(fit((Span(f"  and {lines - LONG:,} more lines", "dim"),), width))
        of.patch = (key, drawn)
    return of.patch[1]


# -- around the drawing -----------------------------------------------------------------------------------------------


def _head(m: Model, row: RunRow, of: Graph, s: DagState, width: int) -> Line:
    """The line of the whole run; the cursor is on it as long as no job is chosen."""
    word = state_word(row)
    spent = row.usage.total
    left = [Span("  "), Span(f"{safe_clip(row.id, 20)} {safe_clip(row.title, 60)}", "title"), Span("  ")]
    left += [runs.state(m, word), Span(f"  {runs.progress(row)}")]
    if s.paused and not s.finished:
        why = f": {s.paused.reason}" if s.paused.reason else ""
        left.append(Span(f"paused by {safe_clip(s.paused.by + why, 60)}  ", "paused"))
    if s.planning:
        left.append(Span("planning  ", "run"))
    if s.asked:
        left += [Span(f"{safe_clip(s.asked, 20)} wider plan  ", "ask")]
    tail = [Span(f"{tokens(spent)} tok ${money(row.money, spent, row.mark)} " if spent else "", "dim")]
    shown = m.filters.get(3)
    tail.append(Span(f"/{m.shown_filter_of(3)} " if shown else f"{drawn(m, of)} ", "match" if shown else "dim"))
    line = spread(left, [span for span in tail if span.text], width)
    return pointed(line, m.glyphs.cursor, m.focus == 3) if not of.cursor else line


def _foot(m: Model, row: RunRow, of: Graph, s: DagState, analysis: Analysis | None, width: int) -> list[Line]:
    """The way that takes longest, who is waited for, and when it will be over: always two lines, so that none moves."""
    if analysis is None:
        return [blank(width), blank(width)]
    way = (Span("  critical path  ", "dim"), *_way(s, analysis, width - 18))
    return [fit(way, width), spread(_waits(m, of, s, analysis), _ends(m, of, s, analysis), width)]


def _way(s: DagState, analysis: Analysis, room: int) -> list[Span]:
    """`fetch-b > score-b (retry) > merge`; where it is too long, from what is not done yet."""
    way = [ident for ident in analysis.critical if ident in s.jobs]
    out = _named(s, way, room)
    if width_of(out) > room:
        rest = next((i for i, ident in enumerate(way) if not s.jobs[ident].over), len(way))
        if rest == len(way):  # all is done: as much of its end as fits
            rest = next((i for i in range(len(way)) if width_of(_named(s, way[i:], room)) <= room - 6), len(way) - 1)
        out = [Span("... > ", "dim"), *_named(s, way[rest:], room)]
    return out


def _named(s: DagState, way: list[str], room: int) -> list[Span]:
    """As many as there is room for, and one more."""
    out: list[Span] = []
    for ident in way:
        word = names.word(s.jobs[ident])
        note = "" if word in ("wait", "done") else f" ({word})"
        out += [*([Span(" > ", "dim")] if out else []), Span(f"{safe_clip(ident, 40)}{note}", _token(word))]
        if width_of(out) > room:
            break
    return out


def _token(word: str) -> str:
    return {"wait": "base", "done": "dim", "run": "base"}.get(word, word)


def _waits(m: Model, of: Graph, s: DagState, analysis: Analysis) -> list[Span]:
    """`waits for you  approve-plan (A-31) 9 s, holds 2 jobs`."""
    if s.asked:
        return [Span("  waits for you  ", "ask"), Span(f"{safe_clip(s.asked, 20)} a wider plan   a goes there")]
    if not analysis.waiting:
        return [Span("  nothing waits for you", "dim")]
    ident = analysis.waiting[0]
    asks, more = s.jobs[ident], len(analysis.waiting) - 1
    held = analysis.holds.get(ident, 0)
    text = f"{safe_clip(ident, 40)} ({safe_clip(asks.approval, 20)})"
    if asks.bars:
        text += f" {age(of.now(m.now()) - asks.bars[-1].start)}"
    text += f", holds {held:,} job{'' if held == 1 else 's'}" if held else ""
    return [Span("  waits for you  ", "ask"), Span(f"{text}{f', and {more} more' if more else ''}")]


def _ends(m: Model, of: Graph, s: DagState, analysis: Analysis) -> list[Span]:
    if s.finished:
        verified = {True: ", verified", False: "", None: ""}[s.finished.verified]
        return [Span(f"{s.finished.state}{verified} ", "dim")]
    if s.paused:
        return [Span("paused ", "paused")]
    if analysis.finish is None:
        return [Span("finish unknown ", "dim")]
    at = m.now() + analysis.finish - of.now(m.now())
    return [Span(f"est. finish {clock(at, m.offset, seconds=False)} ", "dim")]
