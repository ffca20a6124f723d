"""The card of one request: every fact the digest covers, wrapped at spaces, never cut; and what its keys would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...domain.safetext import clip as safe_clip
from ...domain.safetext import mark_spaces, safe
from ...domain.views import ApprovalRow
from ..lines import Line, Span, fit, marked, wrap
from . import diff
from .words import moment

if TYPE_CHECKING:
    from ..model import Model

LABEL, LONGEST = 9, 15
"""Cells of the labels' column: at least, and at most."""
WARNING = "warning"


class CardRow(NamedTuple):
    """One wrapped row: of which source line, the how-manieth row of how many."""

    source: int
    part: int
    parts: int
    line: Line


def rows(m: Model, row: ApprovalRow, width: int) -> list[CardRow]:
    """The payload in rows of at most `width` cells; warnings before everything else."""
    facts = [(fact.label, fact.value) for fact in row.facts]
    if not facts:
        facts = [("asks", row.summary), ("sends", msgspec.json.encode(row.arguments).decode())]
    if row.expires:
        facts.append(("expires", f"{moment(row.expires, m.now(), m.offset)}; after that nothing runs"))
    facts.sort(key=lambda fact: fact[0] != WARNING)
    labels = max(LABEL, min(LONGEST, max(len(label) for label, _ in facts) + 2))
    laid = [parts for label, value in facts for parts in _laid(label, value, width, labels)]
    return [CardRow(n, i, len(parts), line) for n, parts in enumerate(laid) for i, line in enumerate(parts)]


def _laid(label: str, value: str, width: int, labels: int) -> Iterator[list[Line]]:
    """A fact line by line, each in its rows."""
    if label == "diff" and diff.is_diff(value):
        yield wrapped(label, "+ is put in, - is taken out", width, labels)
        yield from diff.lines(value, width)
        return
    for shown, text in source_lines(label, value):
        if label == WARNING:
            yield [_loud(line) for line in wrapped(shown.upper(), text, width, labels)]
        else:
            yield wrapped(shown, text, width, labels)


def _loud(line: Line) -> Line:
    """The word as a badge, its text in the colour of warnings."""
    head, *text = line
    word = head.text.strip()
    before, _, after = head.text.partition(word) if word else (head.text, "", "")
    return (Span(before), Span(word, "high"), Span(after), *(Span(s.text, "warn_text") for s in text))


def source_lines(label: str, value: str) -> list[tuple[str, str]]:
    """The safe lines of a fact: its label stands before the first one only."""
    lines = mark_spaces(safe(value, newlines=True)).split("\n")
    return [(safe_clip(label, 40) if i == 0 else "", line) for i, line in enumerate(lines)]


def wrapped(label: str, text: str, width: int, labels: int = LABEL) -> list[Line]:
    """`  label    text`, the text wrapped under itself; on a very narrow screen under the label."""
    indent = 2 + max(labels, len(label) + 1) if width >= 30 else 1
    room = max(1, width - indent)
    head = [Span(f"  {label:<{indent - 2}s}", "dim")] if width >= 30 else [Span(" ")]
    pad = [Span(" " * indent)]
    if width < 30 and label:
        text = f"{label}: {text}"
    return [tuple((head if i == 0 else pad) + list(marked(part))) for i, part in enumerate(wrap(text, room))]


def keys_of(m: Model, row: ApprovalRow) -> list[tuple[str, str]]:
    """The keys that decide this item, in the words of this item: an unseen payload cannot be approved."""
    unseen = m.unseen()
    if row.kind == "in_doubt":
        return [] if unseen else [("h", "it happened"), ("n", "it did not"), ("r r", "run it again")]
    approve = [] if unseen else [("a a" if row.risk == "high" else "a", "approve")]
    return [*approve, ("d", "deny"), ("D", "deny with reason")]


def state_line(m: Model, row: ApprovalRow, width: int) -> Line:
    """Whether keys decide, and if not, why."""
    return fit(_state(m, row), width)


def _state(m: Model, row: ApprovalRow) -> list[Span]:
    if not row.open:
        who = f" by {safe_clip(row.by, 60)}" if row.by else ""
        when = f" at {m.clock(row.decided)}" if row.decided else ""
        word = (row.resolution or row.state).replace("_", " ")
        why = f": {safe_clip(row.reason, 200)}" if row.reason else ""
        if word in ("approved", "denied", "executing", "done", "failed") and row.by:
            return [Span(f" decided{who}{when}: ", "dim"), Span(word, "title"), Span(f"{why}   j moves on", "dim")]
        return [Span(f" {word}", "title"), Span(f"{who}{when}{why}   j moves on", "dim")]
    if m.queue.sent == row.id:
        return [Span(" sent ", "title"), Span("  the engine has it; not decided until it says so", "dim")]
    if m.link.state in ("lost", "starting"):
        return [Span(" keys off ", "lost"), Span("  link lost: a decision cannot reach the engine")]
    return _armed(m, row)


def _armed(m: Model, row: ApprovalRow) -> list[Span]:
    unseen = m.unseen()
    missing = f"{unseen} line{'s' if unseen != 1 else ''} not shown yet" if unseen else ""
    if m.arming.first:
        key, what = (
            ("a", "to approve HIGH risk") if m.arming.first.action == "approve_high" else ("r", "to run it again")
        )
        return [Span(f" press {key} again within 3 s ", "armed"), Span(f"  {what}; any other key cancels")]
    if m.arming.says_armed:
        out = [Span(" armed ", "armed")]
        for key, what in keys_of(m, row):
            out += [Span(f"  {key} ", "key"), Span(what)]
        return [*out, Span(f"   {missing}" if missing else "", "warn_text")]
    if m.focus != 4:
        return [Span(" 4 ", "key"), Span("to decide here", "dim")]
    blocks = {"blur": "this terminal has no focus", "small": "make the window larger to read it"}
    why = next((text for block, text in blocks.items() if block in m.arming.blocks), missing)
    return [Span(" not armed "), Span(f"  {why}", "dim")]
