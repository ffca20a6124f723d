"""Guardrails: pure checks before every iteration; composable, the first that stops wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..domain.seams import Performed
from ..domain.task import Guardrails


@dataclass(frozen=True, slots=True)
class Turn:
    """What a guardrail sees: iterations finished, messages in the conversation, calls performed so far."""

    iterations: int
    messages: int
    done: Sequence[Performed]


Guardrail = Callable[[Turn], str]
"""Returns why the loop stops, or "" to let it go on."""


def max_iterations(limit: int) -> Guardrail:
    """Stop after `limit` iterations; 0 = never."""

    def check(turn: Turn) -> str:
        return f"{limit} iterations are the limit" if limit and turn.iterations >= limit else ""

    return check


def max_messages(limit: int) -> Guardrail:
    """Stop once the conversation holds more than `limit` messages; 0 = never."""

    def check(turn: Turn) -> str:
        return f"{limit} messages are the limit" if limit and turn.messages > limit else ""

    return check


def stop_when(reached: Callable[[Turn], str | bool], reason: str = "the goal is reached") -> Guardrail:
    """Stop once `reached` says so: True (with `reason`) or a reason of its own."""

    def check(turn: Turn) -> str:
        said = reached(turn)
        return said if isinstance(said, str) else (reason if said else "")

    return check


def combine(*guardrails: Guardrail) -> Guardrail:
    """All of them in order; the first stop wins."""

    def check(turn: Turn) -> str:
        return next((said for guardrail in guardrails if (said := guardrail(turn))), "")

    return check


def defaults(limits: Guardrails, *extra: Guardrail) -> Guardrail:
    """The guardrails of a task file, then the caller's own."""
    return combine(max_iterations(limits.max_iterations), max_messages(limits.max_messages), *extra)
