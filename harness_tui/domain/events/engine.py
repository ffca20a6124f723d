"""Events of the engine itself."""

from __future__ import annotations

from .base import Event


class EngineStarted(Event, frozen=True):
    pid: int
    version: str
    epoch: int


class EngineRecovered(Event, frozen=True):
    runs: int
    in_doubt: int


class EngineStopped(Event, frozen=True):
    reason: str


class BudgetSet(Event, frozen=True):
    """The limits of a scope (`run:r17`) or of a kind (`day`): tokens (0 = none) and nano-dollars (None = none)."""

    scope: str
    tokens: int
    usd: int | None
    by: str
