"""Fetches what a card shows beyond its row, and holds it against what the request names."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from collections.abc import Iterator

from ..domain import editing
from ..domain.errors import HarnessError
from ..domain.events import ApprovalRequested
from ..domain.views import ApprovalRow
from ..port.port import EnginePort
from .panes.diff import Item, parse
from .stores.papers import Paper

COMPARED = 2000
"""Lines of two diffs that are compared; longer ones would keep a core busy for minutes."""
PAGE = 500


async def read(port: EnginePort | None, row: ApprovalRow) -> Paper:
    """The paper of an item. What fails is said in it; raises nothing but cancellation."""
    if port is None:
        return Paper(error="There is no link to the engine.")
    text = ""
    try:
        if row.kind == "change" and row.change:
            text = await _diff(port, row.change.diff)
        elif row.kind == "plan":
            if not row.paper:
                raise HarnessError("this request names none.")
            text = await _diff(port, row.paper)
            return Paper(text, await asyncio.to_thread(_plan, text))
        items = tuple(await asyncio.to_thread(parse, text)) if text else ()
    except HarnessError as error:
        return Paper(error=f"The diff cannot be had: {error.what}")
    if not row.edited:
        return Paper(text, items)
    try:
        edits, note = await _edits(port, row, text)
    except HarnessError as error:
        edits, note = (), f"what was asked for at first cannot be had: {error.what}"
    return Paper(text, items, edits, note)


async def _diff(port: EnginePort, sha: str) -> str:
    """The text of a blob. Raises HarnessError unless its bytes are what the name says."""
    data = await port.blob(sha)
    if hashlib.sha256(data).hexdigest() != sha:
        raise HarnessError("its bytes do not match the digest this request names.")
    return data.decode(errors="surrogateescape")


def _plan(text: str) -> tuple[Item, ...]:
    """A change of a plan, line by line: a head for each job, and then its lines, none of which begins at the margin."""
    tokens = {"+": "add", "-": "del", "@": "hunk"}
    lines = text.removesuffix("\n").split("\n")
    heads = ("", "@")
    return tuple(
        Item("", line, tokens.get(line[:1], "dim"))
        if line[:1] in heads
        else Item(line[0], line[1:], tokens.get(line[0], "context"))
        for line in lines
    )


async def _edits(port: EnginePort, row: ApprovalRow, text: str) -> tuple[tuple[Item, ...], str]:
    """(what was asked for and what waits now, why that is not all of it)."""
    asked = await _asked(port, row)
    if asked is None:
        return (), "what was asked for at first is not on record"
    if row.kind != "change":
        return tuple(_arguments(asked, row)), ""
    if asked.change is None:
        return (), "no diff was asked for at first"
    before = (await _diff(port, asked.change.diff)).split("\n")
    after = text.split("\n")
    if len(before) + len(after) > COMPARED:
        return (), f"too long to compare: {len(before):,} lines of diff before the edit, {len(after):,} now"
    return tuple(await asyncio.to_thread(_compared, before, after)), ""


async def _asked(port: EnginePort, row: ApprovalRow) -> ApprovalRequested | None:
    """The event that asked, as it was before any edit."""
    after = 0
    while page := await port.events(row.stream, after, PAGE):
        for envelope in page:
            event = envelope.event
            if isinstance(event, ApprovalRequested) and event.id == row.id:
                return event
        after = page[-1].pos
    return None


def _arguments(asked: ApprovalRequested, row: ApprovalRow) -> Iterator[Item]:
    """Argument by argument: before and after."""
    for name, before, after in editing.changes(asked.arguments, row.arguments):
        yield Item("", name, "hunk")
        if name in asked.arguments:
            yield from (Item("-", line, "del") for line in before.split("\n"))
        if name in row.arguments:
            yield from (Item("+", line, "add") for line in after.split("\n"))


def _compared(before: list[str], after: list[str]) -> Iterator[Item]:
    """What differs between two diffs; their own signs stay part of the text."""
    for line in list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]:
        sign = line[:1]
        if sign == "@":
            yield Item("", "in the diff", "hunk")
        else:
            yield Item(sign, line[1:], {"+": "add", "-": "del"}.get(sign, "context"))
