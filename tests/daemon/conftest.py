"""A home, an engine double hosted in it, and a client attached to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness_tui.clients.socket import SocketClient
from harness_tui.config.paths import Paths
from harness_tui.daemon.host import hosting

from .double import Double


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home")


@pytest.fixture
async def engine(home: Paths) -> AsyncIterator[Double]:
    async with hosting(home, lambda: Double.open(home)) as hosted:
        yield hosted


@pytest.fixture
async def client(home: Paths, engine: Double) -> AsyncIterator[SocketClient]:
    attached = await SocketClient.connect(home)
    yield attached
    await attached.close()
