"""The card of one request: every fact the digest covers, wrapped at spaces, never cut; and what its keys would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...domain.safetext import clip as safe_clip
from ...domain.safetext import mark_spaces, safe
from ...domain.views import ApprovalRow
from ..arming import Subject
from ..lines import Line, Span, fit, marked, width_of, wrap
from . import diff
from .words import moment

if TYPE_CHECKING:
    from ..model import Model

LABEL, LONGEST = 9, 15
"""Cells of the labels' column: at least, and at most."""
WARNING = "warning"
SIGNS = "+ is put in, - is taken out"


class CardRow(NamedTuple):
    """One wrapped row.

    Attributes:
        source: of which source line; `also` another one that stands beside it.
        part, parts: it is the how-manieth row of how many.
        of: the item (at its digest) the source lines are counted in.
    """

    source: int
    part: int
    parts: int
    line: Line
    of: Subject
    also: int | None = None


def rows(m: Model, row: ApprovalRow, width: int) -> list[CardRow]:
    """The payload in rows of at most `width` cells; warnings before everything else."""
    of = Subject(row.id, row.digest)
    facts = facts_of(m, row)
    labels = max(LABEL, min(LONGEST, max(len(label) for label, _ in facts) + 2))
    out: list[CardRow] = []
    count = 0
    for laid in (*_laid(m, facts, width, labels), *_paper(m, row, width, labels)):
        marks = tuple(count + source for source in laid.sources)
        also = marks[1] if len(marks) > 1 else None
        out += [CardRow(marks[0], i, len(laid.rows), line, of, also) for i, line in enumerate(laid.rows)]
        if laid.ends:
            count += laid.ends
    return out


def facts_of(m: Model, row: ApprovalRow) -> list[tuple[str, str]]:
    """Label and raw text of every fact; warnings first, then as the request has them, then what holds for it."""
    facts = [(fact.label, fact.value) for fact in row.facts]
    if not facts:
        facts = [("asks", row.summary), ("sends", msgspec.json.encode(row.arguments).decode())]
    if row.why:
        facts.append(("asked", row.why))
    if row.edited:
        facts.append(("edited", f"by {row.edited}: this is not what was asked for at first"))
    if row.expires:
        facts.append(("expires", f"{moment(row.expires, m.now(), m.offset)}; after that nothing runs"))
    elif row.kind in ("change", "gate", "plan"):
        facts.append(("expires", "never: it waits until somebody decides"))
    facts.sort(key=lambda fact: fact[0] != WARNING)
    return facts


class _Block(NamedTuple):
    """Rows of source lines that are counted from 0; `ends` is how many these are, said with the last of them."""

    sources: tuple[int, ...]
    rows: list[Line]
    ends: int = 0


def _laid(m: Model, facts: list[tuple[str, str]], width: int, labels: int) -> Iterator[_Block]:
    """Facts line by line, each in its rows."""
    for label, value in facts:
        if label == "diff" and diff.is_diff(value):
            yield _Block((0,), wrapped(label, SIGNS, width, labels), 1)
            yield from _blocks(diff.lay(diff.parse(value), width, m.glyphs.vrule))
            continue
        for shown, text in source_lines(label, value):
            loud = label == WARNING
            lines = wrapped(shown.upper() if loud else shown, text, width, labels)
            yield _Block((0,), [_loud(line) for line in lines] if loud else lines, 1)


def _blocks(laid: list[diff.Laid]) -> Iterator[_Block]:
    count = max((source for each in laid for source in each.sources), default=-1) + 1
    for i, each in enumerate(laid, 1):
        yield _Block(each.sources, each.rows, count if i == len(laid) else 0)


