"""What stands around the panes: tab strip, status line, hint line and prompt."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...domain.money import dollars
from ...domain.safetext import clip as safe_clip
from ...domain.views import BudgetRow
from ..actions import BY_ID, PANE_NAMES, shown
from ..lines import Line, Span, clip, fit, spread, width_of
from ..stores.dags import patch_of, request_of
from . import batch, card, dags
from .budgets import loud, out_words
from .words import SECOND, age, state_word, tokens

if TYPE_CHECKING:
    from ..model import Model


def tabs(m: Model, width: int) -> Line:
    """Names where there is room, then only the focused pane's, then digits."""
    full = _tabs(m, set(PANE_NAMES))
    where = (Span(_where(m), "dim"),)
    time = (Span(f"  {m.clock(m.now(), seconds=False)}", "dim"),)
    for strip in (full, _tabs(m, {m.focus}), _tabs(m, set())):
        for right in ((*where, *time), time, ()):
            if width_of(strip) + width_of(right) <= width:
                return spread(strip, right, width)
    return fit(_tabs(m, set()), width)


def _tabs(m: Model, named: set[int]) -> Line:
    out: list[Span] = []
    waiting = len(m.world.waiting())
    for pane, name in PANE_NAMES.items():
        text = f" {pane} {name}" if pane in named else f" {pane}"
        out.append(Span(text, "title" if pane == m.focus else "dim"))
        if pane == 4 and waiting and (named or m.focus == 4):
            out.append(Span(f" {waiting}", "ask"))
        out.append(Span(" " if named else ""))
    return tuple(out)


def _where(m: Model) -> str:
    engine = m.world.engine
    parts = ("harness-tui", safe_clip(m.title, 40), safe_clip(engine.host, 40) if engine else "")
    return "  ".join(part for part in parts if part)


# -- status ---------------------------------------------------------------------------------------------------------


def status(m: Model, width: int) -> Line:
    """Link, counts, waiting, spend, each whole or not at all: the lower its rank, the sooner a piece goes."""
    pieces = _pieces(m)
    rate = (Span(f"{_short(m.world.rate())}/s ", "dim"),) if m.link.state == "live" and m.world.engine else ()
    chosen: set[int] = set()
    room = width
    for i in sorted(range(len(pieces)), key=lambda i: pieces[i][0]):
        if width_of(pieces[i][1]) <= room:
            chosen.add(i)
            room -= width_of(pieces[i][1])
    out = [span for i, (_, piece) in enumerate(pieces) if i in chosen for span in piece]
    return spread(out, rate, width) if out else fit(pieces[0][1], width)


def _short(count: int) -> str:
    return f"{count:,}" if count < 100_000 else f"{count // 1000}k"


Piece = tuple[int, Line]
"""(rank, spans); rank 0 goes last."""


def _pieces(m: Model) -> list[Piece]:
    link = m.link
    ago = age(m.now() - link.since) if link.since else "0s"
    if link.state == "starting":
        keys: Line = (Span("   q", "key"), Span(" leave", "dim"))
        log = Span(f"   {link.text or 'log: harness-tui engine logs'}", "dim")
        return [(0, (Span(f" starting engine {ago}", "title"),)), (2, (log,)), (1, keys)]
    if link.state == "lost":
        wait = max(0, link.retry_at - m.now()) // SECOND
        retry = (Span(f"   retry {link.tries} in {wait}s"),) if link.retry_at else ()
        keys = (Span("  R", "key"), Span(" now", "dim"), Span("  q", "key"), Span(" leave", "dim"))
        old = (Span(f"   what you see is {ago} old", "stale"),)
        return [(0, (Span(f" lost {ago} ", "lost"),)), (3, retry), (1, keys), (2, old)]
    head: list[Piece] = [(0, (Span(" live "),))]
    if link.state == "stalled":
        head.append((2, (Span(f" drawing late {link.late:.1f}s: slow terminal ", "stale"),)))
        head.append((5, (Span(" :fps 2 ", "key"),)))
    if m.world.restarted and m.now() - m.world.restarted < 60 * SECOND:
        head.append((3, (Span(f" engine restarted {age(m.now() - m.world.restarted)} ago ", "stale"),)))
    return [*head, *_counts(m), *_waiting(m), *_spend(m), *_abnormal(m)]


