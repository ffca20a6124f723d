"""SIGKILL at every failpoint: no acknowledged decision is lost, no effect happens twice, the run still ends.

HARNESS_TUI_CRASH_SEEDS sets the seeds per failpoint (the promise is held with 200).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SEEDS = os.environ.get("HARNESS_TUI_CRASH_SEEDS", "8")


def test_every_failpoint_and_seed(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    farm = subprocess.run(
        [sys.executable, "-m", "tests.crash.farm", SEEDS],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=max(280, 110 * (int(SEEDS) // 3)),
    )
    cases = [json.loads(line) for line in farm.stdout.splitlines()]
    assert farm.returncode == 0, farm.stderr[-2000:]
    assert len(cases) == 11 * int(SEEDS)
    assert sum(c["killed"] for c in cases) > len(cases) // 2, "the failpoints are really passed"
    for c in cases:
        assert c["again"] == 0, f"{c}\n{farm.stderr[-2000:]}"
        assert c["effects"] <= 1, f"a duplicated effect: {c}"
        assert c["effects"] == 1 or c["verified"] is not True, f"verified what did not happen: {c}"
        assert not c["lost"], f"a lost decision: {c}"
        assert c["state"] in ("succeeded", "failed"), c
        assert c["problems"] == [], c
        assert c["held"] == 0, f"a hold that nothing settles: {c}"
