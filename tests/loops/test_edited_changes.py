"""The operator's edit of a change: what of it is never kept, and an engine that dies with it half done."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.errors import ApprovalError
from harness_tui.engine.engine import Engine
from harness_tui.loops import change
from harness_tui.port.commands import Decide, EditApproval, RunLoop, SetSecret
from tests.e2e.shell import say

from .crew import CLEAN, crew, git, writes
from .test_crashes import Case

PROPOSES = [writes("NOTES.md", "tidy\n"), say("I wrote notes.")]
SECRET = "canary-5ec7e7-of-tidy-notes"


async def edited(engine: Engine, text: str) -> str:
    """Have what waits say `text`; its new digest."""
    row = engine.journal.views.approvals["A-1"]
    assert row.change
    diff = (await engine.blob(row.change.diff)).decode()
    lines = [f"+{text}" if line.startswith("+") and not line.startswith("+++") else line for line in diff.split("\n")]
    return (await engine.send(EditApproval(row.id, row.digest, "op", diff="\n".join(lines)))).digest


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
            await edited(c.engine, f"token = {SECRET}")
        row = await c.asked()
        assert (row.digest, row.edited, git(c.repo, "rev-parse", "loops/tidy-1")) == (digest, "", branch)
        assert sorted(c.engine.paths.blobs.rglob("*")) == blobs
        files = [each for each in c.engine.paths.home.rglob("*") if each.is_file()]
        assert [each for each in files if SECRET.encode() in each.read_bytes()] == []
        await c.engine.send(Decide(row.id, await edited(c.engine, "token = none"), "approved", "op"))
        await c.until(lambda: c.round(1).receipt)
        assert (c.repo / "NOTES.md").read_text() == "token = none\n"


# -- half done -----------------------------------------------------------------------------------------------------


async def dies(engine: Engine) -> None:
    """The edited commit is on the branch, and not on record."""
    await engine.send(RunLoop("alone", "op"))
    while not engine.journal.views.rounds or not engine.journal.views.rounds["l1/1"].ended:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    real = change.replace

    def killed(*given: Any) -> Any:
        real(*given)
        os.kill(os.getpid(), signal.SIGKILL)

    change.replace = killed
    await edited(engine, "lost")


async def decided(engine: Engine, digest: str, what: Any) -> None:
    await engine.send(Decide("A-1", digest, what, "op"))
    tasks = engine._keeper._rounds._tasks
    while any(not task.done() for task in tasks.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def edits_anew(engine: Engine) -> None:
    await decided(engine, await edited(engine, "kept"), "approved")


async def approves_what_was_shown(engine: Engine) -> None:
    await decided(engine, engine.journal.views.approvals["A-1"].digest, "approved")


async def denies(engine: Engine) -> None:
    await decided(engine, engine.journal.views.approvals["A-1"].digest, "denied")


@pytest.mark.parametrize(
    ("then", "files"), [(edits_anew, ["kept"]), (approves_what_was_shown, ["alone"]), (denies, [])]
)
def test_an_edit_whose_engine_died_before_it_was_on_record_is_nobodys(
    tmp_path: Path, then: Any, files: list[str]
) -> None:
    case = Case(tmp_path)
    assert case.forked("", dies) == -signal.SIGKILL
    assert case.forked("", then) == 0
    assert [each.read_text().split()[0] for each in case.repo.glob("alone/*")] == files
    assert len(case.events(ev.ApprovalEdited)) == (then is edits_anew)
    case.clean()
