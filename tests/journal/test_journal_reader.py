"""The reader beside a working engine, and what each question answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.events import Write
from harness_tui.journal.journal import Journal
from harness_tui.journal.reader import Reader

from .histories import SPEC, History, TickClock, rows


@pytest.fixture
async def journal(tmp_path: Path):
    opened = await Journal.open(tmp_path / "journal.db", TickClock())
    yield opened
    await opened.close()


async def test_a_reader_sees_each_commit_and_never_holds_the_log(journal: Journal, tmp_path: Path) -> None:
    history = History()
    with Reader(tmp_path / "journal.db") as reader:
        for number in range(80):
            envelopes = await journal.append(history.step(number % 6, number * 3))
            assert reader.views().pos == envelopes[-1].pos
            assert rows(reader.views()) == rows(journal.views)
        await journal._checkpoint("TRUNCATE")
        assert (tmp_path / "journal.db-wal").stat().st_size == 0
        assert rows(reader.views()) == rows(journal.views)


async def test_runs_and_approvals_in_their_order(journal: Journal, tmp_path: Path) -> None:
    request = ev.ApprovalRequested(
        "A-1", "c1", "browser_click", "high", "destructive", "click", (), "d" * 64, "a" * 64, 0, selector="#up"
    )
    for number in range(1, 13):
        run = f"r{number}"
        await journal.append(
            [Write(run, 0, (ev.RunStarted(SPEC),)), Write(f"{run}/1", 0, (ev.AttemptStarted(run, 1),))]
        )
    await journal.append([Write("r1/1", 1, (request,)), Write("r12/1", 1, (_named(request, "A-2"),))])
    await journal.append([Write("r1/1", 2, (ev.ApprovalDecided("A-1", "denied", "me", "d" * 64),))])
    with Reader(tmp_path / "journal.db") as reader:
        assert [row.id for row in reader.runs(3)] == ["r12", "r11", "r10"]
        assert [row.id for row in reader.approvals()] == ["A-2"]
        assert [(row.id, row.state) for row in reader.approvals(all=True)] == [("A-1", "denied"), ("A-2", "requested")]
        assert reader.run("r1/1") == journal.views.runs["r1/1"]
        assert reader.run("r99") is None
        assert {e.run for e in reader.tail(root="r1")} == {"r1", "r1/1"}
        assert {e.run for e in reader.tail(root="r12/1")} == {"r12/1"}
        assert [e.pos for e in reader.tail(after=3, root="r1", limit=1)] == [25]
        assert [e.pos for e in reader.tail(after=3, limit=2)] == [4, 5]


def _named(request: ev.ApprovalRequested, ident: str) -> ev.ApprovalRequested:
    return ev.ApprovalRequested(**{**{name: getattr(request, name) for name in request.__struct_fields__}, "id": ident})
