"""Repositories for tests of changes: one that is a trap from end to end, and a round's worktree on any of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from harness_tui.domain.events import Change
from harness_tui.loops import change
from harness_tui.sandbox import bubblewrap, hidden
from harness_tui.sandbox.worktree import Worktree
from tests.sandbox.repository import Repository

AT = 1_700_000_000_000_000
HOOKS = """
applypatch-msg commit-msg fsmonitor-watchman post-applypatch post-checkout post-commit post-index-change post-merge
post-rewrite pre-applypatch pre-commit pre-merge-commit prepare-commit-msg reference-transaction update
"""


def trapped(repository: Repository, sprung: Path) -> None:
    """Have it run a program, which makes the file `sprung`, wherever git can be made to."""
    run = f"touch {sprung};"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "gpg.program", "diff.external"):
        repository.git("config", key, f"{run} cat")
    for key in ("commit.gpgSign", "tag.gpgSign", "log.showSignature"):
        repository.git("config", key, "true")
    for part in ("filter.f.clean", "filter.f.smudge", "filter.f.process", "diff.f.textconv", "diff.f.command"):
        repository.git("config", part, f"{run} cat")
    repository.git("config", "filter.f.required", "true")
    repository.git("config", "merge.f.driver", run)
    info = repository.folder / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text("*.txt diff=f merge=f\n*.dat filter=f\n")
    hooks = repository.folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in HOOKS.split():
        (hooks / name).write_text(f"#!/bin/sh\n{run}\n")
        (hooks / name).chmod(0o755)
    sprung.unlink(missing_ok=True)


def world(repository: Repository, home: Path, run: str = "l1-1", *, bwrap: str = "", **more: bool) -> Worktree:
    """A round's worktree, not yet open."""
    home.mkdir(exist_ok=True)
    return Worktree(
        repository.folder,
        folder=home.resolve() / "worktrees",
        run=run,
        scratch=home / "scratch" / run,
        hidden=hidden.paths([home]),
        keep=True,
        bwrap=bwrap,
        **more,
    )


async def worktree(repository: Repository, home: Path, run: str = "l1-1") -> Path:
    """Where a maker of a round finds the files."""
    sandbox = world(repository, home, run, bwrap=bubblewrap.program())
    await sandbox.open()
    await sandbox.close()
    return sandbox.path


def take(repository: Repository, path: Path, branch: str = "loops/l-1") -> change.Taken:
    return change.take(repository.folder, path, branch=branch, message="what it does", at=AT)


async def taken(
    repository: Repository, home: Path, make: Callable[[Path], object], run: str = "l1-1", branch: str = "loops/l-1"
) -> tuple[Change, bytes]:
    """The change that `make` leaves in a worktree."""
    path = await worktree(repository, home, run)
    make(path)
    found = take(repository, path, branch)
    assert found.change, found.note
    return found.change, found.diff


def appended(path: Path) -> None:
    """The plainest change: `a.txt` has a second line."""
    with (path / "a.txt").open("a") as file:
        file.write("second\n")


def replayed(repository: Repository, diff: bytes, base: str, tmp_path: Path) -> str:
    """The tree that anybody's git makes of the diff in a clone."""
    clone = tmp_path / "clone"
    repository.git("clone", "-q", ".", str(clone))
    for words in (["checkout", "-q", base], ["apply", "--index", "--binary", "-"]):
        subprocess.run(["git", *words], cwd=clone, input=diff, check=True, capture_output=True)
    return subprocess.run(["git", "write-tree"], cwd=clone, check=True, capture_output=True, text=True).stdout.strip()
