"""Money as whole nano-dollars, so that sums are exact: a token may cost as little as a hundred of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import msgspec

from .messages import MARKS, Mark, Usage

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""


class Price(Protocol):
    """What one model costs.

    Attributes:
        mark: "priced" when the table knows this endpoint, "estimated" when only the model's name matched.
        source: where the price comes from, for people: `genai-prices 0.2.3`, `config.toml:12`.
    """

    @property
    def mark(self) -> Mark: ...

    @property
    def source(self) -> str: ...

    def cost(self, usage: Usage) -> int:
        """Nano-dollars of that usage, rounded up."""
        ...

    def worst(self, input: int, output: int) -> int:
        """The most that many tokens can cost, however they turn out to be cached."""
        ...


def from_usd(usd: float) -> int:
    """Dollars to nano-dollars, rounded up: a limit or a cost is never understated by rounding."""
    return math.ceil(round(usd * NANO, 3))


def to_usd(nano: int | None) -> float | None:
    """Nano-dollars to dollars, for JSON; None stays None."""
    return None if nano is None else nano / NANO


def weakest(marks: Iterable[Mark]) -> Mark:
    """The mark of a sum: it is only as sure as its least sure part."""
    return max(marks, key=MARKS.index, default="reported")


def dollars(nano: int | None, mark: Mark = "priced") -> str:
    """`$4.12`, `$0.0031` while it is small, `$12.3k` when it is large, `~$4.12` when it is estimated, `unknown`.

    Only nothing at all is `$0.00`.
    """
    if nano is None:
        return "unknown"
    return f"~{_short(nano / NANO)}" if mark == "estimated" and nano else _short(nano / NANO)


def _short(usd: float) -> str:
    if 0 < usd < 0.00005:
        return "<$0.0001"
    if 0 < usd < 0.00995:
        return f"${usd:.4f}"
    if usd < 999.995:
        return f"${usd:.2f}"
    return f"${usd / 1000:.1f}k" if usd < 999_950 else f"${usd / 1_000_000:.1f}M"


class Free(msgspec.Struct, frozen=True):
    """A model that costs nothing: it runs on this machine, or is none."""

    source: str
    mark: Mark = "priced"

    def cost(self, usage: Usage) -> int:
        return 0

    def worst(self, input: int, output: int) -> int:
        return 0
