"""What a killed engine leaves beside the log is gone after the next start, and nothing else is."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.events import FrameCaptured, Write
from harness_tui.engine.engine import Engine
from harness_tui.journal.blobs import DAY, BlobStore


async def stored(folder: Path, data: bytes, *, days_old: int) -> str:
    sha = await BlobStore(folder).put(data, kind="frame")
    path = folder / sha[:2] / sha
    then = path.stat().st_mtime - days_old * DAY
    os.utime(path, (then, then))
    return sha


async def test_a_start_sweeps_old_blobs_no_event_names(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    first = await Engine.open(paths)
    assert first._sweeping
    await first._sweeping
    named = await stored(paths.blobs, b"named", days_old=2)
    await stored(paths.blobs, b"orphan", days_old=2)
    young = await stored(paths.blobs, b"young", days_old=0)
    frame = FrameCaptured(named, "http://x/", "", "", 1, 1, 5)
    await first.journal.append([Write("r1/1", 0, (frame,))])
    await first.close()

    second = await Engine.open(paths)
    assert second._sweeping
    await second._sweeping
    await second.close()

    assert {path.name for path in paths.blobs.glob("??/*")} == {named, young}


async def test_a_sweep_that_fails_is_logged_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: object) -> int:
        raise OSError("no such disk")

    monkeypatch.setattr(BlobStore, "sweep", refuse)
    with caplog.at_level(logging.ERROR):
        engine = await Engine.open(Paths(tmp_path))
        assert engine._sweeping
        await engine._sweeping
    assert await engine.runs() == []
    assert "sweeping blobs failed" in caplog.text
    await engine.close()
