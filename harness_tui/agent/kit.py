"""What the lifecycle needs from its owner (the engine, or `AgentLoop` in library use), handed over in one piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..domain.events import Envelope, Flow
from ..domain.ledger import Ledger
from ..domain.redaction import Redaction
from ..domain.seams import Clock, Environment, Log, Model
from ..domain.task import RunSpec
from ..models.router import MAIN
from .guardrails import Guardrail
from .spill import Spill


class History(Log, Protocol):
    """A log that can also be read back, one stream at a time."""

    async def stream(self, run: str) -> list[Envelope]: ...


class ModelFor(Protocol):
    """Builds the model that a run has for a role."""

    def __call__(self, spec: RunSpec, role: str = MAIN) -> Model: ...


@dataclass(slots=True)
class Kit:
    """The owner's parts.

    Attributes:
        model: builds the run's model of a role; the main one once per run.
        environment: builds an unopened world for (spec, session id).
        approval_id: a fresh approval id.
        random: uniform in [0, 1), for the jitter of retries.
        day: today's date (ISO) in the operator's time zone.
        redaction: secrets that were read so far; nothing that holds one is written, shown or sent on.
        guardrails: the caller's own, after those of the task.
        spill: keeps this run's long results.
    """

    log: History
    clock: Clock
    ledger: Ledger
    model: ModelFor
    environment: Callable[[RunSpec, str], Environment]
    approval_id: Callable[[], str]
    random: Callable[[], float]
    day: Callable[[], str]
    flow: Callable[[Flow], None] = lambda _: None
    redaction: Redaction = field(default_factory=Redaction)
    guardrails: tuple[Guardrail, ...] = field(default=())
    spill: Spill = field(default_factory=Spill)
