"""Pane 2, home: every run, and under it the tail of the one the cursor is on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...domain.messages import RISKS
from ...domain.safetext import clip as safe_clip
from ...domain.views import RunRow
from ..lines import Line, Span, blank
from ..stores.selection import window
from . import empty, trace
from .frame import note, section
from .table import Chosen, Column, choose, heads, pointed, row
from .words import age, money, state_word, tokens

if TYPE_CHECKING:
    from ..model import Model

COLUMNS = (
    Column("id", 4, keep=10),
    Column("title", 14, keep=8, flex=2, most=28),
    Column("state", 8, keep=9),
    Column("may", 5, keep=6),
    Column("tok", 6, right=True, keep=4),
    Column("$", 6, right=True, keep=2),
    Column("age", 5, right=True, keep=5),
    Column("last", 12, keep=3, flex=3, gap=2),
)
_MAY = {"acts": "", "asks": "?", "cannot": "-"}
TEXT = 200


def right(m: Model) -> str:
    counts = Counter(state_word(run) for run in m.world.roots())
    words = [
        f"{counts[word]} {word}"
        for word in ("run", "ask", "wait", "retry", "doubt", "fail", "done", "cancel")
        if counts[word]
    ]
    fresh = f"  +{m.run_order.new} new" if m.run_order.new else ""
    return "  ".join(words) + fresh


def body(m: Model, width: int, height: int) -> list[Line]:
    if not m.runs.ids:
        if m.filters.get(2):
            return empty.lines(m, 2, width, height, f"No run matches /{m.shown_filter_of(2)}.", (empty.UNFILTER,))
        return empty.lines(m, 2, width, height)
    room = table_height(len(m.runs.ids), height)
    ids = max(4, *(len(ident) for ident in m.runs.ids[:200]))
    columns = (COLUMNS[0]._replace(width=min(10, ids)), *COLUMNS[1:])
    chosen = choose(columns, width)
    out = [heads(columns, chosen, width)] if height > 3 else []
    room = max(1, room - len(out)) if height else 0
    top = window(len(m.runs.ids), m.runs.index, room)
    for ident in m.runs.ids[max(0, top) : max(0, top) + room]:
        run = m.world.views.runs.get(ident)
        line = _row(m, run, chosen, width) if run else blank(width)
        out.append(pointed(line, m.glyphs.cursor, m.focus == 2) if ident == m.runs.current else line)
    return [*out, *_tail(m, width, height - len(out))][:height]


def table_height(count: int, height: int) -> int:
    """Lines the table takes with its header: all it needs, but a third of the pane stays with the tail."""
    if height < 12:
        return height
    return min(count + 1, max(4, height * 2 // 3))


def _row(m: Model, run: RunRow, chosen: list[Chosen], width: int) -> Line:
    word = state_word(run)
    plain = "base" if run.open else "dim"
    cells = (
        Span(safe_clip(run.id, 20), plain),
        Span(safe_clip(run.title, TEXT), plain),
        state(m, word),
        Span(may(run), plain),
        Span(tokens(run.usage.total), plain),
        Span(money(run.money, run.usage.total, run.mark), plain),
        Span(age(m.now() - run.started), plain),
        Span(safe_clip(_last(m, run), TEXT), plain),
    )
    return row(cells, chosen, width)


def _last(m: Model, run: RunRow) -> str:
    """What it does, did last, or waits for (raw text)."""
    flow = m.world.flow.get(run.id)
    if run.kind == "dag":
        return f"{progress(run)}{run.last}"
    if flow and run.open:
        return m.flow_text(flow)
    if run.state == "waiting" and run.retry_at:
        return f"until {m.clock(run.retry_at, seconds=False)}: {run.last}"
    return f"{'verified: ' if run.verified else ''}{run.last}"


def progress(run: RunRow) -> str:
    """`4/9 jobs  `: how many of a graph's jobs are done, and how many it has."""
    return f"{run.jobs.get('succeeded', 0):,}/{run.jobs.get('all', 0):,} jobs  "


def state(m: Model, word: str) -> Span:
    """Glyph and word; what is in doubt stands out as a badge."""
    return Span(f"{m.glyphs.state(word)} {word}", "doubt_badge" if word == "doubt" else word)


def may(run: RunRow) -> str:
    """Five cells: read, idempotent, destructive, network as acts (letter), asks (?) or cannot (-); then the sandbox:
    `s` when enough of it is enforced for L3, else `!`; nothing of a graph, as each of its jobs has its own."""
    letters = (_MAY.get(run.may.get(risk, "asks"), "?") or risk[0] for risk in RISKS)
    held = " " if run.kind == "dag" else "s" if run.sandboxed else "!"
    return "".join(letters) + held


def _tail(m: Model, width: int, height: int) -> list[Line]:
    run = m.world.views.runs.get(m.runs.current)
    if height < 3 or run is None:
        return [blank(width)] * max(0, height)
    title = f"{safe_clip(run.id, 20)} {safe_clip(run.title, TEXT)}"
    rows = m.world.tail(run.id)[-(height - 2) :]
    words = "" if rows else "its events are in the journal, not on this screen: harness-tui runs show"
    drawn = [trace.draw(m, each, width, with_run=False) for each in rows] or [note(words, width)]
    pad = [blank(width)] * (height - 2 - len(drawn))
    return [blank(width), section(m, title, "", width), *drawn, *pad]