def _paper(m: Model, row: ApprovalRow, width: int, labels: int) -> Iterator[_Block]:
    """What an edit changed, then a change's diff, both whole; or why they are not there."""

    def said(label: str, text: str, token: str = "base") -> _Block:
        lines = wrapped(label, safe(text), width, labels)
        return _Block((0,), [tuple(Span(s.text, token) if s.token == "base" else s for s in line) for line in lines], 1)

    paper = m.cards.papers.get(row)
    if paper is not None and paper.error:
        yield said("diff", paper.error, "warn_text")
        yield said("", "No key decides what cannot be shown. R asks for it again.", "warn_text")
        return
    sheets = m.cards.papers.sheets(row, width, m.glyphs.vrule)
    if paper is None or sheets is None:
        yield said("diff" if row.change or row.kind == "plan" else "edited", "on its way", "dim")
        return
    if paper.edits or paper.note:
        yield said("was / now", paper.note or "- was asked for, + waits now", "warn_text" if paper.note else "base")
        yield from _blocks(sheets.edits)
    if (row.kind == "change" and row.change) or row.kind == "plan":
        yield said("diff", SIGNS if paper.diff else "empty: not a line")
        yield from _blocks(sheets.diff)


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
    approve = [] if unseen else [("a a" if row.risk not in ("low", "med") else "a", "approve")]
    back = [("b", "push back")] if row.kind in ("change", "gate") else []
    edit = [("e", "edit")] if row.kind not in ("gate", "plan") else []
    return [*approve, ("d", "deny"), ("D", "with reason"), *edit, *back]


def state_line(m: Model, row: ApprovalRow, width: int) -> Line:
    """Whether keys decide, and if not, why."""
    return fit(_state(m, row, width), width)


def _state(m: Model, row: ApprovalRow, width: int) -> list[Span]:
    if not row.open:
        return _decided(m, row)
    return off(m, row.id) or _armed(m, row, width)


def _decided(m: Model, row: ApprovalRow) -> list[Span]:
    who = f" by {safe_clip(row.by, 60)}" if row.by else ""
    when = f" at {m.clock(row.decided)}" if row.decided else ""
    word = (row.resolution or row.state).replace("_", " ")
    why = f": {safe_clip(row.reason, 200)}" if row.reason else ""
    if word in ("approved", "denied", "pushed back", "executing", "done", "failed") and row.by:
        return [Span(f" decided{who}{when}: ", "dim"), Span(word, "title"), Span(f"{why}   j moves on", "dim")]
    return [Span(f" {word}", "title"), Span(f"{who}{when}{why}   j moves on", "dim")]


def off(m: Model, ident: str) -> list[Span]:
    """Why no key decides now, whatever was read; empty when one may."""
    if m.queue.sent == ident:
        return [Span(" sent ", "title"), Span("  the engine has it; not decided until it says so", "dim")]
    if m.link.state in ("lost", "starting"):
        return [Span(" keys off ", "lost"), Span("  link lost: a decision cannot reach the engine")]
    return []


def _armed(m: Model, row: ApprovalRow, width: int) -> list[Span]:
    missing = unread(m)
    if m.arming.first:
        key, what = (
            ("a", "to approve HIGH risk") if m.arming.first.action == "approve_high" else ("r", "to run it again")
        )
        return [Span(f" press {key} again within 3 s ", "armed"), Span(f"  {what}; any other key cancels")]
    if m.arming.says_armed:
        out = [Span(" armed ", "armed")]
        room = width - len(missing) - 3 * bool(missing)
        for key, what in keys_of(m, row):
            piece = [Span(f"  {key} ", "key"), Span(what)]
            if width_of((*out, *piece)) <= room:
                out += piece
        return [*out, Span(f"   {missing}" if missing else "", "warn_text")]
    return not_armed(m)


def unread(m: Model) -> str:
    """How much of the payload has not been on screen, in words, or ""."""
    unseen = m.unseen()
    return f"{unseen} line{'s' if unseen != 1 else ''} not shown yet" if unseen else ""


def not_armed(m: Model) -> list[Span]:
    if m.focus != 4:
        return [Span(" 4 ", "key"), Span("to decide here", "dim")]
    blocks = {
        "blur": "this terminal has no focus",
        "editor": "it is open in your editor",
        "small": "make the window larger to read it",
        "paper": "not all of it is here to be read",
    }
    why = next((text for block, text in blocks.items() if block in m.arming.blocks), unread(m))
    return [Span(" not armed "), Span(f"  {why}", "dim")]
