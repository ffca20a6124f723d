"""Pane 7: recurring loops, one row each, and under them why the chosen one stands where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.loop.rows import LoopRow
from ...domain.safetext import clip as safe_clip
from ...domain.views import BudgetRow
from ..lines import Line, Span, blank
from ..stores.selection import window
from . import empty, loop_cards, rounds
from .budgets import gauge, loud
from .card import LABEL, wrapped
from .frame import section
from .table import Chosen, Column, choose, heads, pointed, row
from .words import age

if TYPE_CHECKING:
    from ..model import Model

COLUMNS = (
    Column("loop", 18, keep=10, flex=1, most=30),
    Column("lv", 2, keep=8),
    Column("state", 9, keep=9, gap=2),
    Column("next", 6, right=True, keep=7),
    Column("last", 9, keep=5, most=11, flex=1, gap=2),
    Column("streak", 6, keep=3),
    Column("today", 5, right=True, keep=6, flex=2, most=13),
    Column("ask", 3, right=True, keep=4, gap=2),
)
TODAY = 6
STREAK = 5
DETAIL = 14
"""Lines from which on the chosen loop is told of under the list."""
_SIGNS = {"r": "+", "p": "+", "e": "?", "x": "!", "f": "x", ".": "."}
_LOUD = {"x": "warn_text", "f": "fail"}


def right(m: Model) -> str:
    """How many there are, and how many of them want somebody."""
    count = len(m.loops.chosen.ids)
    more = m.world.more_loops
    asks = sum(len(m.world.views.loops[ident].waits) for ident in m.loops.chosen.ids)
    words = [f"{count} loop{'' if count == 1 else 's'}"] if count else []
    words += [f"{more:,} more: harness-tui loop list"] if more else []
    words += [f"{asks} ask"] if asks else []
    return "  ".join(words)


def body(m: Model, width: int, height: int) -> list[Line]:
    if not m.loops.chosen.ids:
        return empty.lines(m, 7, width, height)
    if m.loops.open:
        return rounds.body(m, width, height)
    below = _detail(m, width) if height >= DETAIL else []
    count = len(m.loops.chosen.ids) + 1
    room = height if not below else max(4, min(count, height - len(below)))
    out = _table(m, width, room)
    out += below[: height - len(out)]
    return [*out, *[blank(width)] * (height - len(out))][:height]


def _table(m: Model, width: int, height: int) -> list[Line]:
    chosen = choose(COLUMNS, width)
    out = [heads(COLUMNS, chosen, width)] if height > 2 else []
    room = max(1, height - len(out)) if height else 0
    ids = m.loops.chosen.ids
    top = max(0, window(len(ids), m.loops.chosen.index, room))
    for ident in ids[top : top + room]:
        line = _row(m, m.world.views.loops[ident], chosen, width)
        out.append(pointed(line, m.glyphs.cursor, m.focus == 7) if ident == m.loops.chosen.current else line)
    return out


def _row(m: Model, loop: LoopRow, chosen: list[Chosen], width: int) -> Line:
    asks = len(loop.waits)
    cells = (
        Span(safe_clip(loop.name, 60)),
        Span(loop.level, "dim" if loop.level == "L1" else "base"),
        state(m, loop),
        Span(next_words(m, loop), "dim"),
        last(loop),
        streak(loop),
        _today(m, loop, next((c.width for c in chosen if c.place == TODAY), 0)),
        Span(str(asks) if asks else "-", "ask" if asks else "dim"),
    )
    return row(cells, chosen, width)


def state(m: Model, loop: LoopRow) -> Span:
    """Glyph and word: what wants the operator first, then what goes on."""
    word = state_word(m, loop)
    match word:
        case "paused" if loop.paused_by == "harness":
            return Span(f"{m.glyphs.state(word)} paused", "warn_text")
        case "changed":
            return Span(f"{m.glyphs.mark} changed", "warn_text")
        case "idle":
            return Span(f"{m.glyphs.state('wait')} idle", "dim")
        case "doubt":
            return Span(f"{m.glyphs.state(word)} doubt", "doubt_badge")
    return Span(f"{m.glyphs.state(word)} {word}", word)


def state_word(m: Model, loop: LoopRow) -> str:
    """doubt, ask, run, paused, changed (the file is not what is pinned) or idle."""
    if loop.waits:
        requests = (m.world.views.approvals.get(ident) for ident in loop.waits)
        return "doubt" if any(each and each.kind == "in_doubt" for each in requests) else "ask"
    if loop.running:
        return "run"
    if loop.state == "paused":
        return "paused"
    return "idle" if loop.source_state == "same" else "changed"


def next_words(m: Model, loop: LoopRow) -> str:
    """`51m`, `now`, `never`; `-` without a schedule or while it is paused, "" until it is known."""
    if loop.state == "paused" or not loop.schedule:
        return "-"
    known = m.loops.next_fire(loop)
    if known is None:
        return ""
    if known.trouble:
        return "?"
    if not known.at:
        return "never"
    return age(known.at - m.now()) if known.at > m.now() else "now"


def last(loop: LoopRow) -> Span:
    """The newest outcome; what had nothing to do is told by its word."""
    token = {"failed": "fail", "exhausted": "warn_text"}.get(loop.last, "base" if loop.last else "dim")
    quiet = loop.last == "reported" and loop.marks.endswith(".")
    return Span("nothing" if quiet else loop.last or "-", "dim" if quiet else token)


def streak(loop: LoopRow) -> Line:
    """A sign for each of the newest rounds, the newest last: + went well, ? asked, ! budget, x failed, . nothing."""
    marks = loop.marks[-STREAK:]
    return tuple(Span(_SIGNS.get(mark, " "), _LOUD.get(mark, "dim")) for mark in marks) or (Span("-", "dim"),)


def day_budget(m: Model, loop: str) -> BudgetRow | None:
    """What it spent today, or the limits its day begins with."""
    budgets = m.world.views.budgets
    return budgets.get(f"{loop}:{m.today}") or budgets.get(loop)


def _today(m: Model, loop: LoopRow, width: int) -> Span:
    """`0.12/1.00`, or the share of the limit where that does not fit."""
    budget = day_budget(m, loop.id)
    if budget is None:
        return Span("-", "dim")
    seen = gauge(m, budget)
    strong = loud(m, budget) or ("base" if seen.spent else "dim")
    spent, _, limit = seen.texts
    if seen.limit is None:
        return Span(spent, strong)
    whole = f"{'0' if spent == '-' else spent.lstrip('~$')}/{limit.removeprefix('$')}"
    return Span(whole if len(whole) <= width else f"{min(999, int(seen.share * 100))}%", strong)


def _detail(m: Model, width: int) -> list[Line]:
    loop = m.loops.row(m.world)
    if loop is None:
        return []
    out = [section(m, safe_clip(loop.name, 60), loop.digest[:8] and f"pinned {loop.digest[:8]}", width)]
    for label, text in loop_cards.summary(m, loop):
        out += wrapped(label, safe_clip(text, 600), width, LABEL)
    out.append(rounds.strip(m, loop, width))
    return out
