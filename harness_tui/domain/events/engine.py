"""Events of the engine itself."""

from __future__ import annotations

from ..rules import Rule
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


class RuleAdded(Event, frozen=True):
    """A rule is in force from now on; it carries its id and who added it."""

    rule: Rule


class RuleRevoked(Event, frozen=True):
    id: str
    by: str


class WorkspaceTrusted(Event, frozen=True):
    """The operator trusts what of the directory `path` is interpreted, as long as its content has this digest."""

    path: str
    digest: str
    by: str


class WorkspaceDistrusted(Event, frozen=True):
    path: str
    by: str
