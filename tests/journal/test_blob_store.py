"""Blobs: named by what they hold, whole or absent, swept only when old and unnamed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.errors import HarnessError, SetupError, UsageError
from harness_tui.domain.events import Write
from harness_tui.journal.blobs import DAY, BlobStore
from harness_tui.journal.journal import Journal

from .histories import TickClock

NOW = 1_700_000_000


def place(folder: Path, sha: str) -> Path:
    return folder / sha[:2] / sha


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/*"))


def age(path: Path, seconds: int) -> None:
    os.utime(path, (NOW - seconds, NOW - seconds))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_bytes_come_back_by_their_hash(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    sha = await store.put(b"\x00jpeg\xff", kind="frame")
    assert sha == hashlib.sha256(b"\x00jpeg\xff").hexdigest()
    assert await store.put(b"\x00jpeg\xff", kind="output") == sha
    assert await store.get(sha) == store.read(sha) == b"\x00jpeg\xff"
    assert files(tmp_path) == [sha]
    assert (mode(place(tmp_path, sha)), mode(place(tmp_path, sha).parent)) == (0o600, 0o700)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "g" * 64, "A" * 64, "a" * 63, "a" * 64 + "\n"])
async def test_only_hashes_are_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="64 hex digits"):
        await BlobStore(tmp_path).get(name)


async def test_missing_and_damaged_bytes_are_told_apart(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(HarnessError, match="cannot be read: No such file"):
        await store.get("a" * 64)
    sha = await store.put(b"whole", kind="frame")
    place(tmp_path, sha).write_bytes(b"who")
    with pytest.raises(HarnessError, match="is damaged"):
        await store.get(sha)


async def test_a_refusing_disk_leaves_no_half_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match="refused to save a blob: No space left on device"):
        await BlobStore(tmp_path).put(b"frame", kind="frame")
    assert files(tmp_path) == []


async def test_sweep_takes_old_orphans_only(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    named, orphan, young, again = [await store.put(data, kind="frame") for data in (b"1", b"2", b"3", b"4")]
    leftover = place(tmp_path, orphan).with_name(".half")
    leftover.write_bytes(b"")
    for path in (place(tmp_path, named), place(tmp_path, orphan), place(tmp_path, again), leftover):
        age(path, DAY + 1)
    age(place(tmp_path, young), DAY - 1)
    assert await store.put(b"4", kind="frame") == again
    assert await store.sweep({named}, NOW * 1_000_000) == 2
    assert files(tmp_path) == sorted([named, young, again])


async def test_the_journal_knows_which_blobs_are_named() -> None:
    journal = await Journal.open(None, TickClock())
    frame = ev.FrameCaptured("f" * 64, "u", "t", "c", 1, 1, 1)
    spilled = ev.ToolFinished("c1", "browser_get_text", True, "head ... tail", blob="b" * 64)
    await journal.append([Write("r1", 0, (frame, spilled, frame, ev.ToolFinished("c2", "t", True, "short")))])
    assert await journal.blobs() == {"f" * 64, "b" * 64}
    await journal.close()
