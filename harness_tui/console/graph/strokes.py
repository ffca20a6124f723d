"""Cells of a gutter: which ways a line leaves each of them, and the box character of that."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

from ..glyphs import Glyphs
from ..lines import Span
from .route import Gutter, Net

LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8
ACROSS, ALONG = LEFT | RIGHT, UP | DOWN
CROSSING = 16
"""Two lines pass through the cell and have nothing to do with each other."""

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


# What becomes of a cell through which one more line passes.
_PASS_ACROSS = bytes(
    was | ACROSS | CROSSING if was == ALONG else was if was & CROSSING else (was | ACROSS) & 15 for was in range(256)
)
_PASS_ALONG = bytes(
    was | ALONG | CROSSING if was == ACROSS else was if was & CROSSING else (was | ALONG) & 15 for was in range(256)
)
_MARK_ACROSS = bytes(was | ACROSS for was in range(256))
_MARK_ALONG = bytes(was | ALONG for was in range(256))


def sign(glyphs: Glyphs, ways: int, critical: int = 0, chosen: int = 0) -> Span:
    """One cell. critical, chosen: those of its ways that belong to the critical path, to the selected node."""
    return _sign(glyphs.ascii, ways, critical, chosen)


@cache
def _sign(plain: bool, ways: int, critical: int, chosen: int) -> Span:
    if ways & CROSSING:  # what passes behind is not drawn: a marked line is in front, else the upright one
        marked = critical | chosen
        ways = ACROSS if marked & ACROSS and not marked & ALONG else ALONG
    critical, chosen = critical & ways, chosen & ways
    token = CHOSEN if chosen else CRITICAL if critical else PLAIN
    if not ways:
        return Span(" ")
    if plain:
        return Span((_ASCII_DOUBLE if critical & ACROSS else _ASCII)[ways], token)
    if critical:
        return Span(_DOUBLE[bool(critical & ACROSS) + 2 * bool(critical & ALONG)][ways], token)
    return Span((_HEAVY if chosen else _LIGHT)[ways], token)


class Canvas:
    """The part of one gutter that is seen: rows `top` to `top + height` - 1, kept column by column."""

    def __init__(self, gutter: Gutter, top: int, height: int) -> None:
        self.gutter, self.top, self.height, self.width = gutter, top, height, gutter.width
        self.ways, self.critical, self.chosen = ([bytearray(height) for _ in range(self.width)] for _ in range(3))
        if height > 0:
            for net in gutter.touching(top, top + height):
                self._stroke(net)

    def mark(self, left: int, right: int, *, critical: bool) -> None:
        """Mark the way from one row to the other."""
        net = self.gutter.line(left, right)
        if net is None:
            return
        layer = self.critical if critical else self.chosen
        x = net.track + 1 if net.track >= 0 else self.width
        self._across(layer, left, 0, x, _MARK_ACROSS)
        if net.track < 0:
            return
        self._across(layer, right, x + 1, self.width, _MARK_ACROSS)
        first, last = min(left, right), max(left, right)
        self._along(layer[x], first + 1, last, _MARK_ALONG)
        for y in {left, right}:
            if self.top <= y < self.top + self.height:
                layer[x][y - self.top] |= (
                    (y > first) * UP | (y < last) * DOWN | (y == left) * LEFT | (y == right) * RIGHT
                )

    def line(self, y: int, glyphs: Glyphs) -> list[Span]:
        """A row of it, its cells joined where they look alike."""
        i = y - self.top
        ways = bytes(column[i] for column in self.ways)
        if not any(ways):
            return [Span(" " * self.width)]
        plain = glyphs.ascii
        found = [_sign(plain, way, self.critical[x][i], self.chosen[x][i]) for x, way in enumerate(ways)]
        out: list[Span] = []
        start = 0
        for x in range(1, self.width + 1):
            if x == self.width or found[x].token != found[start].token:
                out.append(Span("".join(each.text for each in found[start:x]), found[start].token))
                start = x
        return out

    # -- lines ------------------------------------------------------------------------------------------------------

    def _stroke(self, net: Net) -> None:
        """Draw one line: two that pass cross, all else meets."""
        x = net.track + 1 if net.track >= 0 else self.width
        lefts = self._rows(net.lefts)
        for y in lefts:
            self._across(self.ways, y, 0, x, _PASS_ACROSS)
        if net.track < 0:
            return
        ends = dict.fromkeys(lefts, LEFT)
        for y in self._rows(net.rights):
            self._across(self.ways, y, x + 1, self.width, _PASS_ACROSS)
            ends[y] = ends.get(y, 0) | RIGHT
        column = self.ways[x]
        at = net.top
        for y in sorted(ends):
            self._along(column, at, y, _PASS_ALONG)
            ways = (y > net.top) * UP | (y < net.bottom) * DOWN | ends[y]
            column[y - self.top] = (column[y - self.top] | ways) & 15
            at = y + 1
        self._along(column, at, net.bottom + 1, _PASS_ALONG)

    def _rows(self, rows: Sequence[int]) -> Sequence[int]:
        """Of sorted rows those that are seen."""
        return rows[bisect_left(rows, self.top) : bisect_left(rows, self.top + self.height)]

    def _along(self, column: bytearray, first: int, last: int, passing: bytes) -> None:
        """Through rows `first` to `last` - 1, as far as they are seen."""
        first, last = max(first - self.top, 0), min(last - self.top, self.height)
        if first < last:
            column[first:last] = column[first:last].translate(passing)

    def _across(self, layer: list[bytearray], y: int, first: int, last: int, passing: bytes) -> None:
        """Through cells `first` to `last` - 1 of a row, if it is seen."""
        i = y - self.top
        if 0 <= i < self.height:
            for column in layer[first:last]:
                column[i] = passing[column[i]]