def _counts(m: Model) -> list[Piece]:
    counts = Counter(state_word(run) for run in m.world.roots())
    out: list[Piece] = [(4, (Span(f"  {counts['run'] + counts['retry']} run "),))]
    if counts["fail"]:
        out.append((5, (Span(f" {counts['fail']} fail ", "fail"),)))
    if counts["doubt"]:
        out.append((2, (Span(f" {counts['doubt']} doubt ", "doubt"),)))
    return out


def _waiting(m: Model) -> list[Piece]:
    waiting = m.world.waiting()
    if not waiting:
        return [(6, (Span("  ask 0 ", "dim"),))]
    badge = (Span("  "), Span(f" ask {len(waiting)} ", "ask_badge"))
    return [(1, badge), (7, (Span(f" oldest {age(m.now() - waiting[0].requested)} ", "dim"),))]


def _spend(m: Model) -> list[Piece]:
    """Today's spend, strong once its limit is near; then the open runs whose own limit is."""
    out: list[Piece] = []
    if today := m.world.today(m.today):
        strong = loud(m, today)
        when = out_words(m, today)
        late = (Span(f"out {when} ", strong or "dim"),) if when != "-" else ()
        out.append((2 if strong else 6, (Span("  "), Span(f"{spent(today)} ", strong or "base"), *late)))
    if near := m.world.near():
        run = safe_clip(near[0].scope.partition(":")[2], 20)
        strong = "over" if any(loud(m, row) == "over" for row in near) else "warn"
        out.append(
            (3, (Span(" "), Span(f"{len(near)} budgets low " if len(near) > 1 else f"budget {run} low ", strong)))
        )
    return out


def _abnormal(m: Model) -> list[Piece]:
    out: list[Piece] = []
    if m.world.unreadable:
        out.append((8, (Span(f"  {m.world.unreadable} unreadable: newer engine ", "warn_text"),)))
    return out


def spent(row: BudgetRow) -> str:
    """Money where it is known or limited, tokens else: unknown is never shown as zero."""
    if row.money or row.usd_limit is not None:
        known = "$?" if row.money is None else dollars(row.money, row.mark) if row.money else "$0"
        limit = "" if row.usd_limit is None else f"/{dollars(row.usd_limit).removeprefix('$').removesuffix('.00')}"
        return known + limit
    of = f"/{tokens(row.limit)}" if row.limit else ""
    return f"{tokens(row.spent) if row.spent else '0'}{of} tok"


# -- hint and prompt --------------------------------------------------------------------------------------------------


def hint(m: Model, width: int) -> Line:
    """What the item under the cursor takes; a notice covers it until the next key."""
    if m.said:
        text, bad = m.said
        return fit((Span(" "), Span(clip(text, max(1, width - 1)), "warn_text" if bad else "base")), width)
    keep = _keys(("colon", "command"), ("question_mark", "help"), ("q", "detach"))
    room = width - width_of(keep) - 3
    out: list[Span] = []
    for key, title in _offers(m):
        piece = _keys((key, title))
        if width_of(out) + width_of(piece) <= room:
            out += piece
    return fit((*out, Span("  " if out else ""), *keep), width)


def _keys(*offers: tuple[str, str]) -> list[Span]:
    out: list[Span] = []
    for key, title in offers:
        out += [Span(f" {shown(key)} ", "key"), Span(f"{title} ", "dim")]
    return out


