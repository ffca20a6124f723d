"""SIGKILL at every step of a round: it goes on where it stood, lands once, and leaves nothing behind.

Each case forks an engine with one failpoint armed, then others until the round is over; what really happened is read
from the repository and from side files, which the dead cannot take back.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.errors import HarnessError
from harness_tui.domain.loop.spec import Accept, Action, Caps, Evidence, Gate, LoopSpec
from harness_tui.domain.messages import ModelRequest, Text
from harness_tui.domain.task import ModelSpec, TaskFile
from harness_tui.domain.views import ApprovalRow
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.journal import failpoints
from harness_tui.journal.reader import Reader
from harness_tui.port.commands import AddLoop, Decide, Resolve, RunLoop, SetLevel

from .crew import git, repository
from .week import SANDBOX, TOOLS, Worker, answer

LIMIT = 120.0
"""Seconds one engine may take: a bound, never an expectation."""
LIVES = 6


Does = Callable[[Engine], Awaitable[None]]
CLEAN_FORKS = multiprocessing.get_context("forkserver")
"""This process has threads by now, whose locks a child forked from it would wait for for ever."""
CLEAN_FORKS.set_forkserver_preload([__name__])


def life(case: Case, death: str, does: Does | None) -> None:
    """What a child does: one engine's life, with one failpoint armed."""
    os.environ.update(case.environ)
    failpoints._armed.update(failpoints.parse(death))
    worlds.model = lambda *_, **__: case.model()  # type: ignore[assignment]
    asyncio.run(case.live(does))


class Case:
    """One loop whose engines die; how its operator answers is given."""

    def __init__(self, folder: Path, **answers: str) -> None:
        self.home, self.repo, self.seen = folder / "home", repository(folder / "repo"), folder / "seen"
        self.answers = {"change": "approved", "in_doubt": "happened"} | answers
        self.level, self.action, self.rounds = "L2", Action(kind="line", do="commit"), 1
        self.model: type[Worker] = Worker
        self.environ: dict[str, str] = {}

    def spec(self) -> LoopSpec:
        return LoopSpec(
            name="alone",
            intent="Write a line.",
            maker=TaskFile(prompt="Write a line.", tools=TOOLS, sandbox=SANDBOX),
            checker=TaskFile(prompt="Look.", tools=("read_file",), sandbox=SANDBOX),
            models={role: ModelSpec("test", "scripted") for role in ("maker", "checker")},
            workspace=str(self.repo),
            level="L2",
            accept=Accept(argv=("true",)) if self.action.do == "commit" else None,
            gate=Gate(use="allowlist", kinds=("line",), paths=("alone/*",)),
            action=self.action,
            budget=Caps(tokens=500_000),
            promote=Evidence(rounds=0, verified=0.0, approved=0, days=0.0),
            pause_after=0,
        )

    async def live(self, does: Does | None = None) -> None:
        """An engine's life: see the round to its end and answer what is asked, or what a test does; then stop."""
        engine = await Engine.open(Paths(self.home))
        views = engine.journal.views
        if not views.loops:
            await engine.send(AddLoop(self.spec(), "pattern:x", "", "op"))
        if does:
            async with asyncio.timeout(LIMIT):
                await does(engine)
            await engine.close()
            return
        if self.level == "L3" and views.loops["l1"].level != "L3" and not views.loops["l1"].rounds:
            await engine.send(SetLevel("alone", "L3", "op"))
        if not views.loops["l1"].rounds:
            await engine.send(RunLoop("alone", "op"))
        async with asyncio.timeout(LIMIT):
            tasks = engine._keeper._rounds._tasks  # what a round still has to do when its last word is on record
            while views.loops["l1"].rounds < self.rounds or any(not task.done() for task in tasks.values()):
                for row in [each for each in views.approvals.values() if each.open]:
                    await self.answer(engine, row)
                await asyncio.sleep(0.005)
        await engine.close()

    async def answer(self, engine: Engine, row: ApprovalRow) -> None:
        assert row.run in engine.journal.views.rounds, "a maker asks for nothing here"
        with self.seen.open("a") as file:
            file.write(f"{row.kind} {row.run} {row.id} {row.digest}\n")
        word: Any = self.answers[row.kind]
        if row.kind == "change" and row.run != "l1/1":
            word = "approved"
        try:
            if row.kind == "change":
                await engine.send(Decide(row.id, row.digest, word, "op", "because"))
            else:
                await engine.send(Resolve(row.id, row.digest, word, "op"))
        except HarnessError:
            await asyncio.sleep(0.05)

    def asked(self, kind: str) -> set[str]:
        lines = self.seen.read_text().splitlines() if self.seen.exists() else []
        return {line for line in lines if line.startswith(f"{kind} ")}

    def survive(self, *deaths: str) -> None:
        """Engines die there one after the other; the last one lives until the round is over, and another looks."""
        for death in (*deaths, ""):
            status = self.forked(death)
            assert status == (-signal.SIGKILL if death else 0), f"{death} was not passed" if death else status
        assert self.forked("") == 0, "one that only looks"

    def forked(self, death: str, does: Does | None = None) -> int:
        """One life in a process of its own, forked from one without threads; its exit code, below 0 for a signal."""
        process = CLEAN_FORKS.Process(target=life, args=(self, death, does))
        process.start()
        process.join()
        code = process.exitcode
        process.close()
        return int(code or 0)

    def events(self, kind: type[ev.Event]) -> list[Any]:
        return [each.event for each in self.reader.tail(limit=100_000) if isinstance(each.event, kind)]

    @property
    def reader(self) -> Reader:
        return Reader(Paths(self.home).journal)

    def clean(self) -> None:
        """Nothing is left of it but what it was to leave; the rows are what the events say."""
        assert self.reader.check() == []
        assert git(self.repo, "status", "--porcelain") == ""
        assert git(self.repo, "branch", "--list", "loops/*") == ""
        assert len(git(self.repo, "worktree", "list").splitlines()) == 1
        worktrees = self.home / "worktrees"
        assert not worktrees.exists() or not list(worktrees.iterdir())
        views = self.reader.views()
        assert not [row.id for row in views.approvals.values() if row.open]
        assert not [row.id for row in views.runs.values() if row.open]
        assert sum(budget.held for budget in views.budgets.values()) == 0

    def landed_once(self) -> None:
        """The one commit, whose maker and checker each ended once."""
        assert git(self.repo, "rev-list", "--count", "main") == "2"
        done = self.events(ev.ActionFinished)
        assert [each.ok for each in done] == [True]
        assert done[0].receipt.after == git(self.repo, "rev-parse", "main")
        assert len(self.events(ev.ActionStarted)) == 1
        started = self.events(ev.WorkerStarted)
        assert sorted(each.role for each in started) == ["checker", "maker"]
        assert sorted(each for each in self.reader.views().runs if "/" not in each) == ["r1", "r2"]
        assert len(self.events(ev.RoundFinished)) == 1


