"""Pane 4: the queue, oldest first, and the card of the item under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...domain.safetext import clip as safe_clip
from ...domain.views import ApprovalRow
from ..lines import Line, Span, blank, fit, spread
from ..stores.selection import window
from . import batch, card, empty
from .frame import section
from .table import pointed
from .words import age

if TYPE_CHECKING:
    from ..model import Model

QUEUE = 3
"""Rows of the queue above the card."""
LIST = 44
"""Cells of the queue beside the card, where the pane is wide and low."""
TEXT = 300


class Shape(NamedTuple):
    """How the pane is divided: the queue's rows, the card's cells, and whether they stand side by side."""

    side: bool
    queue: int
    width: int
    rows: int


def right(m: Model) -> str:
    count = len(m.world.waiting())
    return f"{count} wait" if count else ""


def shape(m: Model, width: int, height: int) -> Shape:
    """Divide the pane. `rows` are those of the payload: without the card's rule, its paging and its arming line."""
    side = width >= 100 and height < 30 and not m.ruled(m.width, m.height)
    if side:
        return Shape(True, height, width - LIST - 1, max(0, height - 3))
    queue = min(QUEUE if height >= 10 else 1, max(1, len(m.queue.order))) if height >= 6 else 0
    return Shape(False, queue, width, max(0, height - queue - 3))


def body(m: Model, width: int, height: int) -> list[Line]:
    row = m.queue.row()
    if row is None:
        return empty.lines(m, 4, width, height)
    form = shape(m, width, height)
    shown = _card(m, row, form)
    if not form.side:
        return [*_queue(m, width, form.queue), *shown][:height] + [blank(width)] * (height - form.queue - len(shown))
    listed = _queue(m, LIST, height)
    return [(*left, Span(m.glyphs.vrule, "rule"), *right_) for left, right_ in zip(listed, shown, strict=False)]


def _queue(m: Model, width: int, height: int) -> list[Line]:
    order = m.queue.order
    at = order.index(m.queue.current) if m.queue.current in order else 0
    top = window(len(order), at, height)
    out: list[Line] = []
    for ident in order[max(0, top) : max(0, top) + height]:
        row = m.queue.row() if ident == m.queue.current else m.world.views.approvals.get(ident)
        below = len(order) - top - height
        more = f"  +{below}" if below > 0 and len(out) == height - 1 else ""
        line = _item(m, row, width, more) if row else blank(width)
        out.append(pointed(line, m.glyphs.cursor, m.focus == 4) if ident == m.queue.current else line)
    return out + [blank(width)] * (height - len(out))


def _item(m: Model, row: ApprovalRow, width: int, more: str) -> Line:
    if not row.open:
        badge = Span((row.resolution or row.state).replace("_", " "), "dim")
    elif row.kind == "in_doubt":
        badge = Span("IN DOUBT", "doubt_badge")
    else:
        badge = (
            Span("HIGH", "high")
            if row.risk == "high"
            else Span(f"{safe_clip(row.risk, 4):<4s}", row.risk if row.risk in ("low", "med") else "high")
        )
    marked = row.id in m.queue.marks
    left = [Span(" "), Span(m.glyphs.mark, "mark")] if marked else [Span("  ")]
    left += [Span(f"{safe_clip(row.id, 12):<6s}"), Span(f" {age(m.now() - row.requested):>5s}", "dim")]
    left += [Span(f"  {safe_clip(row.run, 12):<7s} ", "dim"), badge, Span(f" {safe_clip(row.summary, TEXT)}")]
    if row.open and row.edited:
        left.insert(-1, Span(" edited", "note"))
    life = "no expiry" if not row.expires else f"expires {age(row.expires - m.now())}"
    tail = [Span(f"  {life}" if row.open and width >= 72 else "", "dim"), Span(more, "dim")]
    room = width - sum(len(span.text) for span in tail)
    return (*fit(left, room), *(span for span in tail if span.text))


def _card(m: Model, row: ApprovalRow, form: Shape) -> list[Line]:
    """Rule, payload, paging, arming: `form.rows` + 3 lines."""
    rows = m.card_rows(form.width)
    part = rows[m.queue.top : m.queue.top + form.rows]
    out = [_rule(m, row, form.width), *(fit(each.line, form.width) for each in part)]
    out += [blank(form.width)] * (form.rows - len(part))
    state = batch.state_line(m, form.width) if m.queue.batch else card.state_line(m, row, form.width)
    return [*out, _paging(m, rows, form), state]


def _rule(m: Model, row: ApprovalRow, width: int) -> Line:
    if m.queue.batch:
        count = len(m.queue.marks)
        return section(m, f"batch of {count}", "each under its own digest", width)
    title = {"in_doubt": "IN DOUBT", "change": "change", "plan": "change of the plan"}.get(row.kind) or safe_clip(
        row.tool, 40
    ).partition("_")[0]
    token = "doubt" if row.kind == "in_doubt" else "title"
    edited = ", edited" if row.edited else ""
    return section(
        m, f"{safe_clip(row.id, 20)} {title}{edited}", f"digest {safe_clip(row.digest[:8], 20)}", width, token
    )


def _paging(m: Model, rows: list[card.CardRow], form: Shape) -> Line:
    if len(rows) <= form.rows:
        return blank(form.width)
    end = min(len(rows), m.queue.top + form.rows)
    below = len(rows) - end
    text = f"  {min(m.queue.top + 1, len(rows)):,}-{end:,} of {len(rows):,} lines   "
    text += f"space: next page, {below:,} below" if below else "end"
    return spread((Span(text, "dim"),), (), form.width)
