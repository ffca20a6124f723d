"""A diff on a card: whole, line by line, its signs in a column of their own so that it reads without colour.

Unified where it is narrow, side by side where it is wide; both show the same lines, none is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from ...domain.safetext import MAX_MARKS, mark_spaces, safe
from ..lines import Line, Span, cut, fit, marked

SIDES = 100
"""Cells from which both sides stand beside each other."""
ON = "."
"""Stands where the sign would on the further rows of a line too long for one."""
_TOKENS = {"+": "add", "-": "del", " ": "context", "\\": "note"}
_TRAILING = re.compile(r" +$")
_TABS = re.compile(r"(?:\\t)+")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_SIZE = re.compile(r"(literal|delta) (\d+)")
_BASE85 = re.compile(r"[A-Za-z][0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{5,70}")
_MODES = {"100755": "a program", "120000": "a symbolic link", "160000": "a submodule", "100644": "a plain file"}
_LOUD = ("old mode ", "new mode ", "new file mode ", "deleted file mode ", "rename ", "copy ", "Binary files ")


class Item(NamedTuple):
    """One source line: its sign ("" for what is no content), what follows it (raw), and how it is marked."""

    sign: str
    text: str
    token: str


class Laid(NamedTuple):
    """Rows that belong together, and the source lines (places in the list of items) they show."""

    sources: tuple[int, ...]
    rows: list[Line]


def is_diff(value: str) -> bool:
    return value.startswith(("--- ", "diff --git "))


# -- reading ----------------------------------------------------------------------------------------------------------


def parse(value: str) -> list[Item]:
    """Every line of a diff, in order. What a line of content looks like never makes it a header: hunks are counted.

    Of a binary file's patch one line is left, which says its sizes: its letters tell nobody anything.
    """
    out: list[Item] = []
    lines = value.removesuffix("\n").split("\n")
    old = new = at = 0
    while at < len(lines):
        raw = lines[at]
        at += 1
        sign, text = raw[:1] or " ", raw[1:]
        hunk = _HUNK.match(raw)
        if sign == "\\" and out and out[-1].sign:
            out.append(Item(sign, text, "note"))
        elif (old or new) and sign in " +-":
            old, new = max(0, old - (sign != "+")), max(0, new - (sign != "-"))
            out.append(Item(sign, text, _TOKENS[sign]))
        elif hunk:
            old, new = (int(count or 1) for count in hunk.groups())
            out.append(Item("", raw, "hunk"))
        elif raw == "GIT binary patch":
            at, told = _binary(lines, at)
            out.append(Item("", told, "warn_text"))
        else:
            old = new = 0
            out.append(_heading(raw))
    return out


def _heading(raw: str) -> Item:
    """A line outside of hunks. One that has a sign all the same is shown as what it would do."""
    if raw.startswith(("--- ", "+++ ", "diff ")):
        return Item("", raw, "title")
    if raw.startswith(_LOUD):
        word = _MODES.get(raw.rpartition(" ")[2], "") if "mode" in raw else ""
        return Item("", f"{raw}  ({word})" if word else raw, "warn_text")
    if raw[:1] in ("+", "-"):
        return Item(raw[0], raw[1:], _TOKENS[raw[0]])
    return Item("", raw, "hunk" if raw.startswith("@@") else "dim")


def _binary(lines: Sequence[str], at: int) -> tuple[int, str]:
    """(place after a binary patch, its sizes in words). Only what can be nothing else is passed over."""
    told: list[str] = []
    while at < len(lines) and len(told) < 2 and (size := _SIZE.fullmatch(lines[at])):
        kind, count = size[1], int(size[2][:15])
        told.append(f"{count:,} bytes" if kind == "literal" else f"a delta of {count:,} bytes")
        at += 1
        while at < len(lines) and _BASE85.fullmatch(lines[at]):
            at += 1
        if at < len(lines) and not lines[at]:
            at += 1
    was = f" (before: {told[1]})" if len(told) > 1 else ""
    return at, f"GIT binary patch: {told[0] if told else 'of no size'}{was}, no text, not shown here"


# -- laying out -------------------------------------------------------------------------------------------------------


def lay(items: Sequence[Item], width: int, rule: str) -> list[Laid]:
    """All items in rows of at most `width` cells, in order; `rule` stands between the sides."""
    if width < SIDES:
        return [Laid((n,), _rows(item, width)) for n, item in enumerate(items)]
    return list(_sides(items, width, rule))


def _sides(items: Sequence[Item], width: int, rule: str) -> Iterator[Laid]:
    """Lines taken out beside the ones put in; what is the same stands on both sides."""
    left: list[int] = []
    right: list[int] = []
    side = left
    for n, item in enumerate(items):
        if item.sign == "-":
            if right:  # taken out again after something was put in: another pair of sides
                yield from _pairs(items, left, right, width, rule)
            side = left
        elif item.sign == "+":
            side = right
        elif item.sign != "\\" or not (left or right):
            yield from _pairs(items, left, right, width, rule)
            both = item.sign in (" ", "\\")
            yield Laid((n,), _beside(item, item, width, rule) if both else _rows(item, width))
            continue
        side.append(n)
    yield from _pairs(items, left, right, width, rule)


def _pairs(items: Sequence[Item], left: list[int], right: list[int], width: int, rule: str) -> Iterator[Laid]:
    for out, put in zip_longest(left, right):
        sources = tuple(n for n in (out, put) if n is not None)
        one, two = (None if n is None else items[n] for n in (out, put))
        yield Laid(sources, _beside(one, two, width, rule))
    left.clear()
    right.clear()


def _beside(left: Item | None, right: Item | None, width: int, rule: str) -> list[Line]:
    wide = (width - 1) // 2
    sides = (_rows(left, wide) if left else [], _rows(right, width - 1 - wide) if right else [])
    return [
        (*fit(one or (), wide), Span(rule, "rule"), *(two or ())) for one, two in zip_longest(*sides, fillvalue=None)
    ]


def _rows(item: Item, width: int) -> list[Line]:
    """One line in rows. White space may be all that changed, so that none is hidden."""
    sign, token = item.sign, item.token
    text = mark_spaces(safe(item.text))
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