OF_L2 = (
    *(f"round.committed:{number}" for number in range(1, 13)),
    "change.taken",
    "change.kept",
    "action.started",
    "action.performed",
    "round.tidying",
    "round.tidying:2",
    "round.tidied",
    "round.tidied:2",
)
OF_L3 = (*(f"round.committed:{number}" for number in range(8, 12)), "action.performed", "round.tidying", "round.tidied")


@pytest.mark.parametrize("death", OF_L2)
def test_an_approved_change_lands_once_wherever_its_engine_dies(tmp_path: Path, death: str) -> None:
    case = Case(tmp_path)
    case.survive(death)
    case.landed_once()
    case.clean()
    assert len(case.asked("change")) == 1, "the request is the same, id and digest"
    assert len(case.events(ev.ApprovalRequested)) == 1


@pytest.mark.parametrize("death", OF_L3)
def test_at_l3_it_lands_once_and_nobody_is_asked(tmp_path: Path, death: str) -> None:
    case = Case(tmp_path)
    case.level = "L3"
    case.survive(death)
    case.landed_once()
    case.clean()
    assert case.events(ev.ApprovalRequested) == []
    assert case.reader.views().rounds["l1/1"].outcome == "proceeded"


@pytest.mark.parametrize("death", ["round.committed:10", "round.tidying:2", "round.tidied:2"])
def test_a_denied_change_leaves_nothing(tmp_path: Path, death: str) -> None:
    case = Case(tmp_path, change="denied")
    case.survive(death)
    assert git(case.repo, "rev-list", "--count", "main") == "1"
    assert case.events(ev.ActionStarted) == []
    case.clean()


@pytest.mark.parametrize("death", ["round.committed:10", "round.tidying:2", "round.tidied:2"])
def test_a_push_back_has_its_new_round(tmp_path: Path, death: str) -> None:
    case = Case(tmp_path, change="pushed_back")
    case.rounds = 2
    case.survive(death)
    assert [each.trigger for each in case.events(ev.RoundStarted)] == ["manual", "push_back"]
    assert len(case.asked("change")) == 2
    assert git(case.repo, "rev-list", "--count", "main") == "2"
    case.clean()


