"""Bars over time: when each job was at work, waited for a person or a model, or for its next try."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from ...domain.dag.state import DagState, JobState
from ..lines import Line, Span, blank, cells, fit
from ..panes.table import BAR, pointed
from ..panes.words import SECOND
from .look import Look, keep
from .names import middle, token, word

STATE = 9
"""Cells of the state at the right."""
LOW, HIGH = 3, 10
"""Rows from which on there is an axis, and a legend."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
APART = 12
"""Cells between two marks of the axis at least."""
# What a stretch is drawn with in ASCII and Unicode, and its token; the gravest wins where several fall into one cell.
STRETCHES = {
    "run": ("=", "█", "run"),
    "limit": (":", ":", "wait"),
    "retry": ("r", "░", "retry"),
    "ask": ("?", "▒", "ask"),
    "doubt": ("!", "!", "doubt"),
}
LEGEND = (
    *(("run", "at work"), ("ask", "waits for you"), ("doubt", "in doubt")),
    *(("retry", "next try"), ("limit", "rate limit")),
)

_orders: WeakKeyDictionary[DagState, tuple[int, list[str]]] = WeakKeyDictionary()


def order(s: DagState) -> list[str]:
    """Ids in the order in which their first attempts began, then those that have not, in the plan's order."""
    known = _orders.get(s)
    if known is None or known[0] != s.seq or len(known[1]) != len(s.jobs):
        begun = sorted((job.bars[0].start, job.index, ident) for ident, job in s.jobs.items() if job.bars)
        rest = sorted((job.index, ident) for ident, job in s.jobs.items() if not job.bars)
        known = s.seq, [*(ident for _, _, ident in begun), *(ident for _, ident in rest)]
        _orders[s] = known
    return known[1]


def draw_gantt(s: DagState, look: Look, width: int, height: int, top: int = 0) -> list[Line]:
    """`height` lines of `width` cells, from row `top` on, further where the cursor would not be seen."""
    idents = order(s)
    until = max(1, s.t if s.finished else max(look.now_t, s.t))
    name = max(8, min(28, width // 4))
    room = max(1, width - BAR - name - 1 - 1 - STATE - 1)
    out = [_axis(s, until, name, room, width)] if height >= LOW else []
    foot = [_legend(look, width)] if height >= HIGH else []
    seen = height - len(out) - len(foot)
    at = idents.index(look.cursor) if look.cursor in s.jobs else -1
    top = keep(top, at, seen, len(idents))
    for i, ident in enumerate(idents[top : top + seen], top):
        line = _row(s.jobs[ident], look, until, name, room, width)
        out.append(pointed(line, look.glyphs.cursor, look.focused) if i == at else line)
    return [*out, *[blank(width)] * (height - len(out) - len(foot)), *foot]


def _row(job: JobState, look: Look, until: int, name: int, room: int, width: int) -> Line:
    state = word(job)
    critical = job.spec.id in look.critical
    label = middle(job.spec.id, name - 2 * critical)
    line = [
        Span("  "),
        Span(label, "title" if critical else "base"),
        Span(f" {look.glyphs.crit}" if critical else "", "mark"),
        Span(" " * (name + 1 - cells(label) - 2 * critical)),
        *_bars(job, look, until, room),
        Span(look.glyphs.vrule, "faint"),
        Span(f" {look.glyphs.state(state)} {state}", token(state)),
    ]
    return fit(line, width)


def _bars(job: JobState, look: Look, until: int, room: int) -> list[Span]:
    """Its stretches in `room` cells; none is too short to be seen."""
    row = [""] * room
    for what in STRETCHES:
        for bar in job.bars:
            if bar.what == what:
                end = until if bar.end < 0 else bar.end
                first = min(room - 1, bar.start * room // until)
                last = min(room, max(first + 1, -(-end * room // until)))
                row[first:last] = [what] * (last - first)
    out: list[Span] = []
    at = 0
    while at < room:
        end = at + 1
        while end < room and row[end] == row[at]:
            end += 1
        plain, fine, mark = STRETCHES.get(row[at], (" ", " ", "base"))
        if row[at] == "run" and job.over:
            mark = "done" if job.state == "succeeded" else "base"
        out.append(Span((plain if look.glyphs.ascii else fine) * (end - at), mark))
        at = end
    return out


def _axis(s: DagState, until: int, name: int, room: int, width: int) -> Line:
    """Marks at round times, and `now` (of a run that is over: `end`) at the right."""
    text = [" "] * room
    last = "end" if s.finished else "now"
    step = next((step for step in STEPS if step * SECOND * room >= APART * until), 0)
    while not step or step * SECOND * room < APART * until:
        step = (step or STEPS[-1]) * 2
    for moment in range(0, until // SECOND + 1, step):
        mark = _moment(moment)
        at = moment * SECOND * room // until
        if at + len(mark) + len(last) < room:
            text[at : at + len(mark)] = mark
    if room >= len(last):
        text[-len(last) :] = last
    return fit(
        (Span("  "), Span("node".ljust(name + 1), "dim"), Span("".join(text), "dim"), Span(" state", "dim")), width
    )


def _moment(seconds: int) -> str:
    """`0s`, `45s`, `4m`, `1h30`, `2d`."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m" + (f"{seconds % 60:02d}" if seconds % 60 else "")
    if seconds < 86400:
        return f"{seconds // 3600}h" + (f"{seconds // 60 % 60:02d}" if seconds // 60 % 60 else "")
    return f"{seconds // 86400}d"


def _legend(look: Look, width: int) -> Line:
    out: list[Span] = [Span("  ")]
    for what, says in LEGEND:
        plain, fine, mark = STRETCHES[what]
        out += [Span(plain if look.glyphs.ascii else fine, mark), Span(f" {says}   ", "dim")]
    return fit(out, width)
