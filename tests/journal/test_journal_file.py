"""The file: modes, schema numbers, damage, other programs' databases, and a disk that has no room."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from harness_tui.domain.errors import SetupError
from harness_tui.domain.events import Write
from harness_tui.journal import schema
from harness_tui.journal.journal import Journal
from harness_tui.journal.reader import Reader

from .histories import History, TickClock
from .test_journal_append import NOTE, START


async def written(path: Path, steps: int = 40) -> None:
    journal, history = await Journal.open(path, TickClock()), History()
    for number in range(steps):
        await journal.append(history.step(number % 4, number * 5))
    await journal.close()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_every_file_is_for_the_owner_only(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        journal = await Journal.open(tmp_path / "journal.db", TickClock())
        await journal.append([Write("r1", 0, (START,))])
        found = modes(tmp_path)
        await journal.close()
    finally:
        os.umask(mask)
    assert found == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


async def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path)
    con = sqlite3.connect(path)
    con.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    con.close()
    before = path.read_bytes()
    newer = rf"newer harness-tui .schema {schema.VERSION + 1}"
    with pytest.raises(SetupError, match=newer) as refusal:
        await Journal.open(path, TickClock())
    assert refusal.value.exit_code == 78
    with pytest.raises(SetupError, match=newer):
        Reader(path).runs()
    assert path.read_bytes() == before


def damage(data: bytearray, how: str) -> None:
    if how == "no database":
        data[:] = b"these are notes, not a database" * 400
    elif how == "cut short":
        del data[-4096:]
    elif how == "header":
        data[100:108] = b"\xff" * 8
    else:
        middle = len(data) // 2 // 4096 * 4096
        data[middle : middle + 16] = b"\xff" * 16


@pytest.mark.parametrize("how", ["no database", "cut short", "a page flipped", "header"])
async def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, how: str) -> None:
    path = tmp_path / "journal.db"
    await written(path, 300)
    data = bytearray(path.read_bytes())
    damage(data, how)
    path.write_bytes(data)
    with pytest.raises(SetupError, match=r"is damaged: .*left as it is") as refusal:
        await Journal.open(path, TickClock())
    assert refusal.value.exit_code == 78 and "Copy it" in refusal.value.next_step
    assert path.read_bytes() == bytes(data)


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE bookmarks(url)")
    con.close()
    with pytest.raises(SetupError, match="another program"):
        await Journal.open(path, TickClock())


async def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"Cannot create the journal .*No such file or directory"):
        await Journal.open(tmp_path / "missing" / "journal.db", TickClock())
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(SetupError, match="unable to open database file"):
        await Journal.open(tmp_path / "folder.db", TickClock())


async def test_a_crash_before_the_first_table_is_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    schema.create(path)
    with Reader(path) as reader:
        assert (reader.runs(), reader.views().pos) == ([], 0)
        journal = await Journal.open(path, TickClock())
        await journal.append([Write("r1", 0, (START, NOTE))])
        assert [row.id for row in reader.runs()] == ["r1"]
        await journal.close()


async def test_an_interrupted_migration_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.db"
    await written(path)
    step = ("CREATE TABLE extra(x)", "CREATE TABLE extra(x)")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(SetupError):
        await Journal.open(path, TickClock())
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:-1], step[:1]))
    journal = await Journal.open(path, TickClock())
    assert await journal.check() == []
    await journal.close()
    con = sqlite3.connect(path)
    assert con.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    con.close()


async def test_check_names_rows_that_are_not_the_fold(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path)
    con = sqlite3.connect(path)
    con.execute("""UPDATE run SET body = '{"id":"r1","title":"forged"}' WHERE uid = 'r1'""")
    con.execute("DELETE FROM event WHERE run = (SELECT id FROM run WHERE uid = 'r1') AND seq = 1")
    con.commit()
    con.close()
    journal = await Journal.open(path, TickClock())
    problems = await journal.check()
    await journal.close()
    assert any("Stored runs differ" in problem and "r1" in problem for problem in problems)
    assert any("lacks events before" in problem for problem in problems)
