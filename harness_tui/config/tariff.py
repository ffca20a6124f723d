"""Prices the operator wrote down: `[prices."MODEL"]`."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec

from ..domain.messages import Mark, Usage
from ..domain.money import NANO


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[prices."MODEL"]`: dollars per million tokens.

    Attributes:
        cache_read, cache_write: None = as `input`.
        window: tokens of context; None = not said.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    window: int | None = None


class Tariff(msgspec.Struct, frozen=True):
    """A `money.Price`. `source` is its place in the file, `config.toml:12`."""

    table: PriceTable
    source: str
    mark: Mark = "priced"

    @property
    def window(self) -> int | None:
        return self.table.window

    def cost(self, usage: Usage) -> int:
        """Nano-dollars, rounded up. Parts larger than their whole, as some servers report them, are cut to it."""
        fresh = max(0, usage.input)
        read = min(max(0, usage.cache_read), fresh)
        write = min(max(0, usage.cache_write), fresh - read)
        said = max(0, usage.output)
        input, output, reading, writing = self._rates
        return math.ceil((fresh - read - write) * input + read * reading + write * writing + said * output)

    def worst(self, input: int, output: int) -> int:
        fresh, said, reading, writing = self._rates
        return math.ceil(input * max(fresh, reading, writing) + output * said)

    @property
    def _rates(self) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """Nano-dollars a token, exactly as they are written: input, output, cache read, cache write."""
        table = self.table
        read = table.input if table.cache_read is None else table.cache_read
        write = table.input if table.cache_write is None else table.cache_write
        million = 1_000_000
        return (
            Fraction(str(table.input)) * NANO / million,
            Fraction(str(table.output)) * NANO / million,
            Fraction(str(read)) * NANO / million,
            Fraction(str(write)) * NANO / million,
        )
