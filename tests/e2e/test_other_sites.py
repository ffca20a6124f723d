"""Task files for sites the harness was not made for: nothing but the file knows them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.taskfile import load_task
from harness_tui.domain.errors import ApprovalError
from harness_tui.domain.events import ApprovalRequested
from harness_tui.domain.task import ModelSpec, RunSpec
from harness_tui.domain.views import ApprovalRow, RunRow
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import Decide, Resolve, StartRun

from . import tours
from .sites import PASSWORD, USER, Board, Forum, Site

pytestmark = pytest.mark.timeout(900)

HERE = Path(__file__).parent
STAND_IN = ModelSpec("stand-in", "stand-in")
SECRETS = {
    f"{name}_{what}": value for name in ("BOARD", "FORUM") for what, value in (("USER", USER), ("PASSWORD", PASSWORD))
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "environment", tours.impatient(60.0))


@pytest.fixture(params=[Board, Forum], ids=["board", "forum"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    made = request.param()
    yield made
    made.close()


def file_for(site: Site, folder: Path) -> Path:
    """The site's task file, as a user would have written it."""
    name = "forum.toml" if isinstance(site, Forum) else "board.toml"
    file = folder / name
    file.write_text((HERE / name).read_text().replace("http://site.test", site.origin))
    return file


@dataclass
class Done:
    row: RunRow
    asked: list[ApprovalRow]


async def run(site: Site, folder: Path) -> Done:
    """The whole run; an operator approves what concerns the first story, and denies everything else."""
    spec = RunSpec(load_task(file_for(site, folder)), STAND_IN)
    engine = await Engine.open(Paths(folder / "home"))
    first = site.ids()[0]
    asked: list[ApprovalRow] = []

    async def operate() -> None:
        async for batch in engine.batches(0):
            for wire in batch.events:
                event = wire.open().event
                if isinstance(event, ApprovalRequested):
                    row = engine.journal.views.approvals[event.id]
                    asked.append(row)
                    word = "approved" if f"story {first} " in row.summary else "denied"
                    try:
                        await engine.send(Decide(row.id, row.digest, word, "op"))  # type: ignore[arg-type]
                    except ApprovalError:
                        pass

    operator = asyncio.create_task(operate())
    row = await tours.ended(engine, (await engine.send(StartRun(spec, SECRETS))).id)
    operator.cancel()
    assert await engine.journal.check() == []
    await engine.close()
    return Done(row, asked)


async def test_the_whole_job_on_another_site(site: Site, tmp_path: Path) -> None:
    done = await run(site, tmp_path)
    first = site.ids()[0]
    assert site.votes == [(USER, first)], (done.row.reason, done.row.claim)
    assert done.row.verified is True, done.row.reason
    assert done.row.exit == 0
    assert "harness_auto_login" in done.row.tools
    assert all(f"story {first} " in row.summary for row in done.asked)
    assert any("POST" in fact.value for row in done.asked for fact in row.facts), "the card says that it is a POST"


async def test_a_vote_from_before_is_not_this_run_s(site: Site, tmp_path: Path) -> None:
    site.votes.append((USER, site.ids()[0]))
    done = await run(site, tmp_path)
    assert (done.row.verified, done.row.exit) == (False, 1)
    assert "already voted" in done.row.reason


async def test_a_wrong_password_is_sent_once(site: Site, tmp_path: Path) -> None:
    site.password = "another"
    done = await run(site, tmp_path)
    assert (done.row.verified, done.row.exit, site.votes) == (False, 7, [])
    assert "refused the credentials" in done.row.reason


async def test_the_card_knows_the_click_that_the_task_file_names(tmp_path: Path) -> None:
    """`{first.arrow}` also where the vote control is told by its row alone."""
    board = Board()
    try:
        done = await run(board, tmp_path)
    finally:
        board.close()
    assert [row.selector for row in done.asked] == ["{first.arrow}"] * len(done.asked)
    assert json.dumps([row.arguments for row in done.asked]).count("7pzw2d") == len(done.asked)


async def test_a_browser_killed_in_mid_click_leaves_it_in_doubt(tmp_path: Path) -> None:
    """The vote was sent and no answer came: nobody repeats it, the operator says what became of it."""
    board = Holding()
    engine = await Engine.open(Paths(tmp_path / "home"))
    try:
        run = (await engine.send(StartRun(RunSpec(load_task(file_for(board, tmp_path)), STAND_IN), SECRETS))).id
        doubts: list[ApprovalRow] = []
        killer = asyncio.create_task(asyncio.to_thread(kill_once_begun, board))
        async for batch in engine.batches(0):
            for wire in batch.events:
                event = wire.open().event
                if isinstance(event, ApprovalRequested):
                    row = engine.journal.views.approvals[event.id]
                    if row.kind == "in_doubt":
                        doubts.append(row)
                        await engine.send(Resolve(row.id, row.digest, "happened", "op"))
                    else:
                        await engine.send(Decide(row.id, row.digest, "approved", "op"))
            if not (await engine.run(run)).open:
                break
        await killer
        row = await engine.run(run)
        assert [doubt.tool for doubt in doubts] == ["browser_click"]
        assert board.votes == [(USER, "7pzw2d")]
        assert board.posts == 1, "it was not sent again"
        assert (row.verified, row.exit) == (True, 0), row.reason
        assert await engine.journal.check() == []
    finally:
        board.go_on.set()
        await engine.close(now=True)
        board.close()


def kill_once_begun(board: Holding) -> None:
    """SIGKILL to every Chromium of this process as soon as the vote has come in; then the site may answer."""
    board.began.wait(60)
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            process.kill()
    board.go_on.set()


class Holding(Board):
    """Takes a vote and does not answer until it may."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.posts = 0
        super().__init__()

    def cast(self, user: str, story: str) -> None:
        super().cast(user, story)
        self.posts += 1
        self.began.set()
        self.go_on.wait(60)


async def test_nobody_decides_in_time(tmp_path: Path) -> None:
    board = Board()
    engine = await Engine.open(Paths(tmp_path / "home"))
    try:
        spec = RunSpec(load_task(file_for(board, tmp_path)), STAND_IN, approval_life=0.2)
        row = await tours.ended(engine, (await engine.send(StartRun(spec, SECRETS))).id)
        assert (row.exit, row.reason, board.votes) == (4, "nobody decided in time", [])
        assert [a.state for a in await engine.approvals(all=True)] == ["expired"]
    finally:
        await engine.close()
        board.close()
