"""A round's worktree: its children are held in whole, all of its runs see the same files, and it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness_tui.domain.errors import SandboxError
from harness_tui.domain.task import SandboxTable
from harness_tui.sandbox import bubblewrap
from harness_tui.sandbox.base import FULL, Command, Finished, needed
from harness_tui.sandbox.choose import choose
from harness_tui.sandbox.probe import Probe
from harness_tui.sandbox.worktree import OUTSIDE, Worktree, marks
from tests.sandbox.repository import Repository

from .repositories import world


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


async def sh(sandbox: Worktree, text: str) -> Finished:
    return await sandbox.run(Command(("sh", "-c", text), "/bin/sh", deadline=60))


async def test_it_stays_for_all_of_a_round(repository: Repository, tmp_path: Path) -> None:
    home = tmp_path / "home"
    maker = world(repository, home, bwrap=bubblewrap.program())
    await maker.open()
    assert (await sh(maker, "echo made > new.txt")).code == 0
    await maker.close()
    checker = world(repository, home, bwrap=bubblewrap.program(), writable=False)
    await checker.open()
    assert (await sh(checker, "cat new.txt")).output == "made\n"
    assert (await sh(checker, "echo x >> new.txt")).code != 0
    await checker.close()
    assert (checker.path / "new.txt").exists()
    untouched = world(repository, home, "l1-2", bwrap=bubblewrap.program())
    await untouched.open()
    await untouched.close()
    assert untouched.path.exists()
    assert marks(untouched.path) == (repository.git("rev-parse", "HEAD").strip(), "main")
    assert repository.git("branch").split() == ["*", "main"]


async def test_its_children_are_held_in(repository: Repository, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "journal.db").write_text("secret")
    marker = Path("/var/tmp") / f"htui-marker-{os.getpid()}"  # not below /tmp, of which children have their own
    marker.write_text("outside")
    sandbox = world(repository, home, bwrap=bubblewrap.program())
    await sandbox.open()
    try:
        assert sandbox.enforced == {*FULL, "network", "changes"}
        for text in (
            f"cat {marker}",
            f"cat {home}/journal.db",
            f"cat {repository.folder}/a.txt",
            f"echo x > {repository.folder}/.git/hooks/pre-commit",
            f"echo x >> {repository.folder}/.git/config",
            "git config core.fsmonitor /tmp/x",
            "git update-ref refs/worktree/base HEAD~0 && git commit -q --allow-empty -m x",
            "mv .git x || rm .git",
            f"ls /proc/{os.getpid()}/cwd/",
            "echo x > /etc/x",
        ):
            assert (await sh(sandbox, text)).code != 0, text
        assert (await sh(sandbox, f"ls -A {home}/worktrees")).output == "l1-1\n"
        assert (await sh(sandbox, "ls -A ~; ls -A /tmp | grep -v ^pytest")).output == ""
        assert (await sh(sandbox, "git log --oneline && git status --short && git diff HEAD")).code == 0
    finally:
        marker.unlink()
        await sandbox.close()


async def test_a_workspace_below_the_checkout_is_held_in_too(repository: Repository, tmp_path: Path) -> None:
    below = repository.folder / "packages"
    below.mkdir()
    (below / "x").write_text("x\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    sandbox = choose(
        SandboxTable(kind="worktree"),
        below,
        state=[tmp_path / "home"],
        scratch=tmp_path / "home" / "scratch",
        run="l1-1",
        level="L3",
        acts=True,
        keep=True,
    )
    assert isinstance(sandbox, Worktree)
    await sandbox.open()
    assert (await sh(sandbox, "git log --oneline && echo y > y && ls")).output.endswith("x\ny\n")
    assert (await sh(sandbox, "echo z > ../z")).code != 0
    await sandbox.close()


def test_only_where_it_holds_does_it_do_for_l3(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*, keep: bool) -> Worktree:
        sandbox = choose(
            SandboxTable(kind="worktree"),
            repository.folder,
            state=[tmp_path / "home"],
            scratch=tmp_path / "scratch",
            run="l1-1",
            level="L3",
            acts=True,
            keep=keep,
        )
        assert isinstance(sandbox, Worktree)
        return sandbox

    assert made(keep=True).enforced >= needed(network=False)
    with pytest.raises(SandboxError, match="does not enforce reads"):
        made(keep=False)

    def broken(kind: str, **_: object) -> Probe:
        return Probe(kind == "worktree", f"{kind} was tried.", "Mend it.")

    monkeypatch.setattr("harness_tui.sandbox.choose.probe", broken)
    with pytest.raises(SandboxError, match="bubblewrap was tried") as caught:
        made(keep=True)
    assert caught.value.next_step == "Mend it."


async def test_without_bubblewrap_it_says_so(repository: Repository, tmp_path: Path) -> None:
    sandbox = world(repository, tmp_path / "home")
    assert sandbox.enforced == {"changes"}
    assert OUTSIDE in sandbox.notes
