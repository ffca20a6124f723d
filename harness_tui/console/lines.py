"""What every pane draws: lines of spans. A span is safe text with the name of a theme token; no pane names a colour."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len


class Span(NamedTuple):
    """Safe text in one style.

    `token` is a theme token, several joined by spaces (later ones lie over earlier ones: `"cursor high"`), or a
    literal pair `"#rrggbb/#rrggbb"` (foreground/background) as the cells of a picture have it.
    """

    text: str
    token: str = "base"


Line = tuple[Span, ...]


def cells(text: str) -> int:
    """Width of `text` on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def width_of(line: Iterable[Span]) -> int:
    return sum(cells(span.text) for span in line)


def cut(text: str, width: int) -> str:
    """The longest start of `text` that fits into `width` cells."""
    if text.isascii():
        return text[: max(0, width)]
    start = text[: max(0, width)]
    while start and cell_len(start) > width:
        start = start[:-1]
    end = len(start)
    while end < len(text) and cell_len(text[: end + 1]) <= width:  # marks that take no cell of their own
        end += 1
    return text[:end]


def clip(text: str, width: int) -> str:
    """`text` in at most `width` cells; what was cut shows as `~`."""
    if cells(text) <= width:
        return text
    return cut(text, width - 1) + "~" if width > 0 else ""


def fit(line: Iterable[Span], width: int, pad: str = "base") -> Line:
    """The line in exactly `width` cells: cut with `~` or padded with spaces in token `pad`."""
    out: list[Span] = []
    left = width
    spans = [span for span in line if span.text]
    for i, span in enumerate(spans):
        used = cells(span.text)
        last = i == len(spans) - 1
        if used < left or (used == left and last):
            out.append(span)
            left -= used
            continue
        if left > 0:
            text = cut(span.text, left - 1) + "~"
            out.append(Span(text, span.token))
            left -= cells(text)
        break
    if left > 0:
        out.append(Span(" " * left, pad))
    return tuple(out)


def blank(width: int) -> Line:
    return (Span(" " * width),) if width > 0 else ()


def over(line: Line, under: str) -> Line:
    """The line with token `under` laid below every span: how a cursor row keeps its badges."""
    return tuple(Span(text, under if token == "base" else f"{under} {token}") for text, token in line)


def spread(left: Iterable[Span], right: Iterable[Span], width: int, fill: Span | None = None) -> Line:
    """`left`, then filling, then `right` at the right edge; `right` goes whole when there is no room for both."""
    left, right = tuple(left), tuple(right)
    gap = width - width_of(left) - width_of(right)
    if gap < 1:
        return fit(left, width)
    filler = fill or Span(" ")
    return fit((*left, Span(filler.text * gap, filler.token), *right), width)


_ESCAPED = re.compile(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|<\d+ spaces>")


def marked(text: str, token: str = "base") -> Line:
    """Safe text with what SafeText made visible in the warning colour."""
    out: list[Span] = []
    at = 0
    for found in _ESCAPED.finditer(text):
        if found.start() > at:
            out.append(Span(text[at : found.start()], token))
        out.append(Span(found.group(), "escaped"))
        at = found.end()
    if at < len(text):
        out.append(Span(text[at:], token))
    return tuple(out)


def wrap(text: str, width: int) -> list[str]:
    """Rows of at most `width` cells, broken at spaces, within a word only when it is longer than a row."""
    if width < 1:
        return [text]
    rows: list[str] = []
    rest = text
    while len(head := cut(rest, width) or rest[:1]) < len(rest):
        space = head.rfind(" ")
        if rest[len(head) : len(head) + 1] == " ":
            space = len(head)
        end = space if space > 0 and head[:space].strip() else len(head)
        rows.append(rest[:end])
        rest = rest[end + 1 :] if rest[end : end + 1] == " " else rest[end:]
    return [*rows, rest]
