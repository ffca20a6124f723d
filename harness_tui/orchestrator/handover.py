"""Answers of dependencies on their way into a prompt: short ones whole, long ones as head and tail with a reference.

However many and long they are, the prompt stays within `ALL` and the run's spec within `MANY` references.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from ..agent.spill import DIGITS, PREFIX, Spill
from .kit import Answer, DagKit
from .prompts import fenced, name

EACH, ALL = 8 * 1024, 32 * 1024
"""Bytes of one answer, and of all of them, in a prompt."""
MANY = 64
"""More answers than that are a list, and one text that holds them all."""
LEAST = 16
"""Bytes of an answer in such a list at least; where these are too much, the list ends early."""


class Handed(NamedTuple):
    """Attributes: text: for the prompt. given: long texts by the name they are read by, `RunSpec.given`."""

    text: str = ""
    given: dict[str, str] = {}


async def hand_over(answers: Sequence[Answer], kit: DagKit) -> Handed:
    """The answers, each fenced and named by its job. What is cut is kept as a blob, stored once however often asked."""
    if not answers:
        return Handed()
    texts = await asyncio.to_thread(lambda: [plain(answer.text, kit) for answer in answers])
    if len(answers) > MANY:
        return await _listed(answers, texts, kit)
    spill, given = Spill(kit.blobs), dict[str, str]()
    ceiling = _ceiling([len(text.encode()) for text in texts])
    parts = [
        f"{name(answer.job)}:\n{fenced(await _cut(answer, text, ceiling, spill, given))}"
        for answer, text in zip(answers, texts, strict=True)
    ]
    return Handed("\n\n".join(parts), given)


def plain(text: str, kit: DagKit) -> str:
    """Free of secrets, which go before anything is kept, and of what no file can hold."""
    return kit.redaction(text.encode("utf-8", "backslashreplace").decode())


async def _listed(answers: Sequence[Answer], texts: Sequence[str], kit: DagKit) -> Handed:
    """The beginning of each, as many as fit, and the whole of all of them by reference."""
    spill, given = Spill(kit.blobs), dict[str, str]()
    parts = [
        f"{name(answer.job)}:\n{fenced(await _cut(answer, text, EACH, spill, given if len(given) < MANY else {}))}"
        for answer, text in zip(answers, texts, strict=True)
    ]
    blob = await kit.blobs.put("\n".join(parts).encode(), kind="output")
    lines, left = list[str](), ALL
    share = max(LEAST, ALL // len(answers) - 32)
    for answer, text in zip(answers, texts, strict=True):
        line = f"{name(answer.job)}: {_glance(text, share)}"
        left -= len(line.encode()) + 1
        if left < 0:
            lines.append(f"... and {len(answers) - len(lines)} more")
            break
        lines.append(line)
    told = f'{len(answers)} answers, each cut here; the whole: read_file path="{PREFIX}{blob[:DIGITS]}"'
    return Handed("\n".join([told, fenced("\n".join(lines))]), {**given, blob[:DIGITS]: blob})


async def _cut(answer: Answer, text: str, ceiling: int, spill: Spill, given: dict[str, str]) -> str:
    """An answer's text within `ceiling` bytes; `given` learns where the rest is."""
    whole = f"{PREFIX}{answer.blob[:DIGITS]}"
    if answer.blob and (whole in text or len(text.encode()) <= ceiling):  # the text is a part of what is kept already
        given[answer.blob[:DIGITS]] = answer.blob
        return f'{(await Spill().fit(text, ceiling)).text}\n[... the whole: read_file path="{whole}" ...]'
    fitted = await spill.fit(text, ceiling)
    if fitted.blob:
        given[fitted.blob[:DIGITS]] = fitted.blob
    return fitted.text


def _ceiling(sizes: Sequence[int]) -> int:
    """Bytes any one answer may have so that all of them fit: what short ones leave is for the long ones."""
    left = ALL
    for at, size in enumerate(sorted(sizes)):
        share = min(EACH, left // (len(sizes) - at))
        if size > share:
            return share
        left -= size
    return EACH


def _glance(text: str, size: int) -> str:
    """Its beginning on one line, of at most so many bytes."""
    line = " ".join(text[: size * 2].split())
    return line if len(line.encode()) <= size else line.encode()[: size - 3].decode(errors="ignore") + "..."
