"""What is written where the operator works: reports, patches and commits, with receipts that can be undone."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from harness_tui.domain.errors import HarnessError
from harness_tui.loops import executors
from harness_tui.loops.executors import Job
from tests.sandbox.repository import Repository

from .jobs import job
from .repositories import appended, taken


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = (tmp_path / "workspace").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = (tmp_path / "home").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "a repository's").resolve())


def undone(receipt_undo: str) -> None:
    """As an operator pastes it."""
    identity = {f"GIT_{who}_{part}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **identity}
    subprocess.run(["bash", "-euo", "pipefail", "-c", receipt_undo], check=True, capture_output=True, env=env)


# -- report ---------------------------------------------------------------------------------------------------------


async def test_a_report_without_a_path_is_in_the_journal(workspace: Path, home: Path) -> None:
    done = job(workspace, home)
    receipt = await executors.execute(done)
    assert (receipt.do, receipt.digest, receipt.undo) == ("report", done.digest, "")
    assert os.listdir(workspace) == []
    assert await executors.settled(done) == "done"


async def test_a_report_is_filed_by_date_and_round(workspace: Path, home: Path) -> None:
    done = job(workspace, home, path="reports/{date}/{round}.md")
    assert await executors.settled(done) == "not_done"
    receipt = await executors.execute(done)
    file = workspace / "reports" / "2025-11-22" / "l3-214.md"
    assert file.read_text() == "all is well\n"
    assert await executors.settled(done) == "done"
    undone(receipt.undo)
    assert not file.exists()


async def test_a_report_takes_the_place_of_the_last_one(workspace: Path, home: Path) -> None:
    (workspace / "REPORT.md").write_text("old\n")
    receipt = await executors.execute(job(workspace, home, path="REPORT.md"))
    assert "in place of" in receipt.summary
    assert receipt.undo == ""
    assert (workspace / "REPORT.md").read_text() == "all is well\n"


async def test_a_report_steers_no_terminal(workspace: Path, home: Path) -> None:
    done = job(workspace, home, path="r", given={"report": "a\x1b]52;c;x\x07\n\tü \udc80\u202e"})
    await executors.execute(done)
    text = (workspace / "r").read_text()
    assert "\x1b" not in text and "\u202e" not in text
    assert text.count("\n") == 2 and "ü" in text
    assert await executors.settled(done) == "done"


@pytest.mark.parametrize("path", ["../out", "/etc/x", "~/x", ".git/hooks/pre-commit", "link/x", ".envrc", "folder"])
async def test_a_report_never_leaves_the_workspace(workspace: Path, home: Path, path: str, tmp_path: Path) -> None:
    (workspace / "link").symlink_to(tmp_path)
    (workspace / "folder").mkdir()
    done = job(workspace, home, path=path)
    with pytest.raises(HarnessError) as caught:
        await executors.execute(done)
    assert caught.value.next_step
    assert await executors.settled(done) == "not_done"
    assert not (tmp_path / "x").exists()


async def test_a_report_is_not_written_into_our_own_state(workspace: Path) -> None:
    with pytest.raises(HarnessError, match="own state"):
        await executors.execute(job(workspace, workspace / "home", path="home/x"))


# -- patch and commit -----------------------------------------------------------------------------------------------


async def proposed(repository: Repository, home: Path, do: str, number: int = 1, **action: str) -> Job:
    change, diff = await taken(repository, home, appended, f"l1-{number}", f"loops/tidy-{number}")
    return job(repository.folder, home, given={"change": change, "diff": diff}, do=do, **action)


async def test_a_patch_and_its_undo(repository: Repository, home: Path) -> None:
    done = await proposed(repository, home, "patch")
    assert await executors.settled(done) == "not_done"
    (repository.folder / "a.txt").write_text("mine\n")
    assert "not committed" in await executors.hindrance(done)
    repository.git("checkout", "a.txt")
    assert await executors.hindrance(done) == ""
    receipt = await executors.execute(done)
    assert (repository.folder / "a.txt").read_text() == "first\nsecond\n"
    assert await executors.settled(done) == "done"
    undone(receipt.undo)
    assert repository.git("status", "--porcelain") == ""
    assert await executors.settled(done) == "not_done"


@pytest.mark.parametrize("where", ["here", "elsewhere", "new"])
async def test_a_commit_and_its_undo(repository: Repository, home: Path, where: str) -> None:
    done = await proposed(repository, home, "commit", **({"branch": "new"} if where == "new" else {}))
    assert done.change
    if where == "elsewhere":
        repository.git("checkout", "-q", "-b", "other")
    name = "new" if where == "new" else "main"
    assert await executors.settled(done) == "not_done"
    receipt = await executors.execute(done)
    assert (receipt.ref, receipt.after) == (f"refs/heads/{name}", done.change.commit)
    assert repository.git("rev-parse", name).strip() == done.change.commit
    assert await executors.settled(done) == "done"
    undone(receipt.undo)
    if where == "new":
        assert "new" not in repository.git("branch")
    else:
        assert repository.git("rev-parse", f"{name}^{{tree}}", f"{done.change.base}^{{tree}}").split()[0] in (
            repository.git("rev-parse", f"{done.change.base}^{{tree}}")
        )
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize("do", ["patch", "commit"])
async def test_of_two_at_once_one_lands(repository: Repository, home: Path, do: str) -> None:
    jobs = [await proposed(repository, home, do, number) for number in (1, 2)]
    change, diff = await taken(
        repository, home, lambda path: (path / "a.txt").write_text("other\n"), "l1-3", "loops/tidy-3"
    )
    jobs[1] = job(repository.folder, home, given={"change": change, "diff": diff}, do=do)
    said = await asyncio.gather(*(executors.execute(each) for each in jobs), return_exceptions=True)
    assert sorted(type(each).__name__ for each in said) == ["HarnessError", "Receipt"]
    assert {await executors.settled(each) for each in jobs} == (
        {"done", "not_done"} if do == "commit" else {"done", "unknown"}
    )


@pytest.mark.parametrize("do", ["patch", "commit"])
async def test_what_nobody_can_tell_is_unknown(repository: Repository, home: Path, do: str, tmp_path: Path) -> None:
    done = await proposed(repository, home, do)
    (repository.folder / ".git").rename(tmp_path / "moved")
    assert await executors.settled(done) == "unknown"


@pytest.mark.parametrize("do", ["patch", "commit"])
async def test_without_a_change_there_is_nothing_to_do(workspace: Path, home: Path, do: str) -> None:
    with pytest.raises(HarnessError, match="proposes no change"):
        await executors.execute(job(workspace, home, do=do))
