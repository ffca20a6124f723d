"""What a graph's run needs from its owner (the engine, or a program), handed over in one piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from ..agent.kit import History
from ..domain.dag.settle import Room
from ..domain.dag.spec import DagSpec
from ..domain.events import Envelope, Flow
from ..domain.redaction import Redaction
from ..domain.seams import Blobs, Clock
from ..domain.task import RunSpec
from ..domain.views import RunRow

INLINE = 16 * 1024
"""Bytes of an answer (as JSON) that are kept in its attempt's stream; a longer one is a blob."""


class Answer(msgspec.Struct, frozen=True):
    """What a job answered, as the jobs behind it get it: its value, read from the one place where it is stored.

    Attributes:
        text: of an agent or a command what it said; of a call that returned something else, that as JSON.
        blob: SHA-256 of the whole text where it is long, else "".
    """

    job: str
    value: Any = None
    text: str = ""
    blob: str = ""


class Runs(Protocol):
    """The owner's agent runs, as a graph uses them."""

    async def start(self, spec: RunSpec) -> str:
        """Start a root run; answers its id. Raises HarnessError."""
        ...

    def of(self, dag: str) -> dict[str, RunRow]:
        """Runs that are attempts of a graph's jobs (or its planner), by job (`a#1`)."""
        ...

    async def ended(self, run: str) -> RunRow:
        """Its row, once it is over."""
        ...

    async def cancel(self, run: str, by: str, reason: str) -> bool: ...

    async def events(self, run: str) -> list[Envelope]:
        """All of a run and its attempts."""
        ...

    def watch(self, run: str, told: Callable[[RunRow], None]) -> None:
        """Tell of every change of the run's row, until it is over."""
        ...


Function = Callable[..., Any]


@dataclass(slots=True)
class DagKit:
    """The owner's parts.

    Attributes:
        room: what a run and its ancestors have left to spend.
        steady: microseconds on a clock that does not jump.
        approval_id: a fresh approval id.
        load: the function behind `module:function`. Raises UsageError.
        functions: of the caller, by name: they go before `load`.
    """

    log: History
    clock: Clock
    blobs: Blobs
    redaction: Redaction
    runs: Runs
    room: Callable[[str, DagSpec], Room]
    approval_id: Callable[[], str]
    load: Callable[[str], Function]
    steady: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    functions: Mapping[str, Function] = field(default_factory=dict)
    flow: Callable[[Flow], None] = lambda _: None
