"""At every committed pos: fold of the stored events == live views == stored rows == a reopened journal."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.events import Envelope
from harness_tui.domain.fold import Views
from harness_tui.journal import tables
from harness_tui.journal.journal import Journal
from harness_tui.journal.reader import Reader

from .histories import TABLES, History, TickClock, rows

GROUPS = st.lists(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=9), max_size=8)


async def _play(path: Path, history: History, groups: list[list[tuple[int, int]]], wrong: list[str]) -> Views:
    """Append the groups, comparing everything with everything at each commit; returns the views at the end."""
    journal = await Journal.open(path, TickClock())
    folded, reader = Views(), Reader(path)
    for envelope in reader.tail(limit=100_000):
        folded.apply(envelope)

    def committed(envelopes: list[Envelope]) -> None:
        for envelope in envelopes:
            if envelope.pos != folded.pos + 1:
                wrong.append(f"pos {envelope.pos} after {folded.pos}")
            folded.apply(envelope)
        wrong.extend(reader.check())
        for name in ("pos", *TABLES):
            if not _agrees(getattr(journal.views, name), getattr(folded, name)):
                wrong.append(f"live {name} at pos {folded.pos}")

    journal.subscribe(committed)
    for group in groups:
        writes = [history.step(which, what) for which, what in group]
        await asyncio.gather(*(journal.append(each) for each in writes))
        assert {run: journal.head(run) for run in history.heads} == history.heads
    assert not wrong
    stored = reader.tail(limit=100_000)
    assert [envelope.at for envelope in stored] == sorted(envelope.at for envelope in stored)
    reader.close()
    await journal.close()
    return folded


def _agrees(live: object, folded: object) -> bool:
    """Equal; after a start with rows left out, equal as far as rows are in memory."""
    if isinstance(live, dict) and isinstance(folded, dict):
        return all(folded.get(key) == row for key, row in live.items())
    return live == folded


@settings(max_examples=30, deadline=None)
@given(first=GROUPS, second=GROUPS)
async def test_log_views_rows_and_a_new_start_agree(
    first: list[list[tuple[int, int]]], second: list[list[tuple[int, int]]]
) -> None:
    history, wrong = History(), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        await _play(path, history, first, wrong)
        folded = await _play(path, history, second, wrong)
        journal = await Journal.open(path, TickClock())
        assert rows(journal.views) == rows(folded)
        assert journal.epoch == 3
        await journal.close()


@settings(max_examples=20, deadline=None)
@given(first=GROUPS, second=GROUPS)
async def test_rows_left_out_at_the_start_come_back_when_needed(
    first: list[list[tuple[int, int]]], second: list[list[tuple[int, int]]]
) -> None:
    history, wrong = History(), list[str]()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(tables, "ENDED_ROOTS", 0)
        patch.setattr(tables, "APPROVALS", 0)
        path = Path(folder) / "journal.db"
        await _play(path, history, first, wrong)
        await _play(path, history, second, wrong)
        journal = await Journal.open(path, TickClock())
        assert all(row.open or journal.views.runs[row.parent].open for row in journal.views.runs.values())
        assert await journal.check() == []
        await journal.close()


async def test_in_memory_journal_is_the_same_journal() -> None:
    journal, history = await Journal.open(None, TickClock()), History()
    for number in range(60):
        await journal.append(history.step(number % 5, number * 7))
    folded = Views()
    for envelope in await journal.tail(limit=1000):
        folded.apply(envelope)
    assert rows(folded) == rows(journal.views)
    assert await journal.check() == []
    await journal.close()
