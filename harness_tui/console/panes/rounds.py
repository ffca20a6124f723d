"""The rounds of one loop in pane 7: a row each, and one of them in full with its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.loop.rows import LoopRow, RoundRow
from ...domain.money import dollars
from ...domain.safetext import clip as safe_clip
from ..lines import Line, Span, blank, fit
from ..stores.selection import window
from .card import LABEL
from .frame import note, section
from .table import Chosen, Column, choose, heads, pointed, row
from .words import age, moment, money, tokens

if TYPE_CHECKING:
    from ..model import Model

COLUMNS = (
    Column("no", 4, right=True, keep=10),
    Column("outcome", 11, keep=9),
    Column("maker", 5, keep=7, most=8, flex=1),
    Column("check", 5, keep=6, most=8, flex=1),
    Column("verdict", 8, keep=8),
    Column("accept", 6, keep=5),
    Column("gate", 8, keep=4),
    Column("then", 12, keep=8, flex=1, most=16),
    Column("tok", 6, right=True, keep=3),
    Column("$", 6, right=True, keep=2),
    Column("age", 5, right=True, keep=1),
    Column("reason", 16, keep=0, flex=4, gap=2),
)
TRIGGERS = {
    "slot": "on schedule",
    "missed": "for a missed time",
    "manual": "by hand",
    "backfill": "for a time that was filled in",
    "push_back": "after a change was pushed back",
}
_STATE = {"failed": "fail", "exhausted": "fail", "escalated": "ask", "proceeded": "done", "reported": "done"}
_DECIDED = {"in_doubt": "doubt", "executing": "run", "failed": "fail"}


def state(m: Model, each: RoundRow) -> Span:
    """Glyph and word; an escalation asks only as long as its change waits."""
    if not each.ended:
        return Span(f"{m.glyphs.state('run')} {each.step or 'run'}", "run")
    if each.outcome == "reported" and each.quiet:
        return Span(f"{m.glyphs.state('wait')} nothing", "dim")
    word = _STATE.get(each.outcome, "note")
    waits = each.decided in ("waiting", "in_doubt")
    token = {"ask": "ask" if waits else "dim", "done": "base"}.get(word, word)
    return Span(f"{m.glyphs.state(word)} {each.outcome}", token)


def became(each: RoundRow) -> Span:
    """What became of its change: `A-28 waits`, `approved`, `done`."""
    if each.rolled_back:
        return Span("undone", "warn_text")
    if each.decided == "waiting":
        return Span(f"{safe_clip(each.approval, 12)} waits", "ask")
    token = {"in_doubt": "doubt_badge", "failed": "fail"}.get(each.decided, "base" if each.decided else "dim")
    return Span(each.decided.replace("_", " ") or "-", token)


def strip(m: Model, loop: LoopRow, width: int) -> Line:
    """`rounds   214 ? escalated   213 + reported   enter: all`."""
    out = [Span(f"  {'rounds':<{LABEL}s}", "dim")]
    shown = m.loops.rounds(m.world, loop.id)
    for each in shown[:3]:
        out += [Span(f"{each.number} "), _stands(m, each), Span("   ")]
    if not shown:
        return fit((*out, Span("none yet   "), Span("r", "key"), Span(" runs one now", "dim")), width)
    return fit((*out, Span("enter", "key"), Span(" all", "dim")), width)


def _stands(m: Model, each: RoundRow) -> Span:
    """What a round came to in one word: what became of its change, else its outcome."""
    if each.decided in ("", "waiting") or not each.ended:
        return state(m, each)
    word = _DECIDED.get(each.decided, "done" if each.decided in ("approved", "done") else "cancel")
    return Span(
        f"{m.glyphs.state(word)} {each.decided.replace('_', ' ')}", "dim" if word in ("done", "cancel") else word
    )


# -- the list ---------------------------------------------------------------------------------------------------------


def body(m: Model, width: int, height: int) -> list[Line]:
    loop = m.loops.row(m.world)
    if loop is None:
        return [blank(width)] * height
    title = f"{safe_clip(loop.name, 60)} {loop.level}"
    score = loop.since
    right = f"{score.rounds} rounds, {score.verified} of {score.proposals} verified at {loop.level}"
    out = [section(m, title, right, width)] if height > 5 else []
    ids = m.loops.round.ids
    if not ids:
        return [*out, note("No round has run yet: r runs one now.", width), *[blank(width)] * height][:height]
    chosen = choose(COLUMNS, width)
    out.append(heads(COLUMNS, chosen, width))
    room = max(1, height - len(out))
    top = max(0, window(len(ids), m.loops.round.index, room))
    for ident in ids[top : top + room]:
        each = m.loops.find_round(m.world, ident)
        line = _row(m, each, chosen, width) if each else blank(width)
        out.append(pointed(line, m.glyphs.cursor, m.focus == 7) if ident == m.loops.round.current else line)
    if trouble := m.loops.trouble.get(loop.id):
        out.append(note(safe_clip(trouble, 200), width))
    return [*out, *[blank(width)] * height][:height]


def _row(m: Model, each: RoundRow, chosen: list[Chosen], width: int) -> Line:
    accepted = {True: Span("passed"), False: Span("failed", "fail"), None: Span("-", "dim")}[each.accepted]
    verdict = {"concerns": "warn_text", "failed": "fail", "": "dim"}.get(each.verdict, "base")
    cells = (
        Span(str(each.number), "base" if each.live else "dim"),
        state(m, each),
        Span(safe_clip(each.maker, 12) or "-", "dim"),
        Span(safe_clip(each.checker, 12) or "-", "dim"),
        Span(each.verdict or "-", verdict),
        accepted,
        Span(each.gate or "-", "dim"),
        became(each),
        Span(tokens(each.tokens), "dim"),
        Span(money(each.usd, each.tokens), "dim"),
        Span(age(m.now() - each.started), "dim"),
        Span(safe_clip(each.reason, 200), "dim"),
    )
    return row(cells, chosen, width)


# -- one round --------------------------------------------------------------------------------------------------------


def title(m: Model, ident: str) -> str:
    loop, _, number = ident.partition("/")
    row = m.world.views.loops.get(loop)
    return f"{safe_clip(row.name, 40) if row else safe_clip(loop, 20)} round {safe_clip(number, 12)}"


def facts(m: Model, ident: str) -> list[tuple[str, str]]:
    """A round in full, label and plain (unsafe) text: what came of it, who did it, what may be undone, its report."""
    each = m.loops.find_round(m.world, ident)
    if each is None:
        return [("gone", "it is not in memory any more: harness-tui loop show")]
    out = [
        ("outcome", _outcome(each)),
        ("reason", each.reason),
        ("started", _times(m, each)),
        ("asked", f"{each.feedback} (what you said when its change was pushed back)" if each.feedback else ""),
        ("maker", _worker(m, each.maker, each.claim, "m")),
        ("change", _change(each)),
        ("checker", _worker(m, each.checker, each.verdict or "no verdict that counts", "c") if each.checker else ""),
        *(("", reason) for reason in each.reasons),
        ("accept", _accepted(each)),
        ("gate", f"{each.gate}, {'verified' if each.verified else 'not verified'}" if each.gate else ""),
        ("approval", f"{each.approval} {each.decided.replace('_', ' ')}" if each.approval else ""),
    ]
    if each.receipt:
        out.append(("receipt", f"{each.receipt.summary}   digest {each.receipt.digest[:12]}"))
        out.append(("moved", _moved(each)))
        out.append(("undo", each.receipt.undo or "the harness knows no undo"))
    out.append(("undone", each.rolled_back))
    out.append(("spent", _spent(each)))
    return [(label, value) for label, value in (*out, ("report", each.report)) if value.strip()]


def _outcome(each: RoundRow) -> str:
    if not each.ended:
        return f"runs: {each.step}"
    return "nothing to do" if each.quiet else each.outcome


def _times(m: Model, each: RoundRow) -> str:
    ended = f", ended {m.clock(each.ended)}" if each.ended else ""
    slot = f", due {m.clock(each.slot)}" if each.slot else ""
    how = f"{TRIGGERS.get(each.trigger, each.trigger)}{slot}, at {each.level}"
    return f"{moment(each.started, m.now(), m.offset)}{ended}; {how}"


def _worker(m: Model, run: str, said: str, key: str) -> str:
    if not run:
        return "not started"
    return f"{run} ({key} shows it)" + (f": {said}" if said else "")


def _change(each: RoundRow) -> str:
    change = each.change
    if change is None:
        return ""
    files = ", ".join(change.files[:6]) + (f" and {len(change.files) - 6} more" if len(change.files) > 6 else "")
    onto = f"{change.onto or 'a detached head'} {change.base[:8]}"
    return f"{files}  +{change.added} -{change.removed}, branch {change.branch}, on {onto}"


def _accepted(each: RoundRow) -> str:
    if each.accepted is None:
        return each.acceptance
    return f"{'passed' if each.accepted else 'failed'}: {each.acceptance}"


def _moved(each: RoundRow) -> str:
    receipt = each.receipt
    if receipt is None or not receipt.ref:
        return ""
    return f"{receipt.ref} {receipt.before[:8]} -> {receipt.after[:8]}"


def _spent(each: RoundRow) -> str:
    if not each.tokens:
        return "nothing"
    return f"{each.tokens:,} tok, {'price unknown' if each.usd is None else dollars(each.usd)}"
