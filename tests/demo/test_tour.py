"""Setting up the demo: stages only leave things out, secrets stay in 0600 files, and the spec alone can be run."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.taskfile import load_task
from harness_tui.demo.tour import STAGES, TASK, cleanup_old, prepare, votes
from harness_tui.domain.errors import SetupError, UsageError
from harness_tui.domain.task import Guardrails, RunSpec

from .demo_site import Visitor, await_port


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home").ensure()


def environment_of(spec: RunSpec) -> dict[str, str]:
    assert spec.service is not None
    return dict(line.split("=", 1) for line in Path(spec.service.env_file).read_text().splitlines())


def test_the_task_file_is_sound() -> None:
    task = load_task(TASK)
    assert task.level == "L2"
    assert task.stories and task.login and task.verify
    assert max(map(len, TASK.read_text().splitlines())) <= 120


def test_the_goal_it_offers_in_a_comment_is_sound_too(tmp_path: Path) -> None:
    offered = re.sub(r"(?m)^# (\[goal\]|page = )", r"\1", TASK.read_text())
    (tmp_path / "goal.toml").write_text(offered)
    assert load_task(tmp_path / "goal.toml").goal


def test_one_prompt_in_all_stages(paths: Paths) -> None:
    specs = [prepare(paths, stage=stage) for stage in (None, *STAGES)]
    assert {spec.task.prompt for spec in specs} == {load_task(TASK).prompt}
    assert {spec.model.api for spec in specs} == {"stand-in"}


def test_each_stage_adds_one_thing(paths: Paths) -> None:
    has = {}
    for stage in (*STAGES, None):
        spec = prepare(paths, stage=stage)
        task = spec.task
        has[stage] = (task.guardrails, task.verify is not None, spec.attempts, task.login is not None)
        assert spec.stage == stage
    off, talk = Guardrails(0, 0), Guardrails(6, 20)
    assert has == {
        1: (off, False, 1, False),
        2: (talk, False, 1, False),
        3: (talk, True, 3, False),
        4: (talk, True, 3, True),
        None: (talk, True, 3, True),
    }


def test_the_placeholder_origin_is_gone(paths: Paths) -> None:
    spec = prepare(paths)
    origin = re.match(r"http://127\.0\.0\.1:\d+", spec.task.start_url)
    assert origin and spec.service and spec.task.login
    assert spec.task.login.origin == origin[0]
    assert spec.service.ready_url.startswith(origin[0])
    assert b"127.0.0.1:8765" not in msgspec.json.encode(spec)


def test_the_password_is_in_a_private_file_and_nowhere_else(paths: Paths) -> None:
    spec = prepare(paths)
    assert spec.service is not None
    file = Path(spec.service.env_file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    password = environment_of(spec)["HARNESS_TUI_DEMO_PASSWORD"]
    assert len(password) >= 20
    assert password not in repr(spec) and password.encode() not in msgspec.json.encode(spec)
    assert password != environment_of(prepare(paths))["HARNESS_TUI_DEMO_PASSWORD"]


def test_the_spec_survives_the_journal_and_starts_a_working_site(paths: Paths) -> None:
    written = msgspec.json.encode(prepare(paths, variant="normal"))
    spec = msgspec.json.decode(written, type=RunSpec)
    assert spec.service is not None
    assert votes(spec) == []
    given = environment_of(spec)
    child = subprocess.Popen(spec.service.argv, env={"PATH": os.environ["PATH"], **given})
    try:
        port = int(spec.service.argv[spec.service.argv.index("--port") + 1])
        await_port(port)
        visitor = Visitor(port)
        first = visitor.stories()[0]
        visitor.click_arrow(first)
        visitor.fill_login(given["HARNESS_TUI_DEMO_USER"], given["HARNESS_TUI_DEMO_PASSWORD"])
        assert [(vote["story"], vote["user"]) for vote in votes(spec)] == [(first, "demo")]
    finally:
        child.kill()
        child.wait(60)


def test_a_run_without_a_service_has_no_votes(paths: Paths) -> None:
    assert votes(msgspec.structs.replace(prepare(paths), service=None)) == []


@pytest.mark.parametrize("wrong", [{"stage": 0}, {"stage": 5}, {"variant": "odd"}])
def test_unknown_stages_and_variants_are_refused(paths: Paths, wrong: dict[str, int | str]) -> None:
    with pytest.raises(UsageError):
        prepare(paths, **wrong)  # type: ignore[arg-type]
    assert not paths.demo.exists()


def test_a_home_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a directory")
    with pytest.raises(SetupError, match="cannot write"):
        prepare(Paths(tmp_path / "home"))


def test_old_demos_are_cleared_away_and_young_ones_kept(paths: Paths) -> None:
    assert cleanup_old(paths) == 0
    old, young = prepare(paths), prepare(paths)
    assert old.service and young.service
    folder = Path(old.service.env_file).parent
    written = Path(young.service.env_file).stat().st_mtime
    for entry in (Path(old.service.env_file), folder):
        os.utime(entry, (written - 100_000, written - 100_000))
    assert cleanup_old(paths, now=written + 1) == 1
    assert [entry.name for entry in paths.demo.iterdir()] == [Path(young.service.env_file).parent.name]
