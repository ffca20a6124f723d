"""Graphs at work: one driver per run that is not over, started, recovered after a crash, tried again, and steered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from ..agent.functions import load
from ..domain.dag import steer
from ..domain.dag.evolve import evolve
from ..domain.dag.graph import Dag
from ..domain.dag.picture import DagPicture, picture
from ..domain.dag.settle import Room
from ..domain.dag.spec import DagSpec, Job
from ..domain.dag.state import DagState
from ..domain.errors import HarnessError, UsageError
from ..domain.events import Envelope, Flow, RunFinished, Write, root_of
from ..domain.ledger import Ledger
from ..domain.money import from_usd
from ..domain.redaction import Redaction
from ..domain.seams import Blobs, Clock
from ..domain.task import ModelSpec, RunSpec, TaskFile
from ..domain.views import RunRow
from ..journal.journal import Journal
from ..orchestrator.driver import DagDriver
from ..orchestrator.kit import DagKit
from ..port.commands import CancelJob, PauseDag, ReplanDag, Reply, ResumeDag, RetryDag, StartDag
from .rounds import OwnRuns
from .supervisor import Supervisor

log = logging.getLogger(__name__)

Command = CancelJob | PauseDag | ReplanDag | ResumeDag | RetryDag


class GraphRuns:
    """`orchestrator.kit.Runs` over the supervisor: agent runs of one graph. `secrets`: handed over with it."""

    def __init__(
        self,
        journal: Journal,
        supervisor: Supervisor,
        runs: OwnRuns,
        next_run: Callable[[], str],
        secrets: Mapping[str, str],
    ) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._next_run = next_run
        self._secrets = secrets
        self._told: dict[str, Callable[[RunRow], None]] = {}
        self._stop = journal.subscribe(self._heard)
        self.cancel = runs.cancel
        self.ended = runs.ended
        self.events = runs.events

    async def start(self, spec: RunSpec) -> str:
        run = self._next_run()
        await self._supervisor.start(run, spec, self._secrets)
        return run

    def of(self, dag: str) -> dict[str, RunRow]:
        return {row.job: row for row in self._journal.views.runs.values() if row.job and row.parent == dag}

    def watch(self, run: str, told: Callable[[RunRow], None]) -> None:
        self._told[run] = told
        row = self._journal.views.runs.get(run)
        if row:
            told(row)

    def close(self) -> None:
        self._stop()

    def _heard(self, batch: Sequence[Envelope]) -> None:
        if not self._told:
            return
        rows = self._journal.views.runs
        for run in {root_of(envelope.run) for envelope in batch}.intersection(self._told):
            row = rows[run]
            self._told[run](row)
            if not row.open:
                del self._told[run]


class Dags:
    """Args:
    flow: told what is only worth watching.
    day: today, for what the day's limit has left.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        blobs: Blobs,
        redaction: Redaction,
        ledger: Ledger,
        runs: OwnRuns,
        supervisor: Supervisor,
        *,
        next_run: Callable[[], str],
        approval_id: Callable[[], str],
        day: Callable[[], str],
        flow: Callable[[Flow], None],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._blobs = blobs
        self._redaction = redaction
        self._ledger = ledger
        self._runs = runs
        self._supervisor = supervisor
        self._next_run = next_run
        self._approval_id = approval_id
        self._day = day
        self._flow = flow
        self._drivers: dict[str, DagDriver] = {}
        self._reopening = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def driver(self, uid: str) -> DagDriver | None:
        """The driver of a run that is not over."""
        return self._drivers.get(uid)

    async def start(self, command: StartDag) -> str:
        """Write a run and its plan down and drive it; answers its id. Raises UsageError for what cannot be run."""
        spec, jobs = command.spec, command.jobs
        dag = Dag.from_jobs(jobs)
        if self._redaction.deep(jobs) is not jobs or self._redaction.deep(spec) != spec:
            raise UsageError(
                "The plan holds the value of a secret.", "Name it by a handle, and keep it with: harness-tui key set"
            )
        may = await self._may(spec, jobs)
        uid = self._next_run()
        limits = spec.budget
        self._ledger.limit(f"run:{uid}", limits.tokens, None if limits.usd is None else from_usd(limits.usd))
        driver = DagDriver(uid, self._kit(spec, command.secrets))
        await driver.begin(spec, dag, may)
        self._drive(uid, driver)
        return uid

    async def _may(self, spec: DagSpec, jobs: Sequence[Job]) -> dict[str, str]:
        """What its runs may do: by their level, and at once what the plan itself names, since that is approved with it.

        Raises HarnessError for tools or a sandbox that cannot be had.
        """
        agents = [spec.tools if job.tools is None else job.tools for job in jobs if job.kind == "prompt"]
        named = {job.tool or "shell_exec" for job in jobs if job.of_agent and job.kind != "prompt"}
        may = await self._rehearsed(spec, {tool for tools in agents for tool in tools})
        planned = await self._rehearsed(spec, named)
        at_once = {risk: "acts" for risk, word in planned.items() if word != "cannot"}
        return {**may, **at_once} if spec.level != "L1" else may

    async def _rehearsed(self, spec: DagSpec, tools: Collection[str]) -> dict[str, str]:
        if not tools:
            return {}
        main = spec.models.get("main") or ModelSpec("script", "script")
        task = TaskFile("-", tools=tuple(sorted(tools)), level=spec.level, sandbox=spec.sandbox)
        return (await self._supervisor.rehearse("rehearsal", RunSpec(task, main, workspace=spec.workspace))).may

    async def recover(self) -> int:
        """Continue every run that is not over; returns how many."""
        rows = [row for row in self._journal.views.runs.values() if row.kind == "dag" and row.open]
        for row in rows:
            s = await self._folded(row.id)
            if s.spec.in_process:
                await self._over(row.id, "its program ended", 1)
            else:
                self._drive(row.id, DagDriver(row.id, self._kit(s.spec, {})))
        return len(rows)

    async def handle(self, command: Command) -> Reply:
        """A word of the operator. Raises UsageError for what does not fit or comes too late."""
        run = command.run
        row = self._journal.views.runs.get(run)
        if row is not None and row.kind != "dag":
            raise UsageError(f"{run} is no graph of jobs.", f"Look at it with: harness-tui runs show {run}")
        if isinstance(command, RetryDag):
            return await self._retry(command)
        driver = self._drivers.get(run)
        if driver is None:
            s = await self._folded(run)
            word = s.finished.state if s.finished else "being closed"
            raise UsageError(f"{run} is over: {word}.", f"Try again with: harness-tui dag retry {run}")
        match command:
            case CancelJob(_, job, by, reason):
                await driver.word(steer.Cancel(by, reason, job))
                return Reply(run, f"{job} and what follows from it are cancelled.")
            case PauseDag(_, by, reason, job):
                await driver.word(steer.Pause(by, reason, job))
                return Reply(run, f"{job or run} is paused: nothing more of it starts.")
            case ResumeDag(_, by, job):
                await driver.word(steer.Resume(by, job))
                return Reply(run, f"{job or run} goes on.")
            case ReplanDag(_, by, jobs, drop, reason):
                if not jobs and not drop:
                    await driver.replanning.ask(by)
                    return Reply(run, f"The planner of {run} is asked.")
                if self._redaction.deep(jobs) is not jobs:
                    raise UsageError("The change holds the value of a secret.", "Name it by a handle.")
                await driver.replanning.edit(by, jobs, drop, reason)
                return Reply(run, f"The plan of {run} is changed.")

    async def _retry(self, command: RetryDag) -> Reply:
        run, word = command.run, steer.Retry(command.by, command.job, command.feedback)
        async with self._reopening:  # of two who try it again at once the second finds it at work
            while driver := self._drivers.get(run):
                try:
                    await driver.word(word)
                    break
                except steer.RunOver:  # its driver is about to go
                    if ending := self._tasks.get(run):
                        await asyncio.wait([ending])
            else:
                s = await self._folded(run)
                driver = DagDriver(run, self._kit(s.spec, {}))
                await driver.reopen(word)
                self._drive(run, driver)
        return Reply(run, f"{command.job or 'Everything that failed'} is done anew.")

    async def cancel(self, run: str, by: str, reason: str) -> bool:
        """Ask a run to end; False when it is over."""
        driver = self._drivers.get(run)
        return driver is not None and await driver.word(steer.Cancel(by, reason))

    async def cancel_all(self, by: str, reason: str) -> int:
        """Ask every run to end; returns how many there were."""
        done = await asyncio.gather(*(self.cancel(run, by, reason) for run in list(self._drivers)))
        return sum(done)

    async def picture(self, run: str) -> DagPicture:
        """The run as it is on record. Raises UsageError when it is no graph."""
        driver = self._drivers.get(run)
        if driver and driver.started:
            return picture(driver.state, driver.started)
        s = await self._folded(run)
        first = await self._journal.stream(run, limit=1)
        return picture(s, first[0].at)

    async def close(self) -> None:
        """Leave every run where it is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _folded(self, run: str) -> DagState:
        row = self._journal.views.runs.get(run)
        if row is None or row.kind != "dag":
            graphs = [each.id for each in self._journal.views.runs.values() if each.kind == "dag"]
            near = get_close_matches(run, graphs, 1)
            what = f"{run} is no graph of jobs." if row else f"There is no run {run}."
            hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui dag list"
            raise UsageError(what, hint)
        s = DagState(run)
        for envelope in await self._journal.stream(run):
            evolve(s, envelope.event)
        return s

    def _kit(self, spec: DagSpec, secrets: Mapping[str, str]) -> DagKit:
        return DagKit(
            log=self._journal,
            clock=self._clock,
            blobs=self._blobs,
            redaction=self._redaction,
            runs=GraphRuns(self._journal, self._supervisor, self._runs, self._next_run, secrets),
            room=self._room,
            approval_id=self._approval_id,
            load=lambda named: load(named, Path(spec.workspace or "/nonexistent")),
            flow=self._flow,
        )

    def _room(self, uid: str, spec: DagSpec) -> Room:
        """What the run and the day have left."""
        accounts = [(f"run:{uid}", uid), (f"day:{self._day()}", "the day")]
        tokens: int | None = None
        usd: int | None = None
        scope = uid
        for name, said in accounts:
            account = self._ledger.account(name)
            if account.limit and (tokens is None or account.left < tokens):
                tokens, scope = account.left, said
            if account.usd_limit is not None and (usd is None or account.usd_left < usd):
                usd = account.usd_left
        return Room(tokens, usd, scope)

    def _drive(self, uid: str, driver: DagDriver) -> None:
        self._drivers[uid] = driver
        self._tasks[uid] = asyncio.create_task(self._keep(uid, driver), name=f"graph {uid}")

    async def _keep(self, uid: str, driver: DagDriver) -> None:
        try:
            await driver.run()
        except HarnessError as error:
            log.error("%s ended: %s", uid, error)
            await self._over(uid, str(error), error.exit_code)
        except Exception as error:
            log.exception("%s failed inside", uid)
            await self._over(uid, f"internal error: {type(error).__name__}: {error}", 1)
        finally:
            self._drivers.pop(uid, None)
            self._tasks.pop(uid, None)
            runs = driver.kit.runs
            if isinstance(runs, GraphRuns):
                runs.close()

    async def _over(self, uid: str, why: str, code: int) -> None:
        """A bug must not leave a run open for ever: end it with what is known."""
        over = RunFinished("failed", None, why, "", "error", code, why)
        with suppress(Exception):
            await self._journal.append([Write(uid, self._journal.head(uid), (over,))])
