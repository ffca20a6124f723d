"""How events become bytes: a body beside an integer kind (journal), one flat object (wire and export)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .events import KINDS, NUMBER_OF, Envelope, Event, name_of

_encode = msgspec.json.Encoder().encode
_decoders: dict[int, Callable[[bytes], Any]] = {}


def encode(event: Event) -> tuple[int, bytes]:
    """Return (kind, body) as the journal stores them."""
    return NUMBER_OF[type(event)], _encode(event)


def decode(kind: int, body: bytes) -> Event:
    """The event of a stored row. Decoders are built per kind on first use, so that start-up pays for few."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(KINDS[kind]).decode
    return decoder(body)


def to_json(envelope: Envelope) -> dict[str, Any]:
    """One event as `stream-json` prints it: {pos, run, seq, at (us), type, ...fields}."""
    head = {"pos": envelope.pos, "run": envelope.run, "seq": envelope.seq, "at": envelope.at}
    return {**head, "type": name_of(envelope.event), **msgspec.to_builtins(envelope.event)}


class WireEvent(msgspec.Struct, frozen=True, array_like=True):
    """An envelope on the socket: the body stays encoded until somebody folds it."""

    pos: int
    run: str
    seq: int
    at: int
    kind: int
    body: msgspec.Raw

    @classmethod
    def of(cls, envelope: Envelope) -> WireEvent:
        kind, body = encode(envelope.event)
        return cls(envelope.pos, envelope.run, envelope.seq, envelope.at, kind, msgspec.Raw(body))

    def open(self) -> Envelope:
        return Envelope(self.pos, self.run, self.seq, self.at, decode(self.kind, bytes(self.body)))
