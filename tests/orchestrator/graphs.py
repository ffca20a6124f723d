"""Graphs in real engines over temporary homes: started, watched, killed in processes of their own, and judged after."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.picture import DagPicture, picture
from harness_tui.domain.dag.spec import DagSpec, Job
from harness_tui.domain.dag.state import DagState
from harness_tui.domain.errors import HarnessError
from harness_tui.domain.events import Envelope
from harness_tui.domain.messages import Answer, ModelRequest, Text, Usage
from harness_tui.domain.money import Free
from harness_tui.domain.seams import Clock
from harness_tui.domain.task import ModelSpec, SandboxTable
from harness_tui.domain.views import ApprovalRow, RunRow
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.journal import failpoints
from harness_tui.journal.reader import Reader
from harness_tui.port.commands import Decide, Resolve, StartDag

from .effects import FILE

LIMIT = 120.0
"""Seconds one engine may take: a bound, never an expectation."""
PLAIN = SandboxTable(kind="none")
MODEL = ModelSpec("test", "scripted")
COST = 15
"""Tokens of one answer of `Says`."""

Does = Callable[[Engine], Awaitable[None]]
FORKS = multiprocessing.get_context("forkserver")
"""This process has threads by now, whose locks a child forked from it would wait for for ever."""
FORKS.set_forkserver_preload([__name__])


class Says:
    """A model that answers at once."""

    name = label = "scripted"

    async def stream(self, request: ModelRequest) -> Any:
        yield Answer((Text("done"),), Usage(10, 5), "end", "scripted", usd=0, mark="priced")

    async def price(self) -> Free:
        return Free("scripted")

    async def close(self) -> None:
        pass


_real_model = worlds.model


def offline(model: type[Any] = Says) -> None:
    """Runs that ask a model get this one; scripted ones have their own."""
    worlds.model = lambda spec, *more, **named: (  # type: ignore[assignment]
        _real_model(spec, *more, **named) if spec.script else model()
    )


def spec(workspace: Path, **more: Any) -> DagSpec:
    given = {"workspace": str(workspace), "sandbox": PLAIN, "models": {"main": MODEL}, "goal": "all of it"}
    return DagSpec(**(given | more))


def folded(uid: str, events: Iterable[Envelope]) -> DagState:
    s = DagState(uid)
    for envelope in events:
        evolve(s, envelope.event)
    return s


def told(p: DagPicture) -> DagPicture:
    """A picture as it crosses the socket: nothing in it is shared with a state that goes on."""
    return msgspec.json.decode(msgspec.json.encode(p), type=DagPicture)


async def until(what: Callable[[], Any], bound: float = LIMIT / 2) -> Any:
    async with asyncio.timeout(bound):
        while not (found := what()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return found


class Graph:
    """One graph in one engine of this process."""

    def __init__(self, engine: Engine, workspace: Path) -> None:
        self.engine, self.workspace = engine, workspace
        self.uid = ""

    async def start(self, *jobs: Job, **more: Any) -> str:
        self.uid = (await self.engine.send(StartDag(spec(self.workspace, **more), jobs, "op"))).id
        return self.uid

    @property
    def row(self) -> RunRow:
        return self.engine.journal.views.runs[self.uid]

    @property
    def children(self) -> dict[str, RunRow]:
        return {r.job: r for r in self.engine.journal.views.runs.values() if r.parent == self.uid and r.job}

    async def state(self) -> DagState:
        return folded(self.uid, await self.engine.journal.stream(self.uid))

    async def states(self) -> dict[str, str]:
        return {ident: job.state for ident, job in (await self.state()).jobs.items()}

    async def events(self, *kinds: type[Any]) -> list[Any]:
        return [e.event for e in await self.engine.journal.stream(self.uid) if isinstance(e.event, kinds)]

    def job(self, ident: str) -> Any:
        """A job as its driver has it."""
        driver = self.engine._dags.driver(self.uid)
        return driver.state.jobs.get(ident) if driver else None

    async def reaches(self, ident: str, *words: str) -> Any:
        """Wait until a job of a run at work is in one of these states."""
        return await until(lambda: (job := self.job(ident)) and job.state in words and job)

    async def ended(self) -> RunRow:
        await until(lambda: self.row.ended and not self.engine._dags.driver(self.uid))
        await until(lambda: not any(row.open for row in self.children.values()))
        return self.row

    async def asked(self, kind: str = "") -> ApprovalRow:
        rows = self.engine.journal.views.approvals
        return await until(lambda: next((a for a in rows.values() if a.open and (not kind or a.kind == kind)), None))

    async def decide(self, row: ApprovalRow, word: Any, by: str = "op", reason: str = "") -> None:
        await self.engine.send(Decide(row.id, row.digest, word, by, reason))

    async def resolve(self, row: ApprovalRow, word: Any) -> None:
        await self.engine.send(Resolve(row.id, row.digest, word, "op"))

    def done(self) -> list[str]:
        """Lines of what was executed, in their order."""
        file = Path(os.environ[FILE])
        return file.read_text().splitlines() if file.exists() else []

    async def send(self, command: Any) -> str:
        return (await self.engine.send(command)).text

    async def restart(self) -> None:
        await self.engine.close()
        self.engine = await Engine.open(self.engine.paths)

    def sound(self) -> None:
        """Call after the engine was closed: the rows are what the events say, nothing is open or held."""
        sound(self.engine.paths)


def sound(paths: Paths) -> None:
    with Reader(paths.journal) as reader:
        assert reader.check() == []
        views = reader.views()
        for row in [each for each in views.runs.values() if each.kind == "dag"]:
            s = folded(row.id, reader.stream(row.id))
            words = Counter(job.state for job in s.jobs.values())
            assert {w: c for w, c in row.jobs.items() if c and w != "all"} == dict(words), row.id
            assert row.jobs.get("all", 0) == len(s.jobs)
            assert row.ended and (s.running, s.left, s.requests, s.moot) == (0, 0, {}, [])
            assert not any(s.used.values())
        assert [row.id for row in views.runs.values() if row.open] == []
        assert [row.id for row in views.approvals.values() if row.open] == []
        assert sum(budget.held for budget in views.budgets.values()) == 0


@asynccontextmanager
async def graph(home: Paths, tmp_path: Path, clock: Clock | None = None) -> AsyncIterator[Graph]:
    """An engine; whatever is open at the end stays so. Its functions leave their lines in `tmp_path/effects`."""
    workspace = tmp_path / "work"
    workspace.mkdir(exist_ok=True)
    os.environ[FILE] = str(tmp_path / "effects")
    here = Graph(await Engine.open(home, clock=clock), workspace)
    try:
        yield here
    finally:
        await here.engine.close()


# -- engines that die ----------------------------------------------------------------------------------------------


def life(case: Case, death: str, does: Does | None) -> None:
    """What a child does: one engine's life, with one failpoint armed."""
    os.environ[FILE] = str(case.effects)
    failpoints._armed.update(failpoints.parse(death))
    offline()
    asyncio.run(case.live(does))


