"""Pane 5: what was spent, what is held for calls under way, and when a limit is reached.

A row speaks in the unit whose limit is nearest; the other unit stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...domain.costs import held as held_usd
from ...domain.forecast import forecast
from ...domain.forecast import words as forecast_words
from ...domain.money import dollars
from ...domain.safetext import clip as safe_clip
from ...domain.views import BudgetRow, RunRow, Share
from ..lines import Line, Span, blank
from ..stores.selection import window
from . import empty
from .table import Chosen, Column, choose, heads, pointed, row
from .words import SECOND, age, day, tokens

if TYPE_CHECKING:
    from ..model import Model

METER = 5
COLUMNS = (
    Column("scope", 10, keep=10, flex=2, most=30),
    Column("spent", 8, right=True, keep=9),
    Column("held", 7, right=True, keep=4),
    Column("limit", 7, right=True, keep=7),
    Column("also", 10, right=True, keep=3),
    Column("", 8, keep=5, flex=2, most=40, gap=2),
    Column("", 4, right=True, keep=6),
    Column("out at", 6, right=True, keep=8, gap=2),
    Column("", 14, keep=1, gap=2),
)
WARN = 0.8
DAY = 86_400 * SECOND


def right(m: Model) -> str:
    """How many budgets are near their limit."""
    near = sum(bool(loud(m, row)) for row in m.world.budgets(m.today))
    return f"{near} near" if near else ""


def body(m: Model, width: int, height: int) -> list[Line]:
    rows = m.world.budgets(m.today)
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


def current(m: Model) -> BudgetRow | None:
    """The row under the cursor."""
    return find(m, m.budgets.current)


def find(m: Model, scope: str) -> BudgetRow | None:
    return next((row for row in m.world.budgets(m.today) if row.scope == scope), None)


def name(m: Model, scope: str) -> str:
    """`day:2026-11-21` -> `today, all` or `2026-11-21`, `run:r17` -> `r17`, of a loop's
    day `deps-bump` with the date when it is another, of a round `round 214 deps-bump` (plain text)."""
    kind, _, rest = scope.partition(":")
    if kind == "day":
        return "today, all" if rest == m.today else rest
    if kind == "round":
        loop, _, number = rest.partition("/")
        row = m.world.views.loops.get(loop)
        return f"round {number} {row.name}" if row else rest
    if row := m.world.views.loops.get(kind):
        return row.name if rest == m.today else f"{row.name} {rest}"
    return rest if kind == "run" else scope


class Gauge(NamedTuple):
    """A budget in one unit: amounts, and how they read."""

    spent: int
    held: int
    limit: int | None
    texts: tuple[str, str, str]
    also: str

    @property
    def share(self) -> float:
        """Of the limit, what is spent or held; 1 where the limit is nothing at all."""
        if self.limit is None:
            return 0.0
        return (self.spent + self.held) / self.limit if self.limit else 1.0


def gauge(m: Model, budget: BudgetRow) -> Gauge:
    """The unit whose limit is nearest; without a limit money, where it is known and was spent."""
    in_tokens, in_money = _tokens(budget), _money(m, budget)
    if in_tokens.limit is None and in_money.limit is None:
        return in_money if budget.money else in_tokens
    return in_money if in_money.limit is not None and in_money.share >= in_tokens.share else in_tokens


def _tokens(row: BudgetRow) -> Gauge:
    money = f"{'' if row.money is not None else '$ '}{dollars(row.money, row.mark)}" if row.spent else "-"
    texts = (tokens(row.spent), tokens(row.held), tokens(row.limit))
    return Gauge(row.spent, row.held, row.limit or None, texts, money)


def _money(m: Model, row: BudgetRow) -> Gauge:
    spent = dollars(row.money, row.mark) if row.spent else "-"
    held = _held(m, row) if row.held else "-"
    limit = "-" if row.usd_limit is None else dollars(row.usd_limit)
    also = f"{tokens(row.spent)} tok" if row.spent else "-"
    return Gauge(row.usd, row.usd_held, row.usd_limit, (spent, held, limit), also)


def _held(m: Model, row: BudgetRow) -> str:
    return dollars(held_usd(row, m.world.views.holds.values()))


def loud(m: Model, budget: BudgetRow) -> str:
    """The token of a budget that wants the operator: `warn` from four fifths, `over` from the limit on, else "".

    What is over, an ended run or another day, wants nothing any more.
    """
    if not (budget.scope.endswith(f":{m.today}") or m.world.live(budget)):
        return ""
    share = gauge(m, budget).share
    return "over" if share >= 1 else "warn" if share >= WARN else ""


def _row(m: Model, budget: BudgetRow, chosen: list[Chosen], width: int) -> Line:
    seen = gauge(m, budget)
    strong = loud(m, budget)
    bar = next((c.width for c in chosen if c.place == METER), 0)
    spent, held, limit = seen.texts
    out = out_words(m, budget)
    cells = (
        Span(safe_clip(name(m, budget.scope), 60)),
        Span(spent),
        Span(held, "dim"),
        Span(limit, "dim"),
        Span(seen.also, "dim"),
        meter(m, seen, bar, strong),
        Span(f"{min(999, int(seen.share * 100))}%" if seen.limit is not None else "", strong or "base"),
        Span(out, "dim" if out == "-" else strong or "base"),
        Span(left_words(m, budget), "dim"),
    )
    return row(cells, chosen, width)


def meter(m: Model, seen: Gauge, width: int, strong: str) -> Line:
    """A bar of `width` cells: spent, held, free."""
    if not seen.limit or width <= 0:
        return ()
    spent = min(width, round(seen.spent / seen.limit * width))
    held = min(width - spent, round(seen.held / seen.limit * width) or (1 if seen.held else 0))
    free = width - spent - held
    g = m.glyphs
    return (Span(g.bar * spent, strong or "bar"), Span(g.held * held, "held"), Span(g.track * free, "track"))


def out_words(m: Model, budget: BudgetRow) -> str:
    """When the limit is reached at the pace of the last quarter of an hour: `23:10`, `in 3d`, `now`, `-` when idle."""
    moment = forecast(budget, m.now()).at
    if not moment:
        return "-"
    if moment <= m.now():
        return "now"
    return m.clock(moment, seconds=False) if moment - m.now() < DAY else f"in {age(moment - m.now())}"


def left_words(m: Model, budget: BudgetRow) -> str:
    """`3 runs left`, at what recent runs took; "" where nothing tells."""
    runs = forecast(budget, m.now(), m.world.roots()).runs
    if runs is None:
        return ""
    return {0: "no run fits", 1: "1 run left"}.get(runs, f"{runs:,} runs left" if runs < 1000 else "many runs left")


# -- the card of one budget --------------------------------------------------------------------------------------------


def facts(m: Model, budget: BudgetRow) -> list[tuple[str, str]]:
    """A budget in full: limits and who set them, money and its mark, pace and forecast, and what each model took."""
    seen = forecast(budget, m.now(), m.world.roots())
    run = m.world.views.runs.get(budget.scope.partition(":")[2])
    pace = [f"{seen.tokens_hour:,} tok" if seen.tokens_hour else "", dollars(seen.usd_hour) if seen.usd_hour else ""]
    money = _marked(dollars(budget.money), budget.mark)
    date = day(seen.at, m.offset)
    at = f"{'' if date == m.today else f'{date} '}{m.clock(seen.at, seconds=False)}"
    out = [
        ("spent", f"{budget.spent:,} tok, {money}" if budget.spent else "nothing"),
        ("held", f"{budget.held:,} tok, {_held(m, budget)} for calls under way" if budget.held else ""),
        ("limit", _limits(budget)),
        ("pace", f"{' and '.join(filter(None, pace))} an hour" if any(pace) else ""),
        ("forecast", forecast_words(seen, m.now(), at)),
    ]
    if run:
        out.append(("run", f"{run.title}: {run.state}"))
        out += [(model, _share(share, run)) for model, share in run.models.items()]
    return [(label, value) for label, value in out if value]


def _share(share: Share, run: RunRow) -> str:
    part = share.tokens * 100 // max(1, run.usage.total)
    calls = "1 call" if share.calls == 1 else f"{share.calls:,} calls"
    return f"{calls}, {share.tokens:,} tok ({part}%), {_marked(dollars(share.usd), share.mark)}"


def _limits(budget: BudgetRow) -> str:
    """`40,000 tok and $2.00, set by ada`; `none`."""
    tok = [f"{budget.limit:,} tok"] if budget.limit else []
    usd = [dollars(budget.usd_limit)] if budget.usd_limit is not None else []
    by = budget.by or ("the run itself" if budget.scope.startswith("run:") else "")
    return " and ".join([*tok, *usd]) + (f", set by {by}" if by else "") if tok or usd else "none"


def _marked(money: str, mark: str) -> str:
    """`$0.35 priced`; `price unknown`."""
    return "price unknown" if mark == "unknown" else f"{money} {mark}"
