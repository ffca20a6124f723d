"""The card of a batch: every item in full, one below the other; approved in order, each under its own digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.safetext import clip as safe_clip
from ...domain.views import ApprovalRow
from ..arming import Subject
from ..lines import Line, Span, blank, fit
from . import card

if TYPE_CHECKING:
    from ..model import Model

NAME = "batch"


def bars(row: ApprovalRow) -> str:
    """Why an item cannot be in a batch, or "": what deserves a look of its own gets one."""
    if row.kind == "in_doubt":
        return "it is in doubt"
    if row.risk not in ("low", "med"):
        return "its risk is high"
    return "" if row.open else "it is decided"


def subject(rows: list[ApprovalRow]) -> Subject | None:
    """What `a` would decide: these items, in this order, each at its digest."""
    return Subject(NAME, " ".join(f"{row.id}:{row.digest}" for row in rows)) if rows else None


def heads(row: ApprovalRow) -> Subject:
    """What the heading of an item counts in: it is to be seen as well."""
    return Subject(f"{NAME} {row.id}", row.digest)


def rows(m: Model, items: list[ApprovalRow], width: int) -> list[card.CardRow]:
    """Heading, payload and an empty row for each."""
    out: list[card.CardRow] = []
    for number, row in enumerate(items, 1):
        out.append(card.CardRow(0, 0, 1, fit(_heading(m, row, f"{number} of {len(items)}"), width), heads(row)))
        summary = card.wrapped("", safe_clip(row.summary, 2000), width)
        out += [card.CardRow(1, i, len(summary), line, heads(row)) for i, line in enumerate(summary)]
        if not bars(row):
            out += card.rows(m, row, width)
        out.append(card.CardRow(2, 0, 1, blank(width), heads(row)))
    return out[:-1]


def _heading(m: Model, row: ApprovalRow, place: str) -> Line:
    said = m.queue.results.get(row.id, "")
    out = [Span(f" {place}  ", "dim"), Span(safe_clip(row.id, 12), "title")]
    if row.open and bars(row):
        return (*out, Span(f"  not in this batch: {bars(row)}", "warn_text"))
    if not row.open:
        word = (row.resolution or row.state).replace("_", " ")
        by = f" by {safe_clip(row.by, 60)}" if row.by else ""
        return (*out, Span(f"  {word}", "title"), Span(f"{by}  {safe_clip(said or row.reason, 300)}", "dim"))
    out += [Span(f"  {row.risk}", row.risk), Span(f"  {safe_clip(row.run, 12)}", "dim")]
    if said:
        return (*out, Span(f"  {safe_clip(said, 300)}", "warn_text"))
    return (*out, Span(f"  digest {safe_clip(row.digest[:8], 20)}", "dim"))


def state_line(m: Model, width: int) -> Line:
    """Whether `a` decides: only once every line of every item was on screen."""
    return fit(_state(m), width)


def keys_of(m: Model) -> list[tuple[str, str]]:
    count = len(m.cards.batch_open())
    return [("a", f"approve all {count}" if count > 1 else "approve it")] if count and not m.unseen() else []


def _state(m: Model) -> list[Span]:
    if not m.cards.batch_open() and m.queue.sent != NAME:
        return [Span(" decided ", "title"), Span("  esc leaves the batch", "dim")]
    if off := card.off(m, NAME):
        return off
    if m.arming.says_armed and (keys := keys_of(m)):
        out = [Span(" armed ", "armed")]
        for key, what in keys:
            out += [Span(f"  {key} ", "key"), Span(f"{what}, in this order")]
        return out
    return card.not_armed(m)
