"""git reads through the tool itself run no content filter of the repository, and follow no tree it names elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .shell_hand import Hand, unconfined


def git(workspace: Path, *words: str) -> None:
    own = ("-c", "user.name=n", "-c", "user.email=n@example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *own, *words], cwd=workspace, check=True, capture_output=True)


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    """Over a checkout whose filter writes a canary for every file git looks into."""
    made = unconfined(tmp_path)
    workspace = made.sandbox.workspace
    git(workspace, "init", "-q")
    (workspace / "a.txt").write_text("one\n")
    git(workspace, "add", ".")
    git(workspace, "commit", "-qm", "first")
    canary = tmp_path / "canary.sh"
    canary.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/canary\ncat\n")
    canary.chmod(0o755)
    (workspace / ".gitattributes").write_text("*.txt filter=evil.one\n")
    for part in ("clean", "smudge"):
        git(workspace, "config", f"filter.evil.one.{part}", str(canary))
    (workspace / "a.txt").write_text("two\n")
    return made


def test_the_trap_works_on_a_plain_git(hand: Hand, tmp_path: Path) -> None:
    git(hand.sandbox.workspace, "diff")
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("words", [["diff"], ["status"], ["ls-files", "-m"], ["blame", "a.txt"], ["log", "-p"]])
async def test_no_filter_runs(hand: Hand, tmp_path: Path, words: list[str]) -> None:
    _, read = await hand.run("shell_read", program="git", args=words)
    _, executed = await hand.run("shell_exec", command=" ".join(["git", *words]))
    assert read.ok and executed.ok, (read, executed)
    assert not (tmp_path / "canary").exists()


async def test_a_tree_named_elsewhere_is_not_read(hand: Hand) -> None:
    git(hand.sandbox.workspace, "config", "core.worktree", "/etc")
    _, read = await hand.run("shell_read", program="git", args=["ls-files", "-o"])
    assert not read.ok and "core.worktree" in read.text and "passwd" not in read.text
