"""The filter of a pane: `kind:tool state:fail run:r17 !noise some text`; every term must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

FIELDS = ("kind", "state", "run")


class Term(NamedTuple):
    """`field` is one of FIELDS or "text"; `no` turns it around."""

    field: str
    value: str
    no: bool


class Filter:
    """A parsed filter; the empty one is falsy and lets everything through."""

    def __init__(self, source: str = "") -> None:
        self.source = source.strip()
        self.terms = tuple(term for word in self.source.split() if (term := _term(word)).value)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def lets(self, kind: str, state: str, run: str, text: Callable[[], str]) -> bool:
        """Whether a row passes; `text` is only asked when a term needs it."""
        named: Mapping[str, str] = {"kind": kind, "state": state, "run": run}
        for field, value, no in self.terms:
            if field == "text":
                hit = value in text().lower()
            elif field == "run":
                hit = run.lower() == value or run.lower().startswith(value + "/")
            else:
                hit = named[field].lower().startswith(value)
            if hit == no:
                return False
        return True


def _term(word: str) -> Term:
    no = word.startswith("!")
    word = word[1:] if no else word
    field, colon, value = word.partition(":")
    if colon and field in FIELDS:
        return Term(field, value.lower(), no)
    return Term("text", word.lower(), no)
