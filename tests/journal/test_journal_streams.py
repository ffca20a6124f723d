"""Runs that are opened again, runs with thousands of streams under them, and streams read in pages."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.events import Write
from harness_tui.journal import schema, tables
from harness_tui.journal.journal import Journal
from harness_tui.journal.reader import Reader

from .histories import SPEC, TickClock

START = ev.RunStarted(SPEC)
OVER = ev.RunFinished("failed", False, "a job is dead", "", "error", 1)
AGAIN = ev.RunReopened("me", "tried again")


def asked(path: Path, sql: str) -> list[tuple[object, ...]]:
    con = sqlite3.connect(path)
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


async def test_a_run_that_is_opened_again_is_open_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it ended in this engine's time, or so long ago that its rows were not in memory."""
    monkeypatch.setattr(tables, "ENDED_ROOTS", 0)
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, TickClock())
    await journal.append([Write("r1", 0, (START, OVER)), Write("r2", 0, (START, OVER)), Write("r3", 0, (START, OVER))])
    await journal.append([Write("r1", 2, (AGAIN,))])
    await journal.close()
    assert asked(path, "SELECT uid FROM run WHERE ended = 0 ORDER BY uid") == [("r1",)]

    journal = await Journal.open(path, TickClock())
    assert list(journal.views.runs) == ["r1"]
    await journal.append([Write("r2", 2, (AGAIN,))])
    await journal.append([Write("r1", 3, (OVER,))])
    await journal.append([Write("r3", 2, (AGAIN, OVER))])
    await journal.close()
    assert asked(path, "SELECT uid FROM run WHERE ended = 0 ORDER BY uid") == [("r2",)]

    journal = await Journal.open(path, TickClock())
    assert (list(journal.views.runs), journal.views.runs["r2"].state) == (["r2"], "running")
    assert await journal.check() == []
    await journal.close()


async def test_streams_without_rows_are_neither_open_nor_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, TickClock())
    task = (ev.TaskResumed("function"), ev.TaskFinished(blob="b" * 64))
    jobs = [Write(f"r1/j{number}#1", 0, task) for number in range(200)]
    await journal.append([Write("r1", 0, (START,)), *jobs])
    await journal.append([Write("r1", 1, (OVER,)), Write("engine", 0, (ev.EngineRecovered(0, 0),))])
    assert await journal.blobs() == {"b" * 64}
    # One of them gets a row after all.
    await journal.append([Write("r1/j7#1", 2, (ev.AttemptStarted("r1", 1),))])
    await journal.close()
    assert asked(path, "SELECT uid FROM run WHERE ended = 0 ORDER BY uid") == [("engine",), ("r1/j7#1",)]
    assert asked(path, "SELECT count(*) FROM run WHERE ended = -1") == [(199,)]

    journal = await Journal.open(path, TickClock())
    assert set(journal.views.runs) == {"r1", "r1/j7#1"}
    assert [journal.head(f"r1/j{number}#1") for number in (0, 7, 199, 200)] == [2, 3, 2, 0]
    assert len(await journal.tail(root="r1", limit=1000)) == 403
    assert await journal.check() == []
    await journal.close()


async def test_an_older_file_loses_its_bare_streams_from_the_indexes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:4])
        older.setattr(schema, "VERSION", 4)
        journal = await Journal.open(path, TickClock())
        started = Write("r1/1", 0, (ev.AttemptStarted("r1", 1),))
        await journal.append([Write("r1", 0, (START,)), started, Write("r1/j1#1", 0, (ev.TaskResumed("function"),))])
        await journal.close()
        con = sqlite3.connect(path)
        con.execute("UPDATE run SET ended = 0")
        con.commit()
        con.close()
        with Reader(path) as reader:
            before = reader.views()
    with Reader(path) as reader:  # no engine has brought the file up yet
        assert reader.views().runs == before.runs != {}

    journal = await Journal.open(path, TickClock())
    assert journal.views.runs == before.runs
    assert asked(path, "SELECT uid, ended FROM run ORDER BY uid") == [("r1", 0), ("r1/1", 0), ("r1/j1#1", -1)]
    assert await journal.check() == []
    await journal.close()


async def test_a_stream_is_read_in_pages(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, TickClock())
    await journal.append([Write("r1", 0, (START,)), Write("r1/1", 0, (ev.AttemptStarted("r1", 1),))])
    for seq in range(1, 25):
        await journal.append([Write("r1", seq, (ev.CancelRequested(str(seq)),))])
    with Reader(path) as reader:
        for pages in (journal.stream, reader.stream):

            async def page(after: int = 0, limit: int | None = None) -> list[int]:
                found = pages("r1", after, limit)  # noqa: B023
                return [each.seq for each in (found if isinstance(found, list) else await found)]

            assert await page() == list(range(1, 26))
            assert await page(0, 10) == list(range(1, 11))
            assert await page(20, 10) == list(range(21, 26))
            assert await page(20) == list(range(21, 26))
            assert await page(25, 10) == await page(3, 0) == []
    await journal.close()


async def test_a_large_tree_is_read_in_the_same_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its events are dense, and where those of others lie between."""
    monkeypatch.setattr(tables, "LARGE_TREE", 20)
    journal = await Journal.open(tmp_path / "journal.db", TickClock())
    await journal.append([Write("r1", 0, (START,)), Write("r10", 0, (START,))])
    for number in range(40):
        other = (ev.CancelRequested("me"),) * (1 if number < 20 else 9)
        mine = Write(f"r1/j{number}#1", 0, (ev.TaskResumed("function"), ev.TaskFinished(number)))
        await journal.append([mine, Write("r10", journal.head("r10"), other)])
    wanted = [each for each in await journal.tail(limit=1000) if each.run.partition("/")[0] == "r1"]
    for size in (1, 7, 30, 500):
        read: list[ev.Envelope] = []
        while page := await journal.tail(read[-1].pos if read else 0, "r1", size):
            assert len(page) <= size
            read += page
        assert read == wanted
    await journal.close()
