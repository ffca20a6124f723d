"""A simulated week of loops on a real repository, killed at random: nothing doubled, lost or left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.journal.reader import Reader

from .crew import git, repository
from .week import DAY, DAYS, START

SEEDS = int(os.environ.get("HARNESS_TESTS_WEEKS", "2"))
"""HARNESS_TESTS_WEEKS=20 for a closer look."""
HOUR = 3_600_000_000


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.timeout(600)
def test_a_week_survives_its_kills(tmp_path: Path, seed: int) -> None:
    repo, home = repository(tmp_path / "repo"), tmp_path / "home"
    deaths = 0
    for life in range(60):
        done = subprocess.run(
            [sys.executable, "-m", "tests.loops.week", str(home), str(repo), str(seed * 1000 + life)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        deaths += 1
    assert done.returncode == 0, "the week never ended"
    assert deaths >= 2, "nobody was killed, so nothing is proven"

    reader = Reader(Paths(home).journal)
    assert reader.check() == [], "the rows are what the events say"
    events = reader.tail(limit=1_000_000)
    fired = Counter((e.run, e.event.slot) for e in events if isinstance(e.event, ev.SlotFired))
    assert fired
    assert set(fired.values()) == {1}
    for loop, first, hours in (("l1", 12, 12), ("l2", 9.5, 24)):
        rows = {slot.at for slot in reader.slots(loop, 10_000)}
        due = range(START + int(first * HOUR), START + DAYS * DAY - HOUR, hours * HOUR)
        assert [at for at in due if at not in rows] == [], "each scheduled time is a row"

    landed = [e.event.receipt.after for e in events if isinstance(e.event, ev.ActionFinished) and e.event.receipt]
    begun = Counter(e.run for e in events if isinstance(e.event, ev.ActionFinished) and e.event.ok)
    assert set(begun.values()) <= {1}, "nothing is carried out twice"
    for branch in ("of-alone", "of-asked"):
        commits = git(repo, "rev-list", f"main..{branch}").split()
        assert len(commits) >= 3, branch
        assert set(commits) <= set(landed), "what is on the branch is on record"
    assert git(repo, "status", "--porcelain") == ""
    open_rounds = {row.id for row in reader.views().rounds.values() if row.live}
    left = [each.name for each in (home / "worktrees").iterdir()] if (home / "worktrees").exists() else []
    assert {name.replace("-", "/") for name in left} <= open_rounds, left
