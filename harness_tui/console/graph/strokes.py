"""Cells of a gutter: which ways a line leaves each of them, and the box character of that."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ..glyphs import Glyphs
from ..lines import Span
from .route import Gutter, Net

LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8
ACROSS, ALONG = LEFT | RIGHT, UP | DOWN

PLAIN = "rule"
CRITICAL = "mark"
CHOSEN = "focus"

# By the sum of the ways.
_LIGHT = " ───│┘└┴│┐┌┬│┤├┼"
_HEAVY = " ━━━┃┛┗┻┃┓┏┳┃┫┣╋"
_DOUBLE = (
    _LIGHT,
    " ═══│╛╘╧│╕╒╤│╡╞╪",  # across
    " ───║╜╙╨║╖╓╥║╢╟╫",  # up and down
    " ═══║╝╚╩║╗╔╦║╣╠╬",
)
_ASCII = " ---|+++|+++|+++"
_ASCII_DOUBLE = " ===|+++|+++|+++"


def sign(glyphs: Glyphs, ways: int, critical: int = 0, chosen: int = 0) -> Span:
    """One cell. critical, chosen: those of its ways that belong to the critical path, to the selected node."""
    token = CHOSEN if chosen else CRITICAL if critical else PLAIN
    if glyphs.ascii:
        return Span((_ASCII_DOUBLE if critical & ACROSS else _ASCII)[ways], token)
    if critical:
        return Span(_DOUBLE[bool(critical & ACROSS) + 2 * bool(critical & ALONG)][ways], token)
    return Span((_HEAVY if chosen else _LIGHT)[ways], token)


class Canvas:
    """The part of one gutter that is seen: rows `top` to `top + height` - 1."""

    def __init__(self, gutter: Gutter, top: int, height: int) -> None:
        self.gutter, self.top, self.height, self.width = gutter, top, height, gutter.width
        self.ways, self.critical, self.chosen = ([bytearray(self.width) for _ in range(height)] for _ in range(3))
        self.crossing: set[tuple[int, int]] = set()
        if height > 0:
            for net in gutter.touching(top, top + height):
                self._stroke(net)

    def _rows(self, rows: Sequence[int]) -> Sequence[int]:
        """Of sorted rows those that are seen."""
        return rows[bisect_left(rows, self.top) : bisect_left(rows, self.top + self.height)]

    def _stroke(self, net: Net) -> None:
        if net.track < 0:
            for y in self._rows(net.lefts):
                self._across(y, 0, self.width)
            return
        x = net.track + 1
        lefts, rights = self._rows(net.lefts), self._rows(net.rights)
        for y in lefts:
            self._across(y, 0, x)
        for y in rights:
            self._across(y, x + 1, self.width)
        ends = dict.fromkeys(lefts, LEFT)
        for y in rights:
            ends[y] = ends.get(y, 0) | RIGHT
        for y in range(max(net.top, self.top), min(net.bottom + 1, self.top + self.height)):
            self._add(y, x, (y > net.top) * UP | (y < net.bottom) * DOWN | ends.get(y, 0))

    def _across(self, y: int, first: int, last: int) -> None:
        for x in range(first, last):
            self._add(y, x, ACROSS)

    def _add(self, y: int, x: int, ways: int) -> None:
        """One more line through a cell: two that pass cross, all else meets."""
        row = self.ways[y - self.top]
        was = row[x]
        row[x] = was | ways
        if was | ways == ACROSS | ALONG and was in (ACROSS, ALONG) and ways in (ACROSS, ALONG):
            self.crossing.add((y, x))
        elif was and ways not in (ACROSS, ALONG):
            self.crossing.discard((y, x))

    def mark(self, left: int, right: int, *, critical: bool) -> None:
        """Mark the way from one row to the other."""
        net = self.gutter.line(left, right)
        if net is None:
            return
        layer = self.critical if critical else self.chosen
        if net.track < 0:
            self._mark(layer, left, 0, self.width, ACROSS)
            return
        x = net.track + 1
        first, last = min(left, right), max(left, right)
        self._mark(layer, left, 0, x, ACROSS)
        self._mark(layer, right, x + 1, self.width, ACROSS)
        for y in range(max(first, self.top), min(last + 1, self.top + self.height)):
            ways = (y > first) * UP | (y < last) * DOWN | (y == left) * LEFT | (y == right) * RIGHT
            self._mark(layer, y, x, x + 1, ways)

    def _mark(self, layer: list[bytearray], y: int, first: int, last: int, ways: int) -> None:
        if self.top <= y < self.top + self.height:
            for x in range(first, last):
                layer[y - self.top][x] |= ways

    def line(self, y: int, glyphs: Glyphs) -> list[Span]:
        """A row of it, its cells joined where they look alike."""
        i = y - self.top
        out: list[Span] = []
        for x, ways in enumerate(self.ways[i]):
            critical, chosen = self.critical[i][x] & ways, self.chosen[i][x] & ways
            if (
                y,
                x,
            ) in self.crossing:  # what passes behind is not drawn: the marked line, else the upright one, is in front
                front = ACROSS if (critical | chosen) and not (critical | chosen) & ALONG else ALONG
                ways, critical, chosen = front, critical & front, chosen & front
            text, token = sign(glyphs, ways, critical, chosen) if ways else Span(" ")
            if out and out[-1].token == token:
                out[-1] = Span(out[-1].text + text, token)
            else:
                out.append(Span(text, token))
        return out