def test_two_deaths_in_one_landing(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.survive("action.started", "action.performed", "round.tidying")
    case.landed_once()
    case.clean()


# -- what nobody can look up ---------------------------------------------------------------------------------------

EFFECTS = "HARNESS_TESTS_EFFECTS"


def effect(job: Any) -> str:
    """The installed function of the call executor."""
    with open(os.environ[EFFECTS], "a") as file:
        file.write("call\n")
    return "called"


class Hook(BaseHTTPRequestHandler):
    file: Path

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.file.open("a") as file:
            file.write("post\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[str]:
    handler = type("Here", (Hook,), {"file": tmp_path / "effects"})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


class Reporter(Worker):
    """A stand-in whose maker only says what should be done."""

    async def stream(self, request: ModelRequest) -> Any:
        found = answer(request.messages)
        yield found if not found.message.calls else msgspec.structs.replace(found, parts=(Text("Do it."),), stop="end")


def outside(case: Case, do: str, hook: str) -> Path:
    """Have the case act in a way that no look at the world can tell of; the file that counts it."""
    case.model = Reporter
    effects = case.home.parent / "effects"
    more: dict[str, Any] = {"url": hook} if do == "webhook" else {}
    if do == "call":
        more = {"call": f"{__name__}:effect"}
    if do == "command":
        effects = case.repo / "effects"
        (case.repo / ".git" / "info" / "exclude").write_text("effects\n")
        more = {"argv": ("bash", "-c", "echo ran >> effects")}
    case.action = Action(kind="line", do=do, **more)  # type: ignore[arg-type]
    case.environ[EFFECTS] = str(effects)
    return effects


@pytest.mark.parametrize("answer", ["happened", "did_not", "again"])
@pytest.mark.parametrize("point", ["action.started", "action.performed"])
@pytest.mark.parametrize("do", ["webhook", "command", "call"])
def test_what_nobody_can_look_up_is_in_doubt(tmp_path: Path, hook: str, do: str, point: str, answer: str) -> None:
    case = Case(tmp_path, in_doubt=answer)
    effects = outside(case, do, hook)
    case.survive(point)
    (asked,) = case.asked("in_doubt")
    before = int(point == "action.performed")
    done = effects.read_text().splitlines() if effects.exists() else []
    assert len(done) == before + (answer == "again"), "nothing is repeated unasked"
    (result,) = case.events(ev.ActionFinished)
    assert result.ok is (answer != "did_not")
    row = case.reader.views().rounds["l1/1"]
    assert row.decided == ("done" if result.ok else "failed")
    assert case.reader.views().approvals[asked.split()[2]].resolution == answer
    (change,) = case.asked("change")
    assert case.reader.views().approvals[change.split()[2]].state == row.decided, "what was asked for is no doubt now"
    assert case.reader.check() == []
    level = case.reader.views().loops["l1"].level
    assert level == ("L1" if answer == "did_not" else "L2"), "an action that failed costs a level"


@pytest.mark.parametrize("answer", ["happened", "did_not", "again"])
def test_at_l3_a_doubt_holds_the_round_until_it_is_resolved(tmp_path: Path, hook: str, answer: str) -> None:
    case = Case(tmp_path, in_doubt=answer)
    effects = outside(case, "webhook", hook)
    case.level = "L3"
    case.survive("action.performed")
    assert len(effects.read_text().splitlines()) == 1 + (answer == "again")
    assert [each.kind for each in case.events(ev.ApprovalRequested)] == ["in_doubt"]
    (ended,) = case.events(ev.RoundFinished)
    assert ended.outcome == ("failed" if answer == "did_not" else "proceeded")
    assert case.reader.check() == []
    assert case.reader.views().loops["l1"].level == ("L2" if answer == "did_not" else "L3")


async def two_wait(engine: Engine) -> None:
    for number in (1, 2):
        await engine.send(RunLoop("alone", "op"))
        while engine.journal.views.loops["l1"].running or len(engine.journal.views.loops["l1"].waits) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    os.kill(os.getpid(), signal.SIGKILL)


async def push_back(engine: Engine) -> None:
    row = engine.journal.views.approvals["A-1"]
    await engine.send(Decide(row.id, row.digest, "pushed_back", "op", "again"))


async def third(engine: Engine) -> None:
    while engine.journal.views.loops["l1"].rounds < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_a_push_back_is_not_forgotten_while_another_round_waits(tmp_path: Path) -> None:
    case = Case(tmp_path, change="pushed_back")
    assert case.forked("", two_wait) == -signal.SIGKILL
    assert case.forked("round.tidying", push_back) == -signal.SIGKILL
    assert case.forked("", third) == 0
    assert case.reader.views().rounds["l1/3"].about == "l1/1"


def test_a_doubt_is_still_there_when_its_engine_dies_too(tmp_path: Path, hook: str) -> None:
    case = Case(tmp_path, in_doubt="again")
    effects = outside(case, "webhook", hook)
    case.survive("action.performed", "round.committed:1", "action.started", "action.performed")
    assert len(effects.read_text().splitlines()) == 3, "as often as it was asked for"
    kinds = [each.kind for each in case.events(ev.ApprovalRequested)]
    assert kinds == ["change", "in_doubt", "in_doubt", "in_doubt"]
    assert case.reader.check() == []


def test_points_are_all_named() -> None:
    assert msgspec.json.encode(sorted(failpoints.OF_ROUNDS))
    with pytest.raises(ValueError, match="there are"):
        failpoints.parse("round.nowhere")
