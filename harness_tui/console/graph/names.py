"""Names and short words as the drawings of a graph have them: safe, in few cells, with their numbering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ...domain.dag.state import JobState
from ...domain.safetext import safe
from ..lines import Line, Span, cells, cut
from ..panes.words import SECOND, age

SHORT = {"running": "run", "retrying": "retry", "succeeded": "done", "dead_lettered": "fail", "cancelled": "cancel"}
WAITING = {"approval": "ask", "in_doubt": "doubt"}
GRAVE = ("doubt", "ask", "fail", "retry", "run", "paused", "wait", "cancel", "done")
"""Words as a group of jobs names them: first what wants somebody."""
WORD = 6
"""Cells of the longest of them."""


def word(job: JobState) -> str:
    """Its state in the words of the glyph set."""
    if job.state == "waiting":
        return WAITING.get(job.waits, "wait")
    if job.state in ("pending", "ready"):
        return "paused" if job.held else "wait"
    return SHORT[job.state]


def token(state: str) -> str:
    """The theme token of a state word; what is in doubt stands out as a badge."""
    return "doubt_badge" if state == "doubt" else state


def counted(words: Iterable[str]) -> tuple[str, str]:
    """The gravest of these words, and how many there are of each (`1 fail 3 run 19 done`), or the one word there is."""
    counts = Counter(words)
    parts = [f"{counts[each]} {each}" for each in GRAVE if counts[each]]
    gravest = next((each for each in GRAVE if counts[each]), "wait")
    return gravest, " ".join(parts) if len(parts) > 1 else gravest


def took(us: int) -> str:
    """`4.1s`, `59.9s`, `4m`, `1h06`."""
    return f"{max(0, us) / SECOND:.1f}s" if us < 60 * SECOND else age(us)


def middle(text: str, width: int) -> str:
    """`text` made safe, in at most `width` cells; what is left out of its middle shows as `~`, so that a number at the
    end stays."""
    if len(text) > 2 * width + 2:  # of a very long name no more is looked at than can show
        head, tail = safe(text[: width + 1]), safe(text[-width - 1 :])
    else:
        head = tail = safe(text)
        if cells(head) <= width:
            return head
    if width < 4:
        return cut(head, width - 1) + "~" if width > 0 else ""
    number = len(tail) - len(tail.rstrip("0123456789"))
    right = min(number if number > 2 else width // 3, width // 2)
    return cut(head, width - right - 1) + "~" + end(tail, right)


def end(text: str, width: int) -> str:
    """The longest end of `text` that fits into `width` cells and does not begin with a mark on what was before."""
    if text.isascii():
        return text[-width:] if width > 0 else ""
    at = max(0, len(text) - width)
    while at < len(text) and (cells(text[at:]) > width or not cells(text[at])):
        at += 1
    return text[at:]


def crop(line: Line, x: int, width: int) -> Line:
    """Cells `x` to `x + width` of a line; half a wide character is a space."""
    out: list[Span] = []
    at = 0
    for text, mark in line:
        size = cells(text)
        first, last = max(x - at, 0), min(x + width - at, size)
        at += size
        if first >= last:
            continue
        if first or last < size:
            text = _part(text, first, last)
        out.append(Span(text, mark))
    left = x + width - max(at, x)
    if left > 0:
        out.append(Span(" " * min(left, width)))
    return tuple(out)


def _part(text: str, first: int, last: int) -> str:
    """Cells `first` to `last` of a text."""
    if text.isascii():
        return text[first:last]
    head = cut(text, first)
    rest = text[len(head) :]
    lead = 0
    if cells(head) < first:  # a wide character lies over the edge
        lead = cells(head) + cells(rest[0]) - first
        rest = rest[1:]
    body = cut(rest, last - first - lead)
    return " " * lead + body + " " * (last - first - lead - cells(body))
