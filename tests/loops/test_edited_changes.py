"""The operator's edit of a change: what of it is never kept, and an engine that dies with it half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.domain.errors import ApprovalError
from harness_tui.port.commands import Decide, EditApproval, SetSecret
from tests.e2e.shell import say

from .crew import CLEAN, Crew, crew, git, writes

PROPOSES = [writes("NOTES.md", "tidy\n"), say("I wrote notes.")]
SECRET = "canary-5ec7e7-of-tidy-notes"


async def edit(c: Crew, text: str) -> str:
    """Have what waits say `text`; its new digest."""
    row = await c.asked()
    assert row.change
    diff = (await c.engine.blob(row.change.diff)).decode()
    lines = [f"+{text}" if line.startswith("+") and not line.startswith("+++") else line for line in diff.split("\n")]
    return (await c.engine.send(EditApproval(row.id, row.digest, "op", diff="\n".join(lines)))).digest


async def test_an_edit_that_holds_a_secret_is_refused_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    async with crew(tmp_path, PROPOSES, [CLEAN]) as c:
        await c.engine.send(SetSecret("TOKEN", SECRET))
        await c.add(c.spec())
        await c.run()
        row = await c.asked()
        assert row.change
        digest, branch = row.digest, git(c.repo, "rev-parse", row.change.branch)
        blobs = sorted(c.engine.paths.blobs.rglob("*"))
        with pytest.raises(ApprovalError, match=r"holds the value of a secret.*Edit again"):
            await edit(c, f"token = {SECRET}")
        row = await c.asked()
        assert (row.digest, row.edited, git(c.repo, "rev-parse", "loops/tidy-1")) == (digest, "", branch)
        assert sorted(c.engine.paths.blobs.rglob("*")) == blobs
        files = [each for each in c.engine.paths.home.rglob("*") if each.is_file()]
        assert [each for each in files if SECRET.encode() in each.read_bytes()] == []
        await c.engine.send(Decide(row.id, await edit(c, "token = none"), "approved", "op"))
        await c.until(lambda: c.round(1).receipt)
        assert (c.repo / "NOTES.md").read_text() == "token = none\n"
