"""SIGKILL, a full disk and a forgotten close, in processes of their own: what was acknowledged is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tui.domain.fold import Views
from harness_tui.journal import failpoints
from harness_tui.journal.journal import Journal
from harness_tui.journal.reader import Reader

from .histories import TickClock, rows

CHILD = Path(__file__).with_name("crash_child.py")


def start(*args: object, failpoint: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HARNESS_TUI_FAILPOINT": failpoint},
    )


def acknowledged(lines: list[str]) -> dict[int, tuple[str, int]]:
    """pos -> (run, seq) of every whole line the process got out."""
    parts = [line.split() for line in lines if line.endswith("\n") and line[0].isdigit()]
    return {int(pos): (run, int(seq)) for pos, run, seq in parts}


async def assert_sound(path: Path, acked: dict[int, tuple[str, int]], epoch: int) -> None:
    with Reader(path) as reader:
        stored = {envelope.pos: (envelope.run, envelope.seq) for envelope in reader.tail(limit=1_000_000)}
        assert acked.items() <= stored.items()
        assert list(stored) == list(range(1, len(stored) + 1))
        assert reader.check() == []
        seen = reader.views()
    journal = await Journal.open(path, TickClock())
    assert journal.epoch == epoch
    assert rows(journal.views) == rows(seen)
    assert await journal.check() == []
    await journal.close()


@pytest.mark.parametrize("count", [1, 2, 25])
@pytest.mark.parametrize("point", ["journal.before_commit", "journal.after_commit"])
async def test_killed_at_a_failpoint(tmp_path: Path, point: str, count: int) -> None:
    path = tmp_path / "journal.db"
    child = start("run", path, count, failpoint=f"{point}:{count}")
    out, _ = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    acked = acknowledged(out.splitlines(keepends=True))
    with Reader(path) as reader:
        stored = len(reader.tail(limit=1_000_000))
    assert stored > len(acked) if point.endswith("after_commit") else stored == len(acked)
    await assert_sound(path, acked, epoch=2)


async def test_killed_at_any_moment_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    acked: dict[int, tuple[str, int]] = {}
    for number, after in enumerate((1, 7, 60, 333, 900)):
        child = start("run", path, number)
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(after)]
        child.kill()
        rest, _ = child.communicate(timeout=60)
        acked |= acknowledged([*lines, *rest.splitlines(keepends=True)])
        await assert_sound(path, acked, epoch=2 * number + 2)
    assert len(acked) > 1300


async def test_a_full_disk_refuses_loses_nothing_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    child = start("fill", path)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    lines = out.splitlines(keepends=True)
    assert "The disk refused to save" in lines[-1] and "Nothing was lost that was shown as saved" in lines[-1]
    await assert_sound(path, acknowledged(lines), epoch=2)


@pytest.mark.parametrize(("verb", "code"), [("leave", 0), ("forget", 1), ("abandon", 1)])
async def test_the_process_ends_whether_or_not_it_closed(tmp_path: Path, verb: str, code: int) -> None:
    path = tmp_path / "journal.db"
    child = start(verb, path)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code, err
    assert err.count("Traceback") == code
    with Reader(path) as reader:
        assert reader.stream("r1")[0].seq == 1
        assert reader.check() == []


def test_failpoints_are_known_by_name() -> None:
    assert failpoints.parse("") == {}
    assert failpoints.parse("journal.before_commit:3") == {"journal.before_commit": 3}
    with pytest.raises(ValueError, match=r"names 'journal.befor'; there are .*journal.before_commit"):
        failpoints.parse("journal.befor")
    for name in failpoints.FAILPOINTS:
        failpoints.hit(name)


def test_reader_loads_no_event_loop(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from harness_tui.journal.reader import Reader\n"
        f"assert Reader(pathlib.Path({str(tmp_path)!r}, 'none.db')).runs() == []\n"
        "print(sorted({'asyncio', 'aiosqlite', 'textual', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_missing_file_has_nothing_to_tell(tmp_path: Path) -> None:
    with Reader(tmp_path / "journal.db") as reader:
        assert (reader.runs(), reader.approvals(all=True), reader.tail(), reader.stream("r1")) == ([], [], [], [])
        assert (reader.run("r1"), reader.check(), rows(reader.views())) == (None, [], rows(Views()))
    assert list(tmp_path.iterdir()) == []
