"""A worktree of the run's own: it keeps the operator's checkout out of it, and says what else it does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_tui.domain.errors import SandboxError
from harness_tui.sandbox import bubblewrap, hidden
from harness_tui.sandbox.base import Command, Finished
from harness_tui.sandbox.worktree import OUTSIDE, Worktree

from .repository import Repository

Make = Callable[..., Worktree]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "journal.db").write_text("secret")
    return folder


@pytest.fixture
def make(repository: Repository, state: Path, tmp_path: Path) -> Make:
    def made(run: str = "r1", *, workspace: Path | None = None, bwrap: str = bubblewrap.program()) -> Worktree:
        return Worktree(
            workspace or repository.folder,
            folder=state / "worktrees",
            run=run,
            scratch=tmp_path / "scratch",
            hidden=hidden.paths([state]),
            bwrap=bwrap,
        )

    return made


async def sh(sandbox: Worktree, text: str) -> Finished:
    return await sandbox.run(Command(("sh", "-c", text), "/bin/sh", deadline=60))


@pytest.mark.parametrize("bwrap", [bubblewrap.program(), ""])
async def test_changes_stay_in_it_and_a_later_start_finds_them(make: Make, repository: Repository, bwrap: str) -> None:
    first = make(bwrap=bwrap)
    await first.open()
    assert (await sh(first, "echo changed > a.txt; echo new > b.txt; pwd")).output == f"{first.path}\n"
    assert (repository.folder / "a.txt").read_text() == "first\n"
    # A crash closes nothing.
    again = make(bwrap=bwrap)
    await again.open()
    assert (await sh(again, "cat a.txt b.txt")).output == "changed\nnew\n"
    await again.close()
    assert (again.path / "b.txt").exists()
    assert "harness/r1" in repository.git("branch")
    assert repository.git("status", "--porcelain") == ""


async def test_one_that_was_not_changed_goes_away_with_its_branch(make: Make, repository: Repository) -> None:
    sandbox = make()
    await sandbox.open()
    assert (await sh(sandbox, "cat a.txt")).output == "first\n"
    await sandbox.close()
    assert not sandbox.path.exists()
    assert "harness" not in repository.git("branch")
    assert repository.git("worktree", "list").count("\n") == 1


async def test_one_with_a_commit_stays(make: Make, repository: Repository) -> None:
    sandbox = make()
    await sandbox.open()
    (sandbox.path / "a.txt").write_text("committed\n")
    repository.git("-C", str(sandbox.path), "commit", "-qam", "second")
    await sandbox.close()
    assert (sandbox.path / "a.txt").read_text() == "committed\n"


async def test_children_change_nothing_but_it(make: Make, repository: Repository, state: Path) -> None:
    sandbox = make()
    await sandbox.open()
    common = repository.folder / ".git"
    before = (common / "config").read_text()
    for path in (common / "config", common / "hooks" / "post-checkout", common / "refs/heads/x", Path("/etc/x")):
        done = await sh(sandbox, f"echo bad >> {path}")
        assert "Read-only file system" in done.output, path
    # This one lies below /tmp, of which children have their own.
    await sh(sandbox, f"echo bad >> {repository.folder}/a.txt")
    assert (repository.folder / "a.txt").read_text() == "first\n"
    for setting in ("core.fsmonitor", "core.hooksPath"):
        assert (await sh(sandbox, f"git config {setting} /tmp/x")).code != 0
    assert (await sh(sandbox, "mv .git x || rm .git")).code != 0
    assert (common / "config").read_text() == before
    assert (await sh(sandbox, f"cat {state}/journal.db; ls -A {state}")).output.splitlines()[1:] == ["worktrees"]
    assert (await sh(sandbox, "git log --oneline && git status --short")).code == 0
    assert sandbox.enforced == {"changes", "writes", "network", "processes", "controls"}


async def test_without_bubblewrap_it_says_that_children_can_leave_it(make: Make) -> None:
    sandbox = make(bwrap="")
    assert sandbox.enforced == {"changes"}
    assert OUTSIDE in sandbox.notes


async def test_what_is_not_committed_is_not_in_it_and_said(make: Make, repository: Repository) -> None:
    (repository.folder / "a.txt").write_text("dirty\n")
    sandbox = make()
    await sandbox.open()
    assert "uncommitted changes are not in it" in sandbox.notes
    assert (await sh(sandbox, "cat a.txt")).output == "first\n"


async def test_a_workspace_below_the_checkout_stays_below(make: Make, repository: Repository) -> None:
    below = repository.folder / "packages" / "one"
    below.mkdir(parents=True)
    sandbox = make(workspace=below)
    await sandbox.open()
    assert (await sh(sandbox, "pwd; touch made; touch ../../made")).output.startswith(f"{sandbox.path}/packages/one\n")
    assert (sandbox.path / "packages" / "one" / "made").exists()
    assert not (sandbox.path / "made").exists()
    assert sandbox.files.root == sandbox.path / "packages" / "one"


@pytest.mark.parametrize("what", ["nothing", "bare", "no commit"])
async def test_what_cannot_have_one_is_refused(make: Make, tmp_path: Path, repository: Repository, what: str) -> None:
    folder = tmp_path / "other"
    if what == "bare":
        repository.git("clone", "-q", "--bare", ".", str(folder))
    else:
        folder.mkdir()
    if what == "no commit":
        repository.git("init", "-q", str(folder))
    with pytest.raises(SandboxError, match=r"no git checkout|bare|no commit") as caught:
        await make(workspace=folder).open()
    assert caught.value.exit_code == 6
    assert caught.value.next_step


@pytest.mark.parametrize("run", ["", "../x", "a/b", "-x", ".x", "a b", "x" * 101])
def test_a_run_that_is_no_plain_name_gets_none(make: Make, run: str) -> None:
    with pytest.raises(SandboxError):
        make(run)


async def test_somebody_elses_folder_in_its_place_is_not_taken(make: Make, state: Path) -> None:
    place = state / "worktrees" / "r1"
    place.mkdir(parents=True)
    (place / ".git").write_text(f"gitdir: {os.sep}etc\n")
    with pytest.raises(SandboxError, match="in the way"):
        await make().open()
