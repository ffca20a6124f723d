"""The records of a run's cassette, in the order things happened."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..domain.codec import decode, encode
from ..domain.events import Event
from ..domain.ledger import Hold, Refused
from ..domain.messages import ToolSpec
from ..domain.task import RunSpec
from ..models.cassette.form import Header, Record
from ..models.cassette.model import Exchange, Failure
from ..models.router import MAIN

ActName = Literal["open", "baseline", "judge", "perform", "after_batch", "goal", "verify", "close"]


class RunHeader(Header, frozen=True, kw_only=True):
    """The first line of a run's cassette: handles instead of secrets, as everywhere in a spec.

    Attributes:
        started: when the run began (us), which with its uid tells it from all others.
        recovery: of its world, as in `Environment`.
    """

    run: str
    started: int
    spec: RunSpec
    recovery: str


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """An event as the journal stores it."""

    kind: int
    body: msgspec.Raw

    @classmethod
    def of(cls, event: Event) -> Kept:
        kind, body = encode(event)
        return cls(kind, msgspec.Raw(body))

    def event(self) -> Event:
        return decode(self.kind, bytes(self.body))


class Written(msgspec.Struct, frozen=True, array_like=True):
    """Events of one stream."""

    run: str
    events: tuple[Kept, ...]


class Commit(Record, frozen=True):
    """An append, after it was durable; with `failure` it was refused."""

    at: int
    writes: tuple[Written, ...]
    failure: Failure | None = None


class Loaded(Record, frozen=True):
    """The lifecycle folded a stream; `found` is what the log had and the cassette had not.

    Attributes:
        fresh: it begins anew here, at the start or after an engine's end.
    """

    at: int
    run: str
    found: tuple[Kept, ...] = ()
    fresh: bool = False


class Act(Record, frozen=True):
    """A call of the world. `given_up`: it was cancelled, or its deadline passed."""

    at: int
    act: ActName
    asked: Any = None
    came: msgspec.Raw = msgspec.Raw(b"null")
    events: tuple[Kept, ...] = ()
    failure: Failure | None = None
    given_up: bool = False


class Said(Record, frozen=True):
    """A call of the model in a role."""

    at: int
    exchange: Exchange
    role: str = MAIN


class Value(Record, frozen=True):
    """Something else from outside: `reserve`, `settle`, `approval`, `random`, `day`."""

    name: str
    value: msgspec.Raw


class Here(msgspec.Struct, frozen=True):
    """What an opened world says of itself."""

    kind: str
    recovery: Literal["reattach", "rebuild", "restart"]
    session: str
    notes: tuple[str, ...]
    tools: tuple[ToolSpec, ...]


RunRecord = Commit | Loaded | Act | Said | Value
Granted = tuple[Hold | None, Refused | None]
"""The value of `reserve`."""
