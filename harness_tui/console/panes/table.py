"""Tables: columns have priorities and drop whole, never to a stub; what is left over goes to the flexible ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..lines import Line, Span, fit, over, width_of


class Column(NamedTuple):
    """One column.

    Attributes:
        width: cells it needs at least.
        keep: the lowest goes first when there is no room.
        flex: share of what is left over.
        most: cells it takes at most.
        gap: cells before it.
    """

    head: str
    width: int
    right: bool = False
    keep: int = 9
    flex: int = 0
    most: int = 999
    gap: int = 1


class Chosen(NamedTuple):
    place: int
    width: int
    column: Column


BAR = 2
"""Cells of the cursor bar at the left of a row."""


def choose(columns: Sequence[Column], width: int) -> list[Chosen]:
    """Columns that fit beside the cursor bar, with their widths; at least one column stays."""
    room = width - BAR
    left = list(range(len(columns)))
    while len(left) > 1 and sum(columns[i].width + columns[i].gap for i in left) - columns[left[0]].gap > room:
        left.remove(min(reversed(left), key=lambda i: columns[i].keep))
    widths = {i: columns[i].width for i in left}
    spare = room - sum(widths[i] + columns[i].gap for i in left) + columns[left[0]].gap
    flexible = [i for i in left if columns[i].flex]
    while spare > 0 and flexible:
        share = sum(columns[i].flex for i in flexible)
        given = {i: min(columns[i].most - widths[i], max(1, spare * columns[i].flex // share)) for i in flexible}
        for i, more in given.items():
            more = min(more, spare)
            widths[i] += more
            spare -= more
        flexible = [i for i in flexible if widths[i] < columns[i].most]
    if len(left) == 1:
        widths[left[0]] = max(0, min(widths[left[0]], room))
    return [Chosen(i, widths[i], columns[i]) for i in left]


def row(cells: Sequence[Line | Span | str], chosen: Sequence[Chosen], width: int, bar: str = " ") -> Line:
    """One row; `cells` by column index."""
    out: list[Span] = [Span(f"{bar} ")]
    for place, (index, cell_width, column) in enumerate(chosen):
        if place:
            out.append(Span(" " * column.gap))
        content = cells[index]
        line: Line = (
            (Span(content),) if isinstance(content, str) else (content,) if isinstance(content, Span) else content
        )
        if column.right and width_of(line) <= cell_width:
            out.append(Span(" " * (cell_width - width_of(line))))
            out.extend(span for span in line if span.text)
        else:
            out.extend(fit(line, cell_width))
    return fit(out, width)


def pointed(line: Line, glyph: str, focused: bool) -> Line:
    """The row under the cursor: bright in the focused pane, a faint bar elsewhere."""
    rest = (Span(line[0].text[1:], line[0].token), *line[1:])
    if not focused:
        return (Span(glyph, "faint"), *rest)
    return over((Span(glyph, "focus"), *rest), "cursor")


def heads(columns: Sequence[Column], chosen: Sequence[Chosen], width: int) -> Line:
    """The header line, heads aligned as their cells."""
    return row([Span(column.head, "dim") for column in columns], chosen, width)
