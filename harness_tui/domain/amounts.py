"""Amounts as people type them: `100k` or `1.5M` tokens, `20` or `$2.50` dollars. One reading for every front end."""

from __future__ import annotations

import re
from decimal import Decimal

from .errors import UsageError
from .money import NANO

_NUMBER = r"(\d{1,15}(?:\.\d{1,9})?)"
_TOKENS = re.compile(_NUMBER + r" ?([kKmM]?)(?: ?(?:tok|tokens))?", re.ASCII)
_DOLLARS = re.compile(r"\$? ?" + _NUMBER, re.ASCII)
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}
MOST_TOKENS = 10**15
MOST_DOLLARS = 10**9


def tokens(text: str) -> int:
    """`100k`, `1.5M`, `200000`, `500 tok` as tokens, 1 or more. Raises UsageError."""
    found = _TOKENS.fullmatch(text.strip())
    amount = Decimal(found[1]) * _TIMES[found[2].lower()] if found else Decimal(0)
    if not 1 <= amount <= MOST_TOKENS or amount != int(amount):
        raise UsageError(f'"{text}" is no number of tokens.', "Write it like 200000, 100k or 1.5M.")
    return int(amount)


def dollars(text: str) -> int:
    """`20`, `2.50`, `$20` as nano-dollars, exactly; 0 is a limit that only free models pass. Raises UsageError."""
    found = _DOLLARS.fullmatch(text.strip())
    if not found or Decimal(found[1]) > MOST_DOLLARS:
        raise UsageError(f'"{text}" is no amount of dollars.', "Write it like 20 or 2.50.")
    return int(Decimal(found[1]) * NANO)


def limit(text: str) -> tuple[int | None, int | None]:
    """(tokens, nano-dollars), one of them None: a plain number is dollars, one with k, M or `tok` is tokens.

    Raises UsageError.
    """
    try:
        return (tokens(text), None) if re.search(r"[kKmMt]", text) else (None, dollars(text))
    except UsageError:
        raise UsageError(f'"{text}" is no limit.', "Write 20 for dollars, 100k or 500 tok for tokens.") from None
