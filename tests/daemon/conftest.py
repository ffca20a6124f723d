"""A home, an engine double hosted in it, and a client attached to it; greetings may take as long as they need."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness_tui.clients.socket import SocketClient
from harness_tui.config.paths import Paths
from harness_tui.daemon import session, spawn
from harness_tui.daemon.host import hosting
from harness_tui.port.dial import Dial

from .double import Double


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product gives a greeting seconds; on a loaded machine one that comes late is no failure of these tests."""
    monkeypatch.setattr(session, "HELLO_SECONDS", 60.0)
    monkeypatch.setattr(SocketClient.connect.__func__, "__defaults__", (60.0,))
    monkeypatch.setattr(spawn, "Dial", lambda path, timeout=60.0: Dial(path, max(timeout, 60.0)))


@pytest.fixture
def home() -> Iterator[Paths]:
    """A home that is not there yet; near the root, since a socket path has 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="htui-", ignore_cleanup_errors=True) as folder:
        yield Paths(Path(folder) / "home")


@pytest.fixture
async def engine(home: Paths) -> AsyncIterator[Double]:
    async with hosting(home, lambda: Double.open(home)) as hosted:
        yield hosted


@pytest.fixture
async def client(home: Paths, engine: Double) -> AsyncIterator[SocketClient]:
    attached = await SocketClient.connect(home)
    yield attached
    await attached.close()
