"""Decisions raced over the socket, and changes tampered with: what lands is exactly what was shown, or nothing."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from harness_tui.clients.socket import SocketClient
from harness_tui.daemon.server import Server
from harness_tui.domain import events as ev
from harness_tui.domain.errors import ApprovalError, HarnessError
from harness_tui.domain.loop.spec import Accept, Action, Gate
from harness_tui.domain.views import ApprovalRow
from harness_tui.loops import work
from harness_tui.port.commands import CancelRun, Decide, EditApproval, SetLevel
from harness_tui.port.port import EnginePort
from tests.e2e.shell import say

from .crew import CLEAN, Crew, crew, git, writes

DONE = say("I wrote notes.")
PROPOSES = [writes("NOTES.md", "tidy\n"), DONE]
ANEW = [writes("NOTES.md", "shorter\n"), say("Shorter now.")]
IDLE = say("NOTHING TO DO")
ROUNDS = 6
"""Repetitions of a race; who is first differs."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket's has 100 bytes."""
    made = Path(tempfile.mkdtemp(prefix="htui-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@asynccontextmanager
async def two(c: Crew) -> AsyncIterator[tuple[SocketClient, SocketClient]]:
    server = await Server.start(c.engine, c.engine.paths.socket)
    one, other = [await SocketClient.connect(c.engine.paths, 60) for _ in range(2)]
    try:
        yield one, other
    finally:
        await one.close()
        await other.close()
        await server.end()


async def asked(c: Crew, spec: Any = None) -> ApprovalRow:
    """A change waits, and its round has ended."""
    await c.add(spec or c.spec())
    await c.run()
    row = await c.asked()
    await c.ended()
    return row


async def diff(c: Crew, row: ApprovalRow) -> str:
    assert row.change
    return (await c.engine.blob(row.change.diff)).decode()


async def word(port: EnginePort, row: ApprovalRow, digest: str, what: str, by: str, text: str) -> str:
    """Say it; "" when it was taken, else the sentence."""
    command: Any = Decide(row.id, digest, what, by, "because")  # type: ignore[arg-type]
    if what == "edit":
        command = EditApproval(row.id, digest, by, diff=text.replace("+tidy", f"+tidy says {by}"))
    try:
        await port.send(command)
    except ApprovalError as error:
        return str(error)
    return ""


async def at_rest(c: Crew) -> None:
    await c.until(lambda: c.round(1).decided not in ("approved", "executing"))
    await c.until(lambda: not c.row.running)


WORDS = ("approved", "denied", "edit", "pushed_back")


@pytest.mark.parametrize(("left", "right"), [pair for pair in product(WORDS, WORDS) if pair[0] <= pair[1]])
async def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(folder: Path, left: str, right: str) -> None:
    async with crew(folder, [*PROPOSES, *ANEW], [CLEAN]) as c:
        row = await asked(c)
        shown, text = row.digest, await diff(c, row)
        async with two(c) as (one, other):
            said = await asyncio.gather(
                word(one, row, shown, left, "ann", text), word(other, row, shown, right, "bob", text)
            )
        won = [by for by, sentence in zip(("ann", "bob"), said, strict=True) if not sentence]
        assert len(won) == 1, said
        (told,) = [sentence for sentence in said if sentence]
        late = "now shows digest" in told  # it came after the edit, not at once with it
        assert f"by {won[0]}" in told or late, "the loser is told who was faster"
        what = left if won == ["ann"] else right
        await at_rest(c)
        events = [each.event for each in await c.engine.events("l1/1")]
        decided = [each.decision for each in events if isinstance(each, ev.ApprovalDecided)]
        assert decided == ([] if what == "edit" else [what])
        landed = [each for each in events if isinstance(each, ev.ActionFinished)]
        assert bool(landed) == (what == "approved")
        assert (git(c.repo, "rev-list", "--count", "main") == "2") == (what == "approved")
        if what == "pushed_back":
            await c.ended(2)
        assert c.row.rounds == (2 if what == "pushed_back" else 1)


async def test_a_yes_to_what_was_shown_before_an_edit_never_lands_the_edit(folder: Path) -> None:
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c)
        shown, text = row.digest, await diff(c, row)
        assert await word(c.engine, row, shown, "edit", "bob", text) == ""
        assert "now shows digest" in await word(c.engine, row, shown, "approved", "ann", text)
        assert "now shows digest" in await word(c.engine, row, shown, "edit", "ann", text)
        assert git(c.repo, "rev-list", "--count", "main") == "1"


@pytest.mark.parametrize("wait", range(ROUNDS))
async def test_a_base_that_moves_while_it_is_approved_never_gets_what_was_not_shown(folder: Path, wait: int) -> None:
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c)
        assert row.change
        base, stop = row.change.base, asyncio.Event()

        async def operator() -> int:
            """Commits of somebody who does not know of us; some may find the lock of the branch taken."""
            made = 0
            while not stop.is_set():
                (c.repo / "README.md").write_text(f"# {made}\n")
                words = ("git", "-C", str(c.repo), "commit", "-q", "-m", f"own {made}", "README.md")
                quiet = asyncio.subprocess.DEVNULL
                process = await asyncio.create_subprocess_exec(*words, stdout=quiet, stderr=quiet)
                made += await process.wait() == 0
            return made

        async def approve() -> str:
            for _ in range(wait * 20):
                await asyncio.sleep(0)
            return await word(c.engine, row, row.digest, "approved", "ann", "")

        working = asyncio.create_task(operator())
        refused = await approve()
        await at_rest(c)
        stop.set()
        made = await working
        log = git(c.repo, "log", "--format=%H %P", "main").splitlines()
        assert len(log) == made + 1 + (row.change.commit in log[-2])
        if row.change.commit in {line.split()[0] for line in log}:
            assert log[-2] == f"{row.change.commit} {base}", "it landed on the base that was shown, before all others"
            assert c.round(1).receipt
        else:
            assert refused or c.round(1).decided == "failed"
            assert not (c.repo / "NOTES.md").exists()


