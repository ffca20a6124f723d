"""A graph's run read from the journal alone and from a running engine: the same picture, and what is no graph."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from harness_tui.clients.offline import OfflineClient
from harness_tui.clients.read import Live, reading
from harness_tui.clients.socket import SocketClient
from harness_tui.config.clock import SystemClock
from harness_tui.config.paths import Paths
from harness_tui.daemon.host import hosting
from harness_tui.domain.dag.picture import DagPicture, restore
from harness_tui.domain.dag.spec import DagSpec, Job
from harness_tui.domain.errors import UsageError
from harness_tui.domain.events import RunFinished, RunStarted, Write
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.engine.engine import Engine
from harness_tui.journal.journal import Journal
from harness_tui.port.commands import StartDag

JOBS = (Job("a", wait=0), Job("b", deps=("a",), wait=0), Job("c", deps=("a",), call="json:loads"))
AGENT = RunSpec(TaskFile("vote"), ModelSpec("stand-in", "stand-in"))


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home")


async def ended(engine: Engine, run: str) -> None:
    async with asyncio.timeout(60):
        async for batch in engine.batches(0):
            for wire in batch.events:
                if wire.run == run and isinstance(wire.open().event, RunFinished):
                    return


def plain(picture: DagPicture) -> bytes:
    return msgspec.json.encode(picture)


async def test_whoever_is_asked_shows_the_same_run(home: Paths) -> None:
    async with hosting(home, lambda: Engine.open(home)) as engine:
        run = (await engine.send(StartDag(DagSpec(goal="x", workspace=str(home.home)), JOBS, "me"))).id
        await ended(engine, run)
        own = plain(await engine.dag(run))
        client = await SocketClient.connect(home)
        over_socket = plain(await client.dag(run))
        page = await client.stream(run, after=1, limit=2)
        attempt = await client.stream(f"{run}/c#1")
        await client.close()

        def ask() -> bytes:
            with reading(home) as source:
                assert isinstance(source, Live)
                assert source.stream(run, after=1, limit=2) == page
                return plain(source.dag(run))

        blocking = await asyncio.to_thread(ask)
    with reading(home) as source:
        offline = source.dag(run)
        assert source.stream(run, after=1, limit=2) == page
        assert source.stream(f"{run}/c#1") == attempt
    assert own == over_socket == blocking == plain(offline) == plain(await OfflineClient(home).dag(run))
    assert [event.seq for event in page] == [2, 3]
    assert {event.run for event in attempt} == {f"{run}/c#1"}
    state = restore(offline)
    assert [(ident, job.state) for ident, job in state.jobs.items()] == [
        ("a", "succeeded"),
        ("b", "succeeded"),
        ("c", "dead_lettered"),
    ]


async def test_a_long_stream_is_folded_page_by_page(home: Paths) -> None:
    jobs = tuple(Job(f"j{number}", wait=0) for number in range(700))
    async with hosting(home, lambda: Engine.open(home)) as engine:
        run = (await engine.send(StartDag(DagSpec(workspace=str(home.home)), jobs, "me"))).id
        await ended(engine, run)
        own = plain(await engine.dag(run))
    with reading(home) as source:
        assert plain(source.dag(run)) == own


async def test_what_is_no_graph_is_said_so(home: Paths) -> None:
    home.ensure()
    journal = await Journal.open(home.journal, SystemClock())
    await journal.append([Write("r1", 0, (RunStarted(AGENT),))])
    await journal.close()
    with reading(home) as source:
        with pytest.raises(UsageError, match=r"r1 is no graph of jobs\. See: harness-tui runs show r1"):
            source.dag("r1")
        with pytest.raises(UsageError, match=r"There is no run r12\. Did you mean r1\?"):
            source.dag("r12")
        assert source.stream("r12") == []
