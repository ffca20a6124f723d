"""What `dag retry` says before anything is done again: what stands, and what that saves."""

from __future__ import annotations

from typing import NamedTuple

from ..clients.read import reading
from ..config.paths import Paths
from ..domain.dag import preview as previews
from ..domain.money import dollars, to_usd
from . import dag_show, output
from .output import Format

SHOWN = 8
"""Ids named in the sentence."""


class Told(NamedTuple):
    """A preview, and of which run and job ("" = all that failed)."""

    run: str
    job: str
    found: previews.Preview


def preview(run: str, job: str) -> Told:
    """Raises UsageError as trying again would."""
    with reading(Paths.default()) as source:
        _, s, _ = dag_show.load(source, run)
    return Told(run, job, previews.preview(s, job))


def show(told: Told, output_format: Format) -> None:
    """Print it; nothing is done."""
    found = told.found
    if output_format is Format.text:
        output.say(sentence(told))
        return
    document = {
        "run": told.run,
        "from": told.job or None,
        "again": list(found.again),
        "sure": list(found.sure),
        "reused": list(found.reused),
        "tokens": found.tokens,
        "usd": to_usd(found.usd),
        "exit": 0,
    }
    output.emit(document)


def sentence(told: Told) -> str:
    """`a and 2 more are done again (score, merge at most); 7 answers stand, which saves 12,000 tokens and $0.31.`"""
    found = told.found
    maybe = [ident for ident in found.again if ident not in set(found.sure)]
    more = f"; if what they are given changes, also {_some(maybe)}" if maybe else ""
    saved = f"{found.tokens:,} tokens and {dollars(found.usd)}"
    count = len(found.reused)
    stands = f"{count} answer{'s stand' if count != 1 else ' stands'}" if count else "no other answer is there to stand"
    return f"Again: {_some(list(found.sure))}{more}. Reused: {stands}, which saves {saved}."


def _some(ids: list[str]) -> str:
    named = ", ".join(ids[:SHOWN])
    return f"{named} and {len(ids) - SHOWN} more" if len(ids) > SHOWN else named
