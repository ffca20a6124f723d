"""The lane: work in order on one thread, answers before their callers go on, and an end whatever was left undone."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness_tui.journal.lane import Lane


@pytest.fixture
async def lane():
    opened = await Lane.open(":memory:")
    yield opened
    await opened.close()


def one(con: sqlite3.Connection) -> int:
    found: int = con.execute("SELECT 1").fetchone()[0]
    return found


async def test_work_is_done_in_order_and_an_error_is_its_own(lane: Lane) -> None:
    done: list[int] = []
    ends = await asyncio.gather(
        lane.run(lambda con: done.append(one(con))),
        lane.run(lambda con: con.execute("SELECT nothing")),
        lane.run(lambda con: done.append(one(con) + 1)),
        return_exceptions=True,
    )
    assert done == [1, 2]
    assert [type(end) for end in ends] == [type(None), sqlite3.OperationalError, type(None)]


async def test_who_is_answered_by_the_work_goes_on_before_who_asked_for_it(lane: Lane) -> None:
    order: list[str] = []
    answered = asyncio.Event()

    async def waits() -> None:
        await answered.wait()
        order.append("answered")

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0)
    await lane.run(one, then=answered.set)
    order.append("asked")
    await waiting
    assert order == ["answered", "asked"]


async def test_the_answer_is_given_though_its_caller_is_gone_but_not_for_work_that_failed(lane: Lane) -> None:
    held, given = threading.Event(), list[str]()
    first = asyncio.create_task(lane.run(lambda con: held.wait(60), then=lambda: given.append("first")))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    held.set()
    with pytest.raises(sqlite3.OperationalError):
        await lane.run(lambda con: con.execute("SELECT nothing"), then=lambda: given.append("second"))
    assert given == ["first"]


async def test_closing_finishes_what_was_asked_for() -> None:
    lane, done = await Lane.open(":memory:"), list[int]()
    asked = [asyncio.create_task(lane.run(lambda con: done.append(one(con)))) for _ in range(20)]
    await asyncio.sleep(0)
    await lane.close()
    await asyncio.gather(*asked)
    assert len(done) == 20


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_lane_that_is_dropped_ends_its_thread() -> None:
    before = set(threading.enumerate())
    lane = await Lane.open(":memory:")
    await lane.run(one)
    (thread,) = set(threading.enumerate()) - before
    del lane
    gc.collect()
    await asyncio.to_thread(thread.join, 60)
    assert not thread.is_alive()


def test_an_error_that_escapes_ends_the_process(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from harness_tui.config.clock import SystemClock\n"
        "from harness_tui.journal.journal import Journal\n"
        "async def main():\n"
        "    journal = await Journal.open(pathlib.Path(sys.argv[1]), SystemClock())\n"
        "    raise RuntimeError('escaped')\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "journal.db")], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "escaped" in ended.stderr
