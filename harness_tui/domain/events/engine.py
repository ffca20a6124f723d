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
