"""A unified diff on a card: whole, line by line, its signs in a column of their own so that it reads without colour."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...domain.safetext import MAX_MARKS, mark_spaces, safe
from ..lines import Line, Span, cut, marked

_TOKENS = {"+": "add", "-": "del", " ": "context", "\\": "note"}
ON = "."
"""Stands where the sign would on the further rows of a line too long for one."""
_TRAILING = re.compile(r" +$")
_TABS = re.compile(r"(?:\\t)+")


def is_diff(value: str) -> bool:
    return value.startswith("--- ")


def lines(value: str, width: int) -> Iterator[list[Line]]:
    """Each line of the diff in rows of `width` cells. White space may be all that changed, so that none is hidden."""
    for number, raw in enumerate(value.removesuffix("\n").split("\n")):
        sign, text = raw[:1], raw[1:]
        if number < 2:
            yield _rows("", raw, "title", width)  # only these two name files, whatever a changed line looks like
        elif raw.startswith("@@"):
            yield _rows("", raw, "hunk", width)
        else:
            yield _rows(sign or " ", text, _TOKENS.get(sign, "context"), width)


def _rows(sign: str, raw: str, token: str, width: int) -> list[Line]:
    text = mark_spaces(safe(raw))
    if sign in ("+", "-"):
        text = _TRAILING.sub(lambda found: f"<{len(found.group())} spaces>", text)
    room = max(1, width - 2 - len(sign))
    parts, at = list[str](), 0
    while not parts or at < len(text):
        ahead = text[at : at + room * (MAX_MARKS + 2)]  # enough for a row however its characters combine
        parts.append(cut(ahead, room) or ahead[:1])
        at += len(parts[-1])
    heads = [Span(f"  {sign}", token), *[Span(f"  {ON if sign else ''}", "faint")] * (len(parts) - 1)]
    return [(head, *_seen(part, token)) for head, part in zip(heads, parts, strict=True)]


def _seen(text: str, token: str) -> Iterator[Span]:
    """Tabs stand out less than what hides itself: whole files are indented with them."""
    at = 0
    for tab in _TABS.finditer(text):
        yield from marked(text[at : tab.start()], token)
        yield Span(tab.group(), "faint")
        at = tab.end()
    yield from marked(text[at:], token)
