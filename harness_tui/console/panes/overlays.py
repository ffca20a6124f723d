"""Cards over a pane: may it do harm, why, help, and an event or a run in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ...domain.codec import to_json
from ...domain.events import Envelope
from ...domain.money import dollars
from ...domain.safetext import clip as safe_clip
from ...domain.views import RunRow
from ...domain.why import enforced, may, why
from ..actions import ACTIONS, PANE_NAMES, in_scope, shown
from ..lines import Line, Span, blank, fit
from . import budgets, dag_cards, dags, loop_cards, rounds
from .card import LABEL, source_lines, wrapped
from .frame import section
from .words import zone

if TYPE_CHECKING:
    from ..model import Model

WHOLE = 60_000
"""Characters of one field that are laid out; the rest is counted (the journal has it)."""


@dataclass(slots=True)
class Overlay:
    """What lies over the pane. kind: may | why | help | event | run | budget | round | preview, and of a graph job |
    attempt | retry | patch.

    Attributes:
        id: of a run, approval, scope, round or loop; `r20/score-b` of a job, `r20/score-b#2` of its attempt.
        pick: the attempt that is marked on a job's card, -1 = the newest.
        under: the card it was opened from.
    """

    kind: str
    id: str = ""
    envelope: Envelope | None = None
    top: int = 0
    pick: int = -1
    under: Overlay | None = None


def draw(m: Model, over: Overlay, width: int, height: int) -> list[Line]:
    rows = rows_of(m, over, width)
    room = max(0, height - 2)
    top = max(0, min(over.top, len(rows) - room))
    part = [fit(row, width) for row in rows[top : top + room]]
    below = len(rows) - top - len(part)
    foot = f"  {below} more: space   esc back" if below > 0 else "  esc back"
    out = [
        section(m, title(m, over), "", width),
        *part,
        *[blank(width)] * (room - len(part)),
        fit((Span(foot, "dim"),), width),
    ]
    return out[:height]


def title(m: Model, over: Overlay) -> str:
    what = {"may": "may it do harm", "why": "why", "run": "in full"}
    match over.kind:
        case "help":
            return "keys"
        case "event" if over.envelope:
            return f"{safe_clip(over.envelope.run, 40)} event {over.envelope.pos}"
        case "round":
            return rounds.title(m, over.id)
        case "job" | "attempt" | "retry" | "patch":
            return dag_cards.title(over)
        case kind if loop := m.world.views.loops.get(over.id):
            return f"{safe_clip(loop.name, 40)} {what.get(kind, kind)}"
        case "budget":
            kind = "run " if over.id.startswith("run:") else ""
            return f"budget {kind}{safe_clip(budgets.name(m, over.id), 40)}"
        case kind:
            return f"{safe_clip(over.id, 40)} {what.get(kind, kind)}"


def facts_of(m: Model, over: Overlay) -> list[tuple[str, str]]:
    """Label and raw text, line by line, of everything but help."""
    loop = m.world.views.loops.get(over.id)
    if (of_graph := dag_cards.facts(m, over)) is not None:
        return of_graph
    match over.kind:
        case "may" if loop:
            return loop_cards.may(m, loop)
        case "why" | "preview" if loop:
            return loop_cards.worked_out(m, over.kind, loop)
        case "round":
            return rounds.facts(m, over.id)
        case "may":
            return [(fact.label, fact.value) for fact in may(m.world.views, over.id, m.now())]
        case "why":
            return [(fact.label, fact.value) for fact in why(m.world.views, over.id, m.now())]
        case "event" if over.envelope:
            fields = to_json(over.envelope)
            fields["at"] = m.clock(over.envelope.at)
            return [(name, _text(value)) for name, value in fields.items()]
        case "budget" if budget := budgets.find(m, over.id):
            return budgets.facts(m, budget)
        case "run" if row := m.world.views.runs.get(over.id):
            return _run(m, row)
        case _:
            return [("gone", "it is not here any more")]


def _run(m: Model, row: RunRow) -> list[tuple[str, str]]:
    """A run in full: what it is, what it did, what became of it; the model's claim beside the verdict."""
    ended = f", ended {m.clock(row.ended)}" if row.ended else ""
    verified = {True: "yes", False: "no", None: "nothing was verified"}[row.verified]
    money = (
        ("price unknown" if row.money is None else f"{dollars(row.money)} {row.mark}")
        if row.usage.total
        else "nothing spent"
    )
    facts = [
        ("title", row.title),
        ("state", f"{row.state}, attempt {row.attempts}, turn {row.iterations}"),
        ("time", f"started {m.clock(row.started)}{ended}"),
        ("model", f"{row.model}  ({row.api}, {row.level})"),
        ("where", row.workspace),
        ("sandbox", enforced(row)),
        ("spent", f"{row.usage.input:,} tok in, {row.usage.output:,} out; {money}"),
        ("last", "" if row.last == row.reason else row.last),
    ]
    if row.ended:
        by = f", stopped by {row.stopped_by}" if row.stopped_by else ""
        facts += [("verified", verified), ("exit", f"{row.exit}{by}")]
    facts += [
        ("reason", row.reason),
        ("claim", row.claim),
        ("error", "" if row.error == row.reason else row.error),
        *(("note", note) for note in row.notes),
    ]
    return [(name, value) for name, value in facts if value.strip()]


def _text(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    more = f"\n... {len(text) - WHOLE:,} more characters: harness-tui runs show has them" if len(text) > WHOLE else ""
    return text[:WHOLE] + more


def rows_of(m: Model, over: Overlay, width: int) -> list[Line]:
    if over.kind == "help":
        return _help(m)
    if over.kind == "patch":
        return dags.patch_rows(m, over.id, width)
    out: list[Line] = []
    facts = facts_of(m, over)
    labels = min(16, max((len(label) for label, _ in facts), default=0) + 2)
    for label, value in facts:
        for shown_label, text in source_lines(label, value):
            out += wrapped(shown_label, text, width, max(LABEL, labels))
    return out


def _help(m: Model) -> list[Line]:
    """Keys of this pane first, then everywhere; generated from the action table."""
    out: list[Line] = []
    actions = in_scope(m.focus)
    for heading, group in (
        (f"in {m.focus} {PANE_NAMES[m.focus]}", [a for a in actions if a.panes]),
        ("everywhere", [a for a in actions if not a.panes]),
    ):
        if group:
            out += [(Span(f"  {heading}", "title"),)]
        for action in group:
            keys = " ".join(shown(key) for key in action.keys)
            command = f"  :{action.command}" if action.command else ""
            out.append((Span(f"  {keys:<16s} ", "key"), Span(action.help), Span(command, "dim")))
    out += [(), (Span("  commands", "title"),)]
    names = {f":{a.command} {a.takes}".strip(): a.help for a in ACTIONS if a.command and not a.keys}
    width = max(map(len, names))
    out += [(Span(f"  {name:<{width}s} ", "key"), Span(does)) for name, does in names.items()]
    return [*out, (), (Span(f"  times are the engine host's: {zone(m.offset)}", "dim"),)]
