"""The examples of graphs that people copy: the program as it is, and the plan file with one job of each kind."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.planfile import load_plan
from harness_tui.domain.dag.spec import KINDS
from harness_tui.domain.task import BUILT_IN_TOOLS, ModelSpec
from tests.cli.program import PATIENCE, Running, run

pytestmark = pytest.mark.timeout(2 * PATIENCE)

HERE = Path(__file__).parent
PROGRAM, PLAN = HERE / "dag_api_example.py", HERE / "plan_example.toml"


@pytest.fixture
def stopped(home: Paths) -> Iterator[Paths]:
    yield home
    run(home, "engine", "stop", "--now")


def test_the_program_runs_as_it_is_and_is_short(home: Paths, tmp_path: Path) -> None:
    text = PROGRAM.read_text()
    assert len(text.splitlines()) <= 30
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "airtable: linked tables (attempt 2)" in done.stdout
    assert "succeeded {'notion': 1, 'airtable': 2, 'coda': 1, 'compare': 1, 'sign-off': 1}" in done.stdout
    assert list(tmp_path.iterdir()) == [], "without a journal it leaves nothing"


def test_the_plan_has_every_kind_of_job_and_is_taken() -> None:
    model = {"main": ModelSpec("stand-in", "stand-in")}
    spec, jobs = load_plan(PLAN, known_tools=BUILT_IN_TOOLS, models=lambda tables, used: model)
    assert {job.kind for job in jobs} == set(KINDS)
    assert spec.goal
    assert re.search(r"[^\x00-\x7f]", PLAN.read_text()) is None


def test_the_plan_runs_without_a_key(stopped: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(PLAN, folder)
    monkeypatch.chdir(folder)
    running = Running.start(stopped, "dag", "run", PLAN.name, "--output-format", "json")
    approval, digest = running.asked()
    assert run(stopped, "approvals", "approve", approval, "--digest", digest).code == 0
    done = running.end()
    assert done.code == 0, done.err
    assert done.json["verified"] is True
    assert {job["state"] for job in done.json["jobs"].values()} == {"succeeded"}