def _offers(m: Model) -> list[tuple[str, str]]:
    """Keys that do something to the item under the cursor now."""
    if m.overlay:
        runs = [_offer("loops.maker"), _offer("loops.checker")] if m.overlay.kind == "round" else []
        runs += [("enter", "its attempt")] if m.overlay.kind == "job" else []
        runs += [("d", "older")] if m.overlay.kind == "patch" else []
        return [("esc", "back"), ("space", "page"), *runs, ("y", "copy")]
    match m.focus:
        case 1:
            follow = ("f", "hold still" if m.trace.follow else "follow")
            return [("enter", "open"), follow, ("/", "filter"), ("y", "copy")]
        case 2 | 3:
            run = m.world.views.runs.get(m.runs.current)
            if m.focus == 3 and dags.selected(m):
                return _graph_offers(m)
            if m.focus == 2 and m.filters.get(2):
                return [("esc", f"clear /{m.shown_filter_of(2)}"), *([("enter", "open")] if run else [])]
            if run is None:
                return []
            cancel = [_offer("runs.cancel")] if run.open else []
            return [("enter", "open"), _offer("item.why"), _offer("item.may"), *cancel, ("/", "filter")][
                : 5 if m.focus == 2 else 4
            ]
        case 4:
            return _approval_offers(m)
        case 5 if m.budgets.current:
            return [("enter", "open"), (":budget set", "limit"), ("y", "copy")]
        case 7:
            return _loop_offers(m)
        case 6:
            return [("v", "picture" if m.browser_text else "page text")] if m.world.views.frames else []
        case _:
            return []


def _graph_offers(m: Model) -> list[tuple[str, str]]:
    """What the run or the job under the cursor takes now; what wants the operator first."""
    graph, row = dags.graph(m), dags.selected(m)
    if graph is None or graph.state is None or row is None:
        return []
    if m.filters.get(3):
        return [("esc", f"clear /{m.shown_filter_of(3)}"), ("enter", "open")]
    s, job = graph.state, dags.job(m)
    gate = [_offer("graph.gate")] if request_of(s, graph.cursor) else []
    pause = [] if s.finished else [("p", "resume") if s.paused else _offer("graph.pause")]
    cancel = [_offer("runs.cancel")] if row.open and not (job and job.over) else []
    patch = [_offer("graph.patch")] if patch_of(s, 0) else []
    ends = [("enter", "open"), _offer("item.why"), _offer("graph.retry"), *cancel, *pause]
    return [*gate, ("v", "view"), *ends, *patch, ("/", "filter")]


def _loop_offers(m: Model) -> list[tuple[str, str]]:
    loop = m.loops.row(m.world)
    if m.loops.open:
        return [("enter", "report"), _offer("loops.maker"), _offer("loops.checker"), ("esc", "loops")]
    if loop is None:
        return []
    pause = ("p", "resume") if loop.state == "paused" else _offer("loops.pause")
    run, show = _offer("loops.run"), _offer("loops.preview")
    return [("enter", "rounds"), run, pause, _offer("item.why"), show, _offer("item.may"), _offer("loops.promote")]


def _offer(ident: str) -> tuple[str, str]:
    action = BY_ID[ident]
    return action.keys[0], action.title


def _approval_offers(m: Model) -> list[tuple[str, str]]:
    row = m.queue.row()
    if m.queue.batch:
        return [*([("space", "page")] if m.unseen() else []), *batch.keys_of(m), ("esc", "one at a time")]
    if row is None:
        return []
    if not row.open:
        return [("j", "moves on"), _offer("item.why")]
    page = [("space", "page")] if m.unseen() else []
    off = m.link.state in ("lost", "starting") or m.queue.sent == row.id or "paper" in m.arming.blocks
    return [*page, *([] if off else card.keys_of(m, row)), _offer("item.why"), _offer("item.may")]


def prompt(m: Model, width: int) -> Line:
    """`:run Upvote the first story_`; a long text shows its end."""
    open_prompt = m.prompt
    if open_prompt is None:
        return fit((), width)
    label, text = open_prompt.label, open_prompt.shown()
    note = f"  {m.said[0]}" if m.said else ""
    room = max(1, width - len(label) - len(note) - 3)
    while width_of((Span(text),)) > room:
        text = text[1:]
    return fit((Span(f" {label}", "key"), Span(text), Span("_", "focus"), Span(note, "warn_text")), width)