class Case:
    """A graph whose engines die; what its operator says to each kind of request is given."""

    def __init__(self, folder: Path, jobs: tuple[Job, ...], spec: dict[str, Any], **answers: Any) -> None:
        self.home, self.work, self.effects = folder / "home", folder / "work", folder / "effects"
        self.work.mkdir()
        self.jobs, self.more = jobs, spec
        self.answers = {"gate": "approved", "plan": "approved", "in_doubt": "happened", "action": "approved"} | answers
        self.flying: Counter[str] = Counter()
        """How often an attempt was in flight when an engine died."""

    async def live(self, does: Does | None = None) -> None:
        """See the run to its end, answer what is asked; or do what a test does."""
        engine = await Engine.open(Paths(self.home))
        views = engine.journal.views
        if not any(row.kind == "dag" for row in views.runs.values()):
            await engine.send(StartDag(spec(self.work, **self.more), self.jobs, "op"))
        async with asyncio.timeout(LIMIT):
            if does:
                await does(engine)
            else:
                while any(row.open for row in views.runs.values()) or engine._dags._drivers:
                    for row in [each for each in views.approvals.values() if each.open]:
                        await self.answer(engine, row)
                    await self.compare(engine)
                    await asyncio.sleep(0.002)
        await engine.close()

    async def answer(self, engine: Engine, row: ApprovalRow) -> None:
        word: Any = self.answers[row.kind]
        try:
            if row.kind == "in_doubt":
                await engine.send(Resolve(row.id, row.digest, word, "op"))
            else:
                await engine.send(Decide(row.id, row.digest, word, "op"))
        except HarnessError:
            await asyncio.sleep(0.01)

    async def compare(self, engine: Engine) -> None:
        """What the driver has in memory is what its stream says."""
        for uid, driver in list(engine._dags._drivers.items()):
            if not driver.started or driver._lock.locked():
                continue
            live = picture(driver.state, driver.started)
            seen = told(live)
            events = await engine.journal.stream(uid)
            s = folded(uid, events[: live.seq])
            assert told(picture(s, events[0].at)) == seen, "the live picture is what the stream says"

    def forked(self, death: str, does: Does | None = None) -> int:
        process = FORKS.Process(target=life, args=(self, death, does))
        process.start()
        process.join()
        code = int(process.exitcode or 0)
        process.close()
        if code:
            self.flying.update(self.in_flight())
        return code

    def in_flight(self) -> set[str]:
        with Reader(Paths(self.home).journal) as reader:
            found: set[str] = set()
            for row in [each for each in reader.runs() if each.kind == "dag"]:
                s = folded(row.id, reader.stream(row.id))
                found |= {f"{i}#{job.attempts}" for i, job in s.jobs.items() if job.state in ("running", "waiting")}
                found |= {f"planner#{s.spec.max_replans - s.replans}"} if s.planning else set()
        return found

    def dies(self, death: str, does: Does | None = None) -> None:
        assert self.forked(death, does) == -signal.SIGKILL, f"{death} was not passed"

    def survive(self, death: str, times: int = 1) -> int:
        """Engines die there, `times` of them at most; then one sees the run to its end. How many died."""
        died = 0
        while died < times and (status := self.forked(death)):
            assert status == -signal.SIGKILL, f"{death}: {status}"
            died += 1
        assert self.forked("") == 0, "the run is seen to its end"
        return died

    @property
    def reader(self) -> Reader:
        return Reader(Paths(self.home).journal)

    def state(self, uid: str = "r1") -> DagState:
        with self.reader as reader:
            return folded(uid, reader.stream(uid))

    def events(self, *kinds: type[Any]) -> list[Envelope]:
        with self.reader as reader:
            return [each for each in reader.tail(limit=100_000) if isinstance(each.event, kinds)]

    def done(self) -> Counter[str]:
        """What was executed, by `JOB#ATTEMPT`."""
        files = (self.effects, self.effects.with_name("of-shell"))
        return Counter(line for file in files if file.exists() for line in file.read_text().splitlines())

    def judge(self) -> None:
        """Nothing lost, nothing done twice that had ended, one run for each attempt."""
        sound(Paths(self.home))
        s, done = self.state(), self.done()
        resumed: Counter[str] = Counter()
        ends: Counter[str] = Counter()
        for each in self.events(ev.TaskResumed, ev.TaskFinished):
            key = each.run.partition("/")[2]
            if isinstance(each.event, ev.TaskResumed):
                assert not ends[key], f"{key} was resumed after its result was there"
            (resumed if isinstance(each.event, ev.TaskResumed) else ends)[key] += 1
        assert set(ends.values()) <= {1}, "a result is stored once"
        for key, count in resumed.items():
            assert count <= self.flying[key], f"{key} was resumed {count} times, {self.flying[key]} deaths"
        runs = Counter(each.event.spec.job for each in self.events(ev.RunStarted))
        assert set(runs.values()) <= {1}, f"one run for one attempt: {runs}"
        starts = Counter(f"{x.event.job}#{x.event.attempt}" for x in self.events(ev.JobStarted))
        assert set(starts.values()) <= {1}
        for key, count in done.items():
            assert count - 1 <= self.flying[key], f"{key} was done {count} times, {self.flying[key]} deaths in flight"
        with self.reader as reader:
            views = reader.views()
            row = views.runs["r1"]
            spent = sum(r.usage.total for r in views.runs.values() if r.parent == "r1" and r.job)
        assert row.usage.total == spent
        assert row.attempts == sum(job.attempts for job in s.jobs.values())
