"""Pane 5: what was spent, what is held for calls under way, and when a limit is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.forecast import forecast
from ...domain.money import dollars
from ...domain.safetext import clip as safe_clip
from ...domain.views import BudgetRow
from ..lines import Line, Span, blank
from ..stores.selection import window
from . import empty
from .table import Chosen, Column, choose, heads, pointed, row
from .words import day, tokens

if TYPE_CHECKING:
    from ..model import Model

COLUMNS = (
    Column("scope", 10, keep=10, flex=1, most=26),
    Column("spent", 7, right=True, keep=9),
    Column("held", 6, right=True, keep=3),
    Column("limit", 7, right=True, keep=7),
    Column("$", 9, right=True, keep=4),
    Column("", 8, keep=2, flex=2, most=40, gap=2),
    Column("", 4, right=True, keep=6),
    Column("out at", 6, right=True, keep=8, gap=2),
)
WARN = 0.8


def right(m: Model) -> str:
    return ""


def body(m: Model, width: int, height: int) -> list[Line]:
    rows = m.world.budgets()
    if not rows:
        return empty.lines(m, 5, width, height)
    chosen = choose(COLUMNS, width)
    out = [heads(COLUMNS, chosen, width)] if height > 2 else []
    room = max(0, height - len(out))
    top = window(len(rows), m.budgets.index, room)
    for budget in rows[max(0, top) : max(0, top) + room]:
        line = _row(m, budget, chosen, width)
        out.append(pointed(line, m.glyphs.cursor, m.focus == 5) if budget.scope == m.budgets.current else line)
    return [*out, *[blank(width)] * (height - len(out))][:height]


def name(scope: str, today: str) -> str:
    """`day:2026-11-21` -> `today, all` or `2026-11-21, all`, `run:r17` -> `r17`."""
    kind, _, rest = scope.partition(":")
    if kind == "day":
        return "today, all" if rest == today else f"{rest}, all"
    return rest if kind == "run" else scope


def _row(m: Model, budget: BudgetRow, chosen: list[Chosen], width: int) -> Line:
    share = (budget.spent + budget.held) / budget.limit if budget.limit else 0.0
    loud = "over" if share >= 1 else "warn" if share >= WARN else ""
    bar = next((c.width for c in chosen if c.place == 5), 0)
    cells = (
        Span(safe_clip(name(budget.scope, day(m.now(), m.offset)), 60)),
        Span(tokens(budget.spent)),
        Span(tokens(budget.held), "dim"),
        Span(tokens(budget.limit), "dim"),
        Span(_money(budget), "dim"),
        meter(m, budget, bar, loud),
        Span(f"{min(999, int(share * 100))}%" if budget.limit else "", loud or "base"),
        Span(out_words(m, budget), loud or "base"),
    )
    return row(cells, chosen, width)


def _money(budget: BudgetRow) -> str:
    """Spent money of its limit; `unknown` when tokens were spent at an unknown price, never zero."""
    return dollars(budget.money) if budget.spent else "-"


def meter(m: Model, budget: BudgetRow, width: int, loud: str) -> Line:
    """A bar of `width` cells: spent, held, free."""
    if not budget.limit or width <= 0:
        return ()
    spent = min(width, round(budget.spent / budget.limit * width))
    held = min(width - spent, round(budget.held / budget.limit * width) or (1 if budget.held else 0))
    free = width - spent - held
    g = m.glyphs
    return (Span(g.bar * spent, loud or "bar"), Span(g.held * held, "held"), Span(g.track * free, "track"))


def out_words(m: Model, budget: BudgetRow) -> str:
    """When the limit is reached at the pace of the last quarter of an hour: `23:10`, `now`, `-` when idle."""
    moment = forecast(budget, m.now()).at
    if not moment:
        return "-"
    return "now" if moment <= m.now() else m.clock(moment, seconds=False)
