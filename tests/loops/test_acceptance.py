"""The operator's acceptance command: run where the change is, held in, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.loops import acceptance
from harness_tui.sandbox import bubblewrap
from harness_tui.sandbox.none import NoSandbox
from tests.agent.worlds import ManualClock
from tests.sandbox.repository import Repository

from .repositories import appended, take, world


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


async def accepted(repository: Repository, home: Path, *argv: str, deadline: float = 60) -> acceptance.AcceptanceRun:
    sandbox = world(repository, home, bwrap=bubblewrap.program())
    await sandbox.open()
    try:
        return await acceptance.run(argv, deadline, sandbox, ManualClock())
    finally:
        await sandbox.close()


async def test_it_sees_the_change_and_leaves_nothing_in_it(repository: Repository, tmp_path: Path) -> None:
    home = tmp_path / "home"
    sandbox = world(repository, home, bwrap=bubblewrap.program())
    await sandbox.open()
    await sandbox.close()
    appended(sandbox.path)
    before = take(repository, sandbox.path)
    done = await accepted(repository, home, "sh", "-c", "echo left > behind; echo more >> a.txt; grep second a.txt")
    assert (done.exit, done.passed, done.output, done.note) == (0, True, "second\n", "")
    assert (sandbox.path / "behind").exists()
    assert before.change
    assert repository.git("show", "--stat", "--format=", before.change.commit).count("|") == 1


async def test_it_has_no_network_and_sees_neither_workspace_nor_home(repository: Repository, tmp_path: Path) -> None:
    text = f"cat /proc/net/dev | grep -v lo: | grep : ; ls -A {repository.folder} {tmp_path}/home; exit 7"
    done = await accepted(repository, tmp_path / "home", "sh", "-c", text)
    assert (done.exit, done.passed) == (7, False)
    assert "a.txt" not in done.output
    assert "scratch" not in done.output
    assert "eth" not in done.output


async def test_its_output_is_kept_by_its_end(repository: Repository, tmp_path: Path) -> None:
    done = await accepted(repository, tmp_path / "home", "sh", "-c", "seq 100000; echo ü the end")
    assert done.output.endswith("ü the end\n")
    assert len(done.output.encode()) <= acceptance.TAIL


async def test_it_has_a_deadline(repository: Repository, tmp_path: Path) -> None:
    done = await accepted(repository, tmp_path / "home", "sleep", "600", deadline=0.5)
    assert (done.exit, done.passed, done.note) == (None, False, "stopped after 0.5 s")


@pytest.mark.parametrize("argv", [("no-such-program",), ("./a.txt",), ()])
async def test_what_is_no_program_is_not_run(repository: Repository, tmp_path: Path, argv: tuple[str, ...]) -> None:
    done = await accepted(repository, tmp_path / "home", *argv)
    assert (done.exit, done.passed) == (None, False)
    assert done.note.startswith("not run: ")


async def test_where_nothing_holds_it_in_it_is_not_run(repository: Repository, tmp_path: Path) -> None:
    sandbox = world(repository, tmp_path / "home")
    await sandbox.open()
    done = await acceptance.run(("touch", "ran"), 60, sandbox, ManualClock())
    await sandbox.close()
    assert (done.exit, done.passed) == (None, False)
    assert done.note == "not run: the sandbox worktree does not enforce controls, processes, reads, writes"
    assert not (sandbox.path / "ran").exists()


async def test_the_operator_may_ask_for_none(tmp_path: Path) -> None:
    fallen, asked = (NoSandbox(tmp_path, scratch=tmp_path / "scratch", asked=kind) for kind in ("auto", "none"))
    assert (await acceptance.run(("true",), 60, fallen, ManualClock())).note.startswith("not run")
    assert (await acceptance.run(("true",), 60, asked, ManualClock())).passed