# -- tampered with -------------------------------------------------------------------------------------------------


async def test_a_branch_that_somebody_moved_lands_nothing_that_was_not_shown(folder: Path) -> None:
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c)
        assert row.change
        git(c.repo, "checkout", "-q", row.change.branch)
        (c.repo / "EVIL.md").write_text("evil\n")
        git(c.repo, "add", ".")
        git(c.repo, "commit", "-q", "-m", "Evil")
        evil = git(c.repo, "rev-parse", "HEAD")
        git(c.repo, "checkout", "-q", "main")
        await c.decide(row, "approved")
        await at_rest(c)
        assert git(c.repo, "rev-parse", "main") == row.change.commit
        assert not (c.repo / "EVIL.md").exists()
        assert git(c.repo, "rev-parse", row.change.branch) == evil, "it is somebody's work now, so it stays"


async def test_a_branch_and_commit_that_are_gone_are_told(folder: Path) -> None:
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c)
        assert row.change
        git(c.repo, "branch", "-D", row.change.branch)
        git(c.repo, "worktree", "prune")
        git(c.repo, "reflog", "expire", "--expire=now", "--all")
        git(c.repo, "gc", "-q", "--prune=now")
        with pytest.raises(ApprovalError, match="not there any more"):
            await c.decide(row, "approved")
        await c.decide(row, "denied")
        assert git(c.repo, "rev-list", "--count", "main") == "1"


async def test_a_diff_replaced_on_disk_lands_nothing(folder: Path) -> None:
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c)
        assert row.change
        sha = row.change.diff
        blob = c.engine.paths.blobs / sha[:2] / sha
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes().replace(b"+tidy", b"+evil"))
        with pytest.raises(HarnessError, match="damaged"):
            await c.decide(row, "approved")
        await c.decide(row, "denied", "its diff is damaged")
        assert git(c.repo, "rev-list", "--count", "main") == "1"


@pytest.mark.parametrize("restarted", [False, True])
async def test_added_again_with_another_action_what_was_shown_is_what_is_done(folder: Path, restarted: bool) -> None:
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c)
        shown = (row.id, row.digest)
        await c.add(c.spec(action=Action(kind="tidy", do="commit", branch="elsewhere")))
        if restarted:
            await c.restart()
        row = await c.asked()
        assert (row.id, row.digest) == shown
        await c.decide(row, "approved")
        await at_rest(c)
        assert row.change
        assert git(c.repo, "rev-parse", "main") == row.change.commit
        assert git(c.repo, "branch", "--list", "elsewhere") == ""


async def test_what_is_done_to_the_worktree_after_the_taking_gets_nowhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = work.take

    async def tampered(*given: Any) -> ev.ChangeTaken:
        found = await taken(*given)
        (given[1].worktree / "NOTES.md").write_text("evil\n")
        (given[1].worktree / "EVIL.md").write_text("evil\n")
        return found

    monkeypatch.setattr(work, "take", tampered)
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        row = await asked(c, c.spec(accept=Accept(argv=("grep", "-q", "tidy", "NOTES.md"))))
        assert "+tidy" in await diff(c, row)
        await c.decide(row, "approved")
        await at_rest(c)
        assert (c.repo / "NOTES.md").read_text() == "tidy\n"
        assert not (c.repo / "EVIL.md").exists()


# -- cancelled -----------------------------------------------------------------------------------------------------


async def test_a_round_cancelled_as_its_maker_starts_leaves_no_maker_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crew(folder, [[asyncio.Event()]], [CLEAN]) as c:
        await c.add(c.spec())
        begun, go, spec = asyncio.Event(), asyncio.Event(), work.run_spec

        async def slow(*given: Any) -> Any:
            begun.set()
            await go.wait()
            return await spec(*given)

        monkeypatch.setattr(work, "run_spec", slow)
        await c.run()
        await begun.wait()
        await c.engine.send(CancelRun("l1/1", "op", "no"))
        go.set()
        done = await c.ended()
        assert (done.outcome, "cancelled by op: no" in done.reason) == ("failed", True)
        await c.until(lambda: not [each for each in c.engine.journal.views.runs.values() if each.open])


async def test_an_action_that_has_begun_is_not_said_to_be_cancelled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, begun, go = work.act, asyncio.Event(), asyncio.Event()

    async def slow(*given: Any, **more: Any) -> Any:
        begun.set()
        await go.wait()
        return await act(*given, **more)

    monkeypatch.setattr(work, "act", slow)
    async with crew(folder, PROPOSES, [CLEAN]) as c:
        await c.add(c.spec(gate=Gate(use="allowlist", kinds=("tidy",), paths=("NOTES.md",))))
        await c.engine.send(SetLevel("tidy", "L3", "op"))
        await c.run()
        await c.until(begun.is_set)
        with pytest.raises(HarnessError):
            await c.engine.send(CancelRun("l1/1", "op", "no"))
        go.set()
        done = await c.ended()
        assert done.outcome == "proceeded", done.reason
        assert git(c.repo, "rev-list", "--count", "main") == "2"
