"""The surface: one widget that puts the model's panes on the screen and repaints only the cells that changed.

One widget, not one a pane: `Model.places` decides the geometry, so a pane switch or a resize is one paint and no layout
(a widget a pane costs two compositor frames for it), and an overlay is simply drawn later than what lies under it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..lines import Line, Span, fit
from ..model import Model
from ..theme import Style, Theme

Row = tuple[Span, ...]
"""One row of the screen: spans, neighbours of one token merged, exactly the screen's width in cells."""


class Surface(Widget):
    """Draws a model.

    Args:
        measured: called with (width, height) before the first drawing at a new size.
    """

    DEFAULT_CSS = "Surface { width: 1fr; height: 1fr; }"
    can_focus = False

    def __init__(self, model: Model, theme: Theme, measured: Callable[[int, int], None]) -> None:
        super().__init__()
        self._model = model
        self._measured = measured
        self._drawn_size = (0, 0)
        self._rows: list[Row] = []
        self._strips: list[Strip] = []
        self.use_theme(theme)

    def use_theme(self, theme: Theme) -> None:
        """Draw with other colours from the next flush on."""
        self._theme = theme
        self._styles: dict[str, RichStyle | None] = {}
        self._rows, self._strips = [], []

    def flush(self) -> bool:
        """Draw the model as it is now; True when a cell changed. Never called per event."""
        if not self.size:
            return False
        if self._drawn_size != tuple(self.size) or not self._rows:
            self._draw_all()
            self.refresh()
            return True
        dirty = self._draw_changes()
        if dirty:
            self.refresh(*dirty)
        return bool(dirty)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The painted rows; drawn on the spot after a resize, so that no frame of the old size is sent."""
        if self._drawn_size != tuple(self.size) or len(self._strips) != self.size.height:
            self._draw_all()
        rows = self._strips[crop.y : crop.bottom]
        if crop.x == 0 and crop.right >= self.size.width:
            return rows
        return [strip.crop(crop.x, crop.right) for strip in rows]

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    # -- drawing -------------------------------------------------------------------------------------------------

    def _draw_all(self) -> None:
        width, height = self.size
        if self._drawn_size != (width, height):
            self._drawn_size = (width, height)
            self._measured(width, height)
        self._rows = self._compose_rows(width, height)
        self._strips = [self._strip(row) for row in self._rows]

    def _draw_changes(self) -> list[Region]:
        dirty: list[Region] = []
        width, height = self.size
        for y, row in enumerate(self._compose_rows(width, height)):
            old = self._rows[y]
            if row == old:
                continue
            start, end = changed_cells(old, row)
            self._rows[y], self._strips[y] = row, self._strip(row)
            dirty.append(Region(start, y, end - start, 1))
        return dirty

    def _compose_rows(self, width: int, height: int) -> list[Row]:
        rows: list[list[tuple[int, int, Line]]] = [[] for _ in range(height)]
        for name, rect in self._model.places(width, height).items():
            lines = self._model.lines(name, rect.width, rect.height)
            for y, line in enumerate(lines[: rect.height], rect.y):
                if 0 <= y < height:
                    rows[y].append((rect.x, rect.width, line))
        return [merged(laid(pieces, width)) for pieces in rows]

    def _strip(self, row: Row) -> Strip:
        return Strip([Segment(span.text, self._rich(span.token)) for span in row], self._drawn_size[0])

    def _rich(self, token: str) -> RichStyle | None:
        try:
            return self._styles[token]
        except KeyError:
            style = rich_style(self._theme.style(token))
            if len(self._styles) < 8192:
                self._styles[token] = style
            return style


def laid(pieces: list[tuple[int, int, Line]], width: int) -> Line:
    """One row from (x, width, line) pieces; a later piece lies over an earlier one, gaps are blank."""
    aside = sorted(pieces, key=lambda piece: piece[0])
    if all(left[0] + left[1] <= right[0] for left, right in pairwise(aside)):
        pieces = aside  # nothing overlaps: no piece need be cut up
    row: Line = ()
    end = 0
    for x, span_width, line in pieces:
        if x >= end:
            row += (Span(" " * (x - end)), *line) if x > end else line
            end = x + span_width
        else:
            right = part(row, x + span_width, end)
            row = (*part(row, 0, x), *line, *right)
            end = max(end, x + span_width)
    return row if end == width else fit(row, width)


def part(line: Line, start: int, end: int) -> Line:
    """Cells [start, end) of a line; half of a wide character becomes a space."""
    out: list[Span] = []
    at = 0
    for text, token in line:
        if text.isascii():
            out.append(Span(text[max(0, start - at) : max(0, end - at)], token))
            at += len(text)
            continue
        for char in text:
            size = cell_len(char)
            seen = min(at + size, end) - max(at, start)
            if at >= start and at + size <= end:
                out.append(Span(char, token))
            elif seen > 0:
                out.append(Span(" " * seen, token))
            at += size
    return tuple(span for span in out if span.text)


def merged(line: Line) -> Row:
    """Neighbours of one token in one span: each span costs its own escape sequences on the wire."""
    if all(a.token != b.token for a, b in pairwise(line)):
        return line
    return tuple(Span("".join(s.text for s in group), token) for token, group in groupby(line, lambda s: s.token))


def changed_cells(old: Row, new: Row) -> tuple[int, int]:
    """The span of cells [start, end) in which two different rows of equal width differ."""
    before = [(char, token) for text, token in old for char in text]
    after = [(char, token) for text, token in new for char in text]
    width = sum(cell_len(text) for text, _ in new)
    start = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    limit = min(len(before), len(after)) - start
    same = next((i for i in range(limit) if before[-1 - i] != after[-1 - i]), limit)
    head = cell_len("".join(char for char, _ in after[:start]))
    tail = cell_len("".join(char for char, _ in after[len(after) - same :])) if same else 0
    return head, max(head + 1, width - tail)


def rich_style(style: Style) -> RichStyle | None:
    """A Rich style; None for the terminal's own look, which then costs no escape sequence at all."""
    if style == Style():
        return None
    return RichStyle(
        color=Color.parse(style.fg) if style.fg else None,
        bgcolor=Color.parse(style.bg) if style.bg else None,
        bold=style.bold or None,
        dim=style.dim or None,
        underline=style.underline or None,
        reverse=style.reverse or None,
    )
