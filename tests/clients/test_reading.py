"""Reading a home: empty, with a stopped engine's journal, with a running engine; and what that costs in imports."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tui.clients.offline import Archive, OfflineClient
from harness_tui.clients.read import Live, reading, status
from harness_tui.config.clock import SystemClock
from harness_tui.config.paths import Paths
from harness_tui.daemon.host import hosting
from harness_tui.domain.errors import HarnessError, LinkLost, SetupError, UsageError
from harness_tui.domain.events import RunStarted, ToolNoted, Write
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.engine.engine import Engine
from harness_tui.journal.journal import Journal
from harness_tui.port.commands import CancelRun, StopEngine

SPEC = RunSpec(TaskFile("vote"), ModelSpec("stand-in", "stand-in"), title="vote")


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home")


async def record(home: Paths) -> None:
    """A journal with two runs, as an engine that was killed leaves it."""
    home.ensure()
    journal = await Journal.open(home.journal, SystemClock())
    await journal.append([Write("r1", 0, (RunStarted(SPEC), ToolNoted("hm"))), Write("r2", 0, (RunStarted(SPEC),))])
    await journal.close()


def test_an_empty_home_answers_nothing_and_stays_empty(home: Paths) -> None:
    with reading(home) as source:
        assert isinstance(source, Archive)
        assert source.info() is None
        assert source.runs() == source.approvals(all=True) == source.events("") == []
        assert source.snapshot().pos == 0
        with pytest.raises(UsageError, match="There is no run r9"):
            source.run("r9")
        with pytest.raises(HarnessError):
            source.blob("0" * 64)
        with pytest.raises(SetupError, match="No engine runs") as caught:
            source.send(StopEngine())
    assert "harness-tui engine start" in caught.value.next_step
    assert status(home) == {
        "running": False,
        "pid": None,
        "home": str(home.home),
        "workspaces": [],
        "socket": None,
        "version": None,
        "uptime_s": None,
    }
    assert not home.home.exists()


def test_an_existing_empty_home_gets_no_files(home: Paths) -> None:
    home.home.mkdir()
    with reading(home) as source:
        assert source.runs() == []
    assert list(home.home.iterdir()) == []


async def test_a_stopped_engines_journal_is_read(home: Paths) -> None:
    await record(home)
    with reading(home) as source:
        assert sorted(row.id for row in source.runs()) == ["r1", "r2"]
        assert source.run("r1").title == "vote"
        assert [e.event for e in source.events("r1", after=1)] == [ToolNoted("hm")]
        with pytest.raises(UsageError, match="Did you mean r1"):
            source.run("r11")


async def test_the_offline_port_shows_the_last_state(home: Paths) -> None:
    await record(home)
    client = OfflineClient(home)
    snapshot = await client.snapshot()
    assert (snapshot.engine.pid, snapshot.pos, len(snapshot.runs), len(snapshot.trace)) == (0, 3, 2, 3)
    assert (await client.info()).home == str(home.home)
    assert [e.pos for batch in [b async for b in client.batches(1)] for e in batch.events] == [2, 3]
    assert [len(await client.runs()), len(await client.approvals()), len(await client.events("", 0))] == [2, 0, 3]
    assert (await client.run("r2")).id == "r2"
    with pytest.raises(SetupError):
        await client.send(CancelRun("r1", "me"))
    await client.close()


async def test_a_running_engine_is_asked(home: Paths) -> None:
    def ask() -> dict[str, object]:
        with reading(home) as source:
            assert isinstance(source, Live)
            assert source.runs() == []
            assert source.approvals() == []
            assert source.snapshot().engine == source.info()
            with pytest.raises(UsageError, match="There is no run r9"):
                source.run("r9")
            with pytest.raises(HarnessError, match="64 hex"):
                source.blob("zz")
            assert [e.run for e in source.events("")] == ["engine"]
            assert source.send(StopEngine()).text
        return status(home)

    async with hosting(home, lambda: Engine.open(home)) as engine:
        found = await asyncio.to_thread(ask)
        assert engine.stopped.is_set()
    assert found["running"] is True
    assert found["socket"] == str(home.socket)
    with reading(home) as source:
        assert [type(e.event).__name__ for e in source.events("")] == ["EngineStarted", "EngineStopped"]


async def test_an_engine_that_dies_meanwhile_is_a_lost_link(home: Paths) -> None:
    home.ensure()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from harness_tui.port import wire

        await reader.readline()
        writer.write(wire.hello())
        await reader.readline()
        writer.close()

    server = await asyncio.start_unix_server(hang_up, home.socket)
    source = await asyncio.to_thread(reading, home)
    with source, pytest.raises(LinkLost, match="before it answered"):
        await asyncio.to_thread(source.runs)
    server.close()


@pytest.mark.parametrize("question", ["runs", "approvals", "info"])
def test_reading_an_empty_home_imports_little(home: Paths, question: str) -> None:
    code = f"""
import sys
from pathlib import Path
from harness_tui.clients.read import reading
from harness_tui.config.paths import Paths
with reading(Paths(Path({str(home.home)!r}))) as source:
    assert not source.{question}()
banned = {{"asyncio", "textual", "rich", "pydantic", "sqlite3", "aiosqlite", "openai", "anthropic", "httpx"}}
print(sorted(banned & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
