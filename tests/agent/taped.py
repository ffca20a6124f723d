"""A recorded run, and playing it back without a world, a model or a socket: what the tests of recordings share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness_tui.agent.driver import Driver
from harness_tui.agent.kit import Kit
from harness_tui.agent.recording import recorded
from harness_tui.agent.replaying import VOLATILE, Played, replay
from harness_tui.agent.tape import RunHeader, RunRecord
from harness_tui.domain import inputs as inp
from harness_tui.domain.events import Envelope, name_of
from harness_tui.domain.redaction import Redaction
from harness_tui.journal.journal import Journal
from harness_tui.models.cassette.form import load

from .worlds import Bench, Cents, ManualClock, ScriptedModel


class Taped(Bench):
    """A run that is recorded."""

    def __init__(self, journal: Journal, path: Path, *script: Any, price: Cents | None = None, **limits: Any) -> None:
        super().__init__(journal, ManualClock(), ScriptedModel(*script, price=price), **limits)
        self.spec = msgspec.structs.replace(self.spec, record=str(path))
        self.redaction = Redaction()

    def _kit(self) -> Kit:
        kit = super()._kit()
        kit.redaction = self.redaction
        return recorded(kit, "r1", self.spec)

    async def crash(self, task: asyncio.Task[None]) -> tuple[Driver, asyncio.Task[None]]:
        """What a SIGKILL leaves is the log and the file; another engine goes on with them."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("harness_tui.agent.driver.SETTLE_GRACE", 0.0)  # the killed do not wait for an effect
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return await self.again()

    async def decide(self, driver: Driver, word: Any = "approved") -> None:
        row = await self.asks()
        assert await driver.decide(inp.Decided(row.id, word, "me", row.digest, "so"))

    async def events(self) -> list[Envelope]:
        return await self.journal.tail(root="r1", limit=10_000)


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


def streams(events: list[Envelope]) -> dict[str, list[Any]]:
    """What a replay must give again: kinds and contents of each stream, but for times and what is made of them."""
    found: dict[str, list[Any]] = {}
    for envelope in events:
        fields = msgspec.to_builtins(envelope.event)
        kept = {key: value for key, value in fields.items() if key not in VOLATILE}
        found.setdefault(envelope.run, []).append((name_of(envelope.event), kept))
    return found


async def played(path: Path) -> tuple[Played, list[Envelope]]:
    made: list[Envelope] = []
    return await replay(*load(path, RunHeader, RunRecord), made.append), made


async def plays_the_same(b: Taped) -> None:
    """The heart of it: the replay makes the events the journal has, and the row they fold to."""
    with pytest.MonkeyPatch.context() as patched:
        _no_sockets(patched)
        result, made = await played(Path(b.spec.record))
    assert result.difference == ""
    assert result.whole
    assert streams(made) == streams(await b.events())
    old, new = (msgspec.to_builtins(views.runs["r1"]) for views in (b.journal.views, result.views))
    assert {**old, "started": 0, "ended": 0, "retry_at": 0} == {**new, "started": 0, "ended": 0, "retry_at": 0}


def _no_sockets(patched: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("connect", "connect_ex", "bind"):
        patched.setattr(socket.socket, name, refuse)
