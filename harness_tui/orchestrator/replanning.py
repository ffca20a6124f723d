"""Changing the plan of a run at work: what a planner or the operator proposes, checked, written in slices, asked for
where it widens, and applied."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..domain import events as ev
from ..domain.dag import export
from ..domain.dag.evolve import evolve
from ..domain.dag.patch import Patch, check
from ..domain.dag.spec import Job
from ..domain.dag.steer import Propose, applied, proposal
from ..domain.errors import HarnessError, UsageError
from ..domain.events import Event
from . import asking, planning

if TYPE_CHECKING:
    from .driver import DagDriver

PLANNER = "planner"
OVER = "the run ended"

log = logging.getLogger(__name__)


class Replanning:
    """The changes of one run's plan. One at a time: who comes second is told so."""

    def __init__(self, driver: DagDriver) -> None:
        self._driver = driver
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask the planner, whose start is on record."""
        self._task = asyncio.create_task(self._plan())

    def cancel(self) -> None:
        """The run ends: its planner is asked to end as well, and an agent's end is waited for."""
        s = self._driver.state
        if not self._task or self._task.done() or s.spec.planner is None:
            return
        if s.spec.planner.call:
            self._task.cancel()
        elif s.planner:
            self._ending = asyncio.ensure_future(self._end(s.planner))

    async def _end(self, run: str) -> None:
        await self._driver.kit.runs.cancel(run, "the graph", OVER)

    async def close(self) -> None:
        tasks = [task for task in (self._task, self._ending) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def resume(self) -> None:
        """After a crash: what was proposed whole goes on, what was not is gone; a planner at work is asked again."""
        s = self._driver.state
        if s.proposed and len(s.staged) < s.proposed.size:
            number = s.proposed.number
            await self._driver.commit(lambda _: [ev.PlanRefused(number, "", "the engine stopped before it was saved")])
        elif s.proposed and not s.asked:
            # Its answer is known: a planner that was asked for it again would find its own jobs in its way.
            answered = s.planning and s.proposed.by == PLANNER
            await self._conclude(s.proposed.widens, ev.PlannerEnded(done=False) if answered else None)
        s = self._driver.state
        if s.planning and (s.cancel or s.stopped):
            if s.planner:
                await self._end(s.planner)
            await self._driver.commit(lambda _: [ev.PlannerEnded(done=True, error=OVER)])
        elif s.planning and not (self._task and not self._task.done()):
            self.begin()

    # -- who proposes ------------------------------------------------------------------------------------------------

    async def ask(self, by: str) -> None:
        """Ask the planner now. Raises UsageError where there is none, or it is at work."""
        s = self._driver.state
        if s.spec.planner is None:
            raise UsageError(f"{s.uid} has no planner.", "Give the change yourself: harness-tui dag replan RUN FILE")
        if s.planning or s.proposed:
            raise UsageError(f"The plan of {s.uid} is being changed already.", "Look at it first.")
        if s.replans >= s.spec.max_replans:
            raise UsageError(f"The planner of {s.uid} was asked {s.replans} times, as often as it may be.")
        asked = ev.PlannerStarted(s.replans + 1, by)
        await self._driver.commit(self._driver.while_open(lambda _: [asked]))

    async def edit(self, by: str, jobs: Sequence[Job], drop: Sequence[str], reason: str) -> None:
        """The operator's own change: their word is its approval. Raises UsageError."""
        s = self._driver.state
        known = [job for job in jobs if job.id in s.jobs]
        fresh = tuple(job for job in jobs if job.id not in s.jobs)
        by = f"operator:{by}"
        check(s, Patch(add=fresh, replace=tuple(known), drop=tuple(drop), reason=reason), by)
        await self._propose(Propose(by, tuple(jobs), tuple(drop), (), reason))

    async def _plan(self) -> None:
        """The planner's turn: its patch, or why there is none."""
        driver = self._driver
        ended = ev.PlannerEnded(done=True)
        try:
            patch, tokens, usd = await self._answer()
            changes = bool(patch.jobs or patch.drop)
            ended = ev.PlannerEnded(patch.done or not changes, "", tokens, usd)
            if changes:
                widens = check(driver.state, patch, PLANNER)
                await self._propose(Propose(PLANNER, patch.jobs, patch.drop, widens, patch.reason), ended)
                return
        except asyncio.CancelledError:
            if driver.state.cancel or driver.state.stopped:
                await driver.commit(lambda _: [ev.PlannerEnded(done=True, error=OVER)])
            raise
        except HarnessError as error:
            ended = ev.PlannerEnded(done=False, error=str(error))
        except Exception as error:
            log.exception("the planner of %s failed inside", driver.uid)
            ended = ev.PlannerEnded(done=False, error=f"internal error: {type(error).__name__}: {error}")
        await driver.commit(lambda _: [ended])

    async def _answer(self) -> tuple[Patch, int, int | None]:
        """(what it wants, tokens, nano-dollars). Raises HarnessError."""
        driver, s = self._driver, self._driver.state
        assert s.spec.planner is not None
        if s.spec.planner.call:
            return await planning.call(s, driver.kit, driver.answers), 0, 0
        run = s.planner
        if not run:
            there = driver.kit.runs.of(s.uid).get(f"{planning.JOB}#{s.replans}")
            run = (
                there.id
                if there
                else await driver.kit.runs.start(await planning.run_spec(s, driver.kit, driver.answers))
            )
            await driver.commit(lambda _: [ev.PlannerBound(run)])
            if driver.state.cancel or driver.state.stopped:  # it was still starting when the run was ended
                await self._end(run)
        row = await driver.kit.runs.ended(run)
        return planning.read(row, await driver.kit.runs.events(run)), row.usage.total, row.money

    # -- slices, question, and what holds ----------------------------------------------------------------------------

    async def _propose(self, x: Propose, ended: ev.PlannerEnded | None = None) -> None:
        """ended: goes into the append that concludes it: no crash comes between a planner's word and its end."""
        async with self._lock:
            s = self._driver.state
            if s.proposed:
                raise UsageError(f"The plan of {s.uid} is being changed already.", "Look at it first.")
            for each in proposal(s, x):
                await self._driver.commit(self._driver.while_open(lambda _, each=each: each))  # type: ignore[misc]
            await self._conclude(x.widens, ended)

    async def _conclude(self, widens: Sequence[str], ended: ev.PlannerEnded | None = None) -> None:
        """Ask where it widens, else apply."""
        driver, also = self._driver, [ended] if ended else []
        if not widens:
            await driver.commit(lambda t: [*self.applied(t), *self._evolved(also)], evolved=True)
            return
        s, kit = driver.state, driver.kit
        before = [job.spec for job in s.jobs.values()]
        drop = set(s.proposed.drop) if s.proposed else set()
        fresh = {job.id: job for job in s.staged}
        after = [*(fresh.pop(job.id, job) for job in before if job.id not in drop), *fresh.values()]
        by = s.proposed.by if s.proposed else PLANNER
        paper = await kit.blobs.put(export.diff_text(before, after, by).encode(), kind="plan")
        request = asking.plan(s, widens, kit.approval_id(), kit.clock.now(), paper)
        await driver.commit(lambda _: [request, *also])

    def applied(self, t: int) -> list[Event]:
        """What is proposed holds: the events of it, evolved."""
        return self._evolved(applied(self._driver.state))

    def _evolved(self, events: Sequence[Event]) -> list[Event]:
        for event in events:
            evolve(self._driver.state, event)
        return list(events)
