"""Pane 3: the outline of the selected run: attempts, and in each its calls, requests, login and verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...domain import events as ev
from ...domain.safetext import clip as safe_clip
from ...domain.views import RunRow
from ..lines import Line, Span, blank, fit
from ..stores.ring import Row
from ..stores.selection import window
from . import dags, empty
from .runs import state
from .table import Chosen, Column, choose, heads, pointed, row
from .words import age, money, state_word, tokens

if TYPE_CHECKING:
    from ..model import Model

COLUMNS = (
    Column("node", 20, keep=10, flex=2, most=36),
    Column("state", 8, keep=9),
    Column("time", 6, right=True, keep=5),
    Column("tok", 6, right=True, keep=4),
    Column("$", 5, right=True, keep=3),
    Column("needs / note", 12, keep=8, flex=2, gap=2),
)
TEXT = 200


@dataclass(slots=True)
class Node:
    """One line of the outline. `key` stays the same while the node lives; times in us, 0 = unknown."""

    key: str
    depth: int
    name: str
    state: str
    note: str = ""
    started: int = 0
    ended: int = 0
    run: RunRow | None = None
    row: Row | None = None


def nodes(m: Model) -> list[Node]:
    """The outline of the selected run, parents before children."""
    root = m.world.views.runs.get(m.runs.current)
    if root is None:
        return []
    out = [_of_run(root, 0)]
    calls: dict[str, list[Node]] = {}
    for each in m.world.tail(root.id):
        if each.envelope:
            _take(calls.setdefault(each.stream, []), each, each.envelope.event)
    for attempt in m.world.attempts(root.id):
        out += [_of_run(attempt, 1), *calls.pop(attempt.id, [])]
    for rest in calls.values():
        out += rest
    return out


def _of_run(run: RunRow, depth: int) -> Node:
    name = f"{run.id} {run.title}" if depth == 0 else run.title or run.id
    note = run.reason or run.last if depth == 0 or not run.open else run.last
    return Node(run.id, depth, name, state_word(run), note, run.started, run.ended, run)


def _take(into: list[Node], row: Row, event: ev.Event) -> None:
    """Add the node of an event, or finish the one it belongs to."""
    open_calls = {node.key: node for node in into}
    match event:
        case ev.ToolStarted(call=call, tool=tool, summary=summary):
            into.append(Node(f"{row.stream}:{call}", 2, tool, "run", summary, row.at, row=row))
        case ev.ToolFinished(call=call, tool=tool, ok=ok, text=text):
            node = open_calls.get(f"{row.stream}:{call}")
            if node is None:
                into.append(node := Node(f"{row.stream}:{call}", 2, tool, "", started=0, row=row))
            node.state, node.ended = ("done" if ok else "fail"), row.at
            node.note = node.note if ok else text
        case ev.ToolRefused(call=call, tool=tool, text=text):
            into.append(Node(f"{row.stream}:{call}!", 2, tool, "fail", text, row=row))
        case ev.ApprovalRequested(id=ident, kind=kind, summary=summary):
            word = "doubt" if kind == "in_doubt" else "ask"
            into.append(Node(ident, 2, ident, word, summary, row.at, row=row))
        case ev.ApprovalDecided(id=ident, decision=decision, by=by) if ident in open_calls:
            node = open_calls[ident]
            node.state, node.ended = ("done" if decision == "approved" else "cancel"), row.at
            node.note = f"{decision} by {by}: {node.note}"
        case ev.ApprovalResolved(id=ident, resolution=word, by=by) if ident in open_calls:
            node = open_calls[ident]
            node.state, node.ended, node.note = "done", row.at, f"{word.replace('_', ' ')} says {by}"
        case ev.ApprovalExpired(id=ident) | ev.ApprovalWithdrawn(id=ident) if ident in open_calls:
            open_calls[ident].state, open_calls[ident].ended = "cancel", row.at
        case ev.LoginHandled(ok=ok, detail=detail):
            into.append(Node(f"{row.seq}", 2, "harness_auto_login", "done" if ok else "fail", detail, row=row))
        case ev.Verified(passed=passed, reason=reason):
            into.append(Node(f"{row.seq}", 2, "verify", "done" if passed else "fail", reason, row=row))


def right(m: Model) -> str:
    run = m.world.views.runs.get(m.runs.current)
    if run is None:
        return ""
    return dags.right(run) if run.kind == "dag" else f"{safe_clip(run.id, 20)} {safe_clip(run.title, 40)}"


def body(m: Model, width: int, height: int) -> list[Line]:
    if dags.selected(m):
        return dags.body(m, width, height)
    shown = nodes(m)
    m_run = m.world.views.runs.get(m.runs.current)
    if m_run is None:
        return empty.lines(m, 3, width, height)
    if len(shown) < 3:
        sentence = f"{safe_clip(m_run.id, 20)} has no graph: it is one run."
        return empty.lines(m, 3, width, height, sentence, (("2", "pick another one"), empty.DAG_DEMO, empty.DAG))
    at = index(m, shown)
    foot = _foot(m, m_run, width) if height > 4 else []
    chosen = choose(COLUMNS, width)
    out = [heads(COLUMNS, chosen, width)] if height > 3 else []
    room = max(0, height - len(out) - len(foot))
    top = window(len(shown), at, room)
    for i, node in enumerate(shown[top : top + room], top):
        last = i + 1 >= len(shown) or shown[i + 1].depth < node.depth
        line = _row(m, node, last, chosen, width)
        out.append(pointed(line, m.glyphs.cursor, m.focus == 3) if i == at else line)
    pad = [blank(width)] * (height - len(out) - len(foot))
    return [*out, *pad, *foot][:height]


def index(m: Model, shown: list[Node]) -> int:
    """Where the cursor is: on the node it was put on, else on the last one."""
    for i, node in enumerate(shown):
        if node.key == m.node:
            return i
    return 0


def _row(m: Model, node: Node, last: bool, chosen: list[Chosen], width: int) -> Line:
    indent = "  " * max(0, node.depth - 1)
    if node.depth and not m.glyphs.ascii:
        indent += f"{m.glyphs.tree[1 if last else 0]} "
    elif node.depth:
        indent += "  "
    end = node.ended or (m.now() if node.state in ("run", "ask", "doubt", "retry") and node.started else 0)
    spent = node.run.usage.total if node.run else 0
    plain = "dim" if node.state in ("done", "cancel") and node.depth > 1 else "base"
    cells = (
        (Span(indent, "faint"), Span(safe_clip(node.name, TEXT), plain)),
        state(m, node.state),
        Span(_took(end - node.started) if end and node.started else "", plain),
        Span(tokens(spent) if node.run else "", plain),
        Span(money(node.run.money, spent) if node.run else "", plain),
        Span(safe_clip(node.note, TEXT), "dim"),
    )
    return row(cells, chosen, width)


def _took(us: int) -> str:
    return f"{us / 1_000_000:.1f}s" if us < 60_000_000 else age(us)


def _foot(m: Model, run: RunRow, width: int) -> list[Line]:
    request = m.world.views.approvals.get(run.waits)
    if request is None or not request.open:
        return []
    what = f"{safe_clip(request.id, 20)} {safe_clip(request.summary, TEXT)}  {age(m.now() - request.requested)}"
    return [fit((Span("  waits for you  ", "ask"), Span(what), Span("   4 decides", "dim")), width)]
