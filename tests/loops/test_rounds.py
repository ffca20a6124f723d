"""Rounds end to end: a real engine, real git, scripted makers and checkers on a real socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.domain.errors import ApprovalError
from harness_tui.port.commands import RunLoop
from tests.e2e.shell import say

from .crew import CLEAN, crew, git, writes


async def test_an_approved_change_lands_as_the_commit_that_was_shown(tmp_path: Path) -> None:
    async with crew(tmp_path, [writes("NOTES.md", "tidy\n"), say("I wrote notes.")], [CLEAN]) as c:
        await c.add(c.spec())
        await c.engine.send(RunLoop("tidy", "op"))
        asked = await c.asked()
        assert asked.kind == "change"
        assert asked.change is not None
        assert asked.change.files == ("NOTES.md",)
        assert asked.run == "l1/1"
        done = await c.ended()
        assert (done.outcome, done.verdict, done.verified) == ("escalated", "clean", True)
        assert not (c.repo / "NOTES.md").exists(), "nothing lands before the decision"
        assert (await c.engine.blob(asked.change.diff)).decode().count("+tidy") == 1
        await c.decide(asked, "approved")
        await c.until(lambda: c.round(1).receipt)
        assert git(c.repo, "rev-parse", "main") == asked.change.commit
        assert (c.repo / "NOTES.md").read_text() == "tidy\n"
        assert git(c.repo, "status", "--porcelain") == ""
        assert c.row.score.approved == 1
