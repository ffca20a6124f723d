"""One append: compare-and-swap, order, levels, cancellation, and what one bad append does to its neighbours."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.errors import Conflict, SetupError
from harness_tui.domain.events import Envelope, Event, Write
from harness_tui.journal import journal as writer
from harness_tui.journal import tables, transaction
from harness_tui.journal.journal import Journal
from harness_tui.journal.reader import Reader

from .histories import SPEC, TickClock

START = ev.RunStarted(SPEC)
NOTE = ev.ToolNoted("a dialog was answered")
MISFIT = ev.RunStarted(None)  # type: ignore[arg-type]
"""Without a spec: the fold cannot take it."""


@pytest.fixture
async def journal(tmp_path: Path):
    opened = await Journal.open(tmp_path / "journal.db", TickClock())
    yield opened
    await opened.close()


def notes(run: str, expected: int, count: int = 1, event: Event = NOTE) -> list[Write]:
    return [Write(run, expected, (event,) * count)]


async def outcomes(*appends: object) -> list[str]:
    done = await asyncio.gather(*appends, return_exceptions=True)  # type: ignore[call-overload]
    return [type(each).__name__ if isinstance(each, BaseException) else "ok" for each in done]


async def test_all_writes_of_an_append_or_none(journal: Journal) -> None:
    envelopes = await journal.append([Write("r1", 0, (START, NOTE)), Write("r1/1", 0, (ev.AttemptStarted("r1", 1),))])
    assert [(e.pos, e.run, e.seq) for e in envelopes] == [(1, "r1", 1), (2, "r1", 2), (3, "r1/1", 1)]
    with pytest.raises(Conflict, match="Run r1 is at event 2, not at 1"):
        await journal.append([Write("r2", 0, (START,)), Write("r1", 1, (NOTE,))])
    assert (journal.head("r1"), journal.head("r2"), journal.views.pos) == (2, 0, 3)
    assert [e.pos for e in await journal.tail(1, "r1")] == [2, 3]
    assert [e.seq for e in await journal.stream("r1")] == [1, 2]
    assert [e.pos for e in await journal.last(2)] == [2, 3]


async def test_conflict_is_known_before_the_first_commit(journal: Journal) -> None:
    first = asyncio.create_task(journal.append(notes("r1", 0, event=START)))
    await asyncio.sleep(0)
    assert journal.head("r1") == 1
    with pytest.raises(Conflict):
        await journal.append(notes("r1", 0, event=START))
    assert (await first)[0].pos == 1


async def test_two_who_decide_at_once_are_one_decision(journal: Journal) -> None:
    await journal.append(notes("r1", 0, event=START))
    for round_ in range(50):
        assert sorted(await outcomes(*(journal.append(notes("r1", 1 + round_)) for _ in range(3)))) == [
            "Conflict",
            "Conflict",
            "ok",
        ]
    assert journal.head("r1") == 51


async def test_listeners_hear_every_event_once_in_commit_order_before_the_caller_goes_on(journal: Journal) -> None:
    heard: list[int] = []

    def broken(envelopes: list[Envelope]) -> None:
        raise RuntimeError("not the journal's business")

    journal.subscribe(broken)
    stop = journal.subscribe(lambda envelopes: heard.extend(e.pos for e in envelopes))

    async def chain(run: str) -> None:
        for seq in range(20):
            envelopes = await journal.append(notes(run, seq))
            assert heard[-1] >= envelopes[-1].pos

    await asyncio.gather(*(chain(f"r{n}") for n in range(9)))
    assert heard == list(range(1, 181))
    stop()
    stop()
    await journal.append(notes("r1", 20))
    assert heard[-1] == 180


async def test_a_group_with_a_misfit_loses_only_the_misfit_and_what_followed_it(journal: Journal) -> None:
    assert await outcomes(
        journal.append(notes("r1", 0, event=START)),
        journal.append(notes("bad", 0, event=MISFIT)),
        journal.append(notes("bad", 1)),
        journal.append([*notes("r1", 1), *notes("bad", 2)]),
        journal.append(notes("r1", 2)),
        journal.append(notes("r2", 0, event=START)),
    ) == ["ok", "Unfit", "Conflict", "Conflict", "Conflict", "ok"]
    assert (journal.head("r1"), journal.head("bad"), journal.head("r2")) == (1, 0, 1)
    assert [e.pos for e in await journal.append(notes("bad", 0))] == [3]
    assert await journal.check() == []


async def test_an_event_put_in_behind_our_back_is_a_conflict_once(journal: Journal, tmp_path: Path) -> None:
    await journal.append(notes("r1", 0, event=START))
    outside = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    outside.execute("INSERT INTO event VALUES (900, 1, 2, 1, ?, ?)", (ev.NUMBER_OF[ev.ToolNoted], b'{"text":"x"}'))
    outside.close()
    ends = await outcomes(journal.append(notes("r1", 1)), journal.append(notes("r2", 0, event=START)))
    assert ends == ["Conflict", "ok"]
    assert journal.head("r1") == 2
    assert (await journal.append(notes("r1", 2)))[0].pos == 902


async def test_an_event_that_cannot_be_encoded_changes_nothing(journal: Journal) -> None:
    with pytest.raises(TypeError):
        await journal.append([Write("r1", 0, (START, ev.ToolNoted(object())))])  # type: ignore[arg-type]
    assert journal.head("r1") == 0
    assert (await journal.append(notes("r1", 0, event=START)))[0].pos == 1


async def test_a_cancelled_caller_does_not_stop_its_write(journal: Journal) -> None:
    waiting = asyncio.create_task(journal.append(notes("r1", 0, event=START)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await journal.append(notes("r1", 1))
    assert [e.seq for e in await journal.stream("r1")] == [1, 2]


async def test_the_queue_is_bounded_and_keeps_its_order(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal._room = asyncio.Semaphore(3)

    async def one(seq: int) -> int:
        return (await journal.append(notes("r1", seq)))[0].pos

    waiting = [asyncio.create_task(one(seq)) for seq in range(40)]
    await asyncio.sleep(0)
    assert journal.head("r1") == 3
    assert await asyncio.gather(*waiting) == list(range(1, 41))


async def test_decisions_and_irreversible_intents_are_synced(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []
    plain = transaction.commit

    def watched(con: sqlite3.Connection, group: transaction.Group) -> None:
        plain(con, group)
        levels.append(con.execute("PRAGMA synchronous").fetchone()[0])

    monkeypatch.setattr(transaction, "commit", watched)
    intent = ev.ToolStarted("c1", "browser_click", "destructive", "d" * 64, "click")
    look = ev.ToolStarted("c2", "browser_url", "read_only", "d" * 64, "look")
    await journal.append(notes("r1", 0, event=START))
    await journal.append(notes("r1", 1, event=ev.ApprovalDecided("A-1", "approved", "me", "d" * 64)))
    await journal.append(notes("r1", 2, event=look))
    await asyncio.gather(journal.append(notes("r1", 3, event=intent)), journal.append(notes("r2", 0, event=START)))
    assert levels == [1, 2, 1, 2]


async def test_a_zombie_can_write_no_more(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    old = await Journal.open(path, TickClock())
    await old.append(notes("r1", 0, event=START))
    new = await Journal.open(path, TickClock())
    assert (old.epoch, new.epoch) == (1, 2)
    with pytest.raises(SetupError, match="A newer engine has taken this journal over"):
        await old.append(notes("r1", 1))
    assert (await new.append(notes("r1", 1)))[0].seq == 2
    await old.close()
    await new.close()


async def test_a_locked_file_refuses_all_that_wait_and_is_used_again_afterwards(
    journal: Journal, tmp_path: Path
) -> None:
    await journal._lane.run(lambda con: con.execute("PRAGMA busy_timeout = 20"))
    await journal.append(notes("r1", 0, event=START))
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ends = await outcomes(*(journal.append(notes("r1", seq)) for seq in (1, 2)), journal.append(notes("r2", 0)))
    assert ends == ["SetupError"] * 3
    assert (journal.head("r1"), journal.head("r2"), journal.views.pos, len(journal.views.runs)) == (1, 0, 1, 1)
    with pytest.raises(SetupError, match="The disk refused to save the journal: database is locked"):
        await journal.append(notes("r1", 1))
    other.execute("ROLLBACK")
    other.close()
    assert [e.pos for e in await journal.append([*notes("r1", 1), *notes("r2", 0)])] == [2, 3]
    assert await journal.check() == []


async def test_a_log_that_cannot_be_cut_is_reported(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LONG_LOG", 100_000)
    await journal.append(notes("r1", 0, event=ev.ToolNoted("t" * 200_000)))
    assert await journal.check() == [
        "The write-ahead log holds 0 MB: another program keeps the journal open for reading."
    ]


async def test_close_writes_what_waits_and_then_refuses(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db", TickClock())
    waiting = [asyncio.create_task(journal.append(notes("r1", seq))) for seq in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(journal.close())
    await asyncio.sleep(0)
    closing.cancel()
    await journal.close()
    await journal.close()
    assert [(await each)[0].pos for each in waiting] == [1, 2, 3, 4, 5]
    assert not (tmp_path / "journal.db-wal").exists()
    with pytest.raises(SetupError, match="closed"):
        await journal.append(notes("r1", 5))


async def test_the_write_ahead_log_stays_short(journal: Journal, tmp_path: Path) -> None:
    big = ev.ToolFinished("c1", "browser_get_text", True, "t" * 20_000)
    wal = tmp_path / "journal.db-wal"
    for seq in range(1200):
        await journal.append(notes("r1", seq, event=big))
    assert wal.stat().st_size < 12_000_000 < (tmp_path / "journal.db").stat().st_size
    await journal.close()
    with Reader(tmp_path / "journal.db") as reader:
        assert len(reader.stream("r1")) == 1200


async def test_an_idle_journal_empties_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE", 0.01)
    modes: list[str] = []
    copied = asyncio.Event()
    plain = Journal._checkpoint

    async def watched(self: Journal, mode: str) -> None:
        await plain(self, mode)
        modes.append(mode)
        copied.set()

    monkeypatch.setattr(Journal, "_checkpoint", watched)
    journal = await Journal.open(tmp_path / "journal.db", TickClock())
    await journal.append(notes("r1", 0, event=START))
    await asyncio.wait_for(copied.wait(), 60)
    assert modes == ["PASSIVE"]
    assert journal._quiet is None
    await journal.close()
