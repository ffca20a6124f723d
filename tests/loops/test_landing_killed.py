"""Killed between any two steps of a landing: what became of it can be told, and doing it again completes it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_tui.domain.events import Change
from harness_tui.loops import change as changes
from harness_tui.loops import landing
from harness_tui.sandbox import git
from harness_tui.sandbox.refs import Moving
from tests.sandbox.repository import Repository

from .repositories import AT, appended, taken, worktree

MOST_STEPS = 200


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


def make(path: Path) -> None:
    appended(path)
    (path / "new").write_text("new\n")
    (path / "gone").unlink()


def killed_before(step: int, work: Callable[[], object]) -> bool:
    """Do it in a process that is killed before the call that writes, number `step`; whether there was such a call."""
    pid = os.fork()
    if not pid:
        left, git_run = [step], git._run

        def writes(how: object) -> bool:
            words = how[0] if isinstance(how, tuple) else ()
            return bool({*git.WRITING, "worktree"}.intersection(words))

        def counted(what: Callable[..., object]) -> Callable[..., object]:
            def run(*args: object, **more: object) -> object:
                left[0] -= what is not git_run or writes(args[1])
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return what(*args, **more)

            return run

        try:
            git._run = counted(git._run)  # type: ignore[assignment]
            Moving._say = counted(Moving._say)  # type: ignore[assignment,method-assign]
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def at_rest(repository: Repository) -> None:
    """A git that lost its parent has gone, and taken its locks with it."""
    until = time.monotonic() + 60
    while list((repository.folder / ".git").rglob("*.lock")):
        assert time.monotonic() < until
        time.sleep(0.01)


def landed_whole(repository: Repository, change: Change) -> None:
    assert repository.git("rev-parse", "main").strip() == change.commit
    assert repository.git("status", "--porcelain") == ""
    assert (repository.folder / "new").exists()
    assert not (repository.folder / "gone").exists()


async def prepared(repository: Repository, tmp_path: Path) -> tuple[Change, bytes]:
    (repository.folder / "gone").write_text("gone\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    return await taken(repository, tmp_path / "home", make)


async def test_a_commit_is_there_or_not_and_can_be_done_again(repository: Repository, tmp_path: Path) -> None:
    change, diff = await prepared(repository, tmp_path)
    seen = []
    for step in range(MOST_STEPS):
        killed = killed_before(step, lambda: landing.commit(repository.folder, change, diff))
        at_rest(repository)
        there = landing.landed(repository.folder, change)
        assert there == (repository.git("rev-parse", "main").strip() == change.commit)
        followed = (repository.folder / "new").exists()
        seen.append((there, followed))
        assert followed or not there  # never a branch whose files are behind it
        landing.commit(repository.folder, change, diff)
        landed_whole(repository, change)
        if not killed:
            break
        repository.git("reset", "-q", "--hard", change.base)
    assert not killed
    assert {(False, False), (False, True), (True, True)} == set(seen)


async def test_a_patch_is_there_or_not(repository: Repository, tmp_path: Path) -> None:
    change, diff = await prepared(repository, tmp_path)
    seen = set()
    for step in range(MOST_STEPS):
        killed = killed_before(step, lambda: landing.apply(repository.folder, change, diff))
        at_rest(repository)
        there = landing.applied(repository.folder, change, diff)
        assert there is (repository.folder / "new").exists()
        seen.add(there)
        if not there:
            landing.apply(repository.folder, change, diff)
        assert landing.applied(repository.folder, change, diff) is True
        if not killed:
            break
        repository.git("reset", "-q", "--hard", change.base)
        repository.git("clean", "-qfd")
    assert not killed
    assert seen == {False, True}


async def test_half_a_patch_is_in_doubt(repository: Repository, tmp_path: Path) -> None:
    change, diff = await prepared(repository, tmp_path)
    (repository.folder / "new").write_text("new\n")
    assert landing.applied(repository.folder, change, diff) is None


async def test_taking_a_change_goes_on_where_it_was_killed(repository: Repository, tmp_path: Path) -> None:
    path = await worktree(repository, tmp_path / "home")
    appended(path)

    def take() -> changes.Taken:
        return changes.take(repository.folder, path, branch="loops/l-1", message="what", at=AT)

    commits = set()
    for step in range(MOST_STEPS):
        killed = killed_before(step, take)
        at_rest(repository)
        found = take()
        assert found.change
        commits.add((found.change.branch, found.change.commit))
        if not killed:
            break
        if step % 2:
            repository.git("branch", "-D", "loops/l-1")
    assert not killed
    assert len(commits) == 1
