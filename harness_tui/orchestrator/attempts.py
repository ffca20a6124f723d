"""Attempts at work: one task each, from the moment its start is durable until what came of it is an input."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from ..domain import events as ev
from ..domain.dag.decide import Bound, Ended, Fate, Waits, Went
from ..domain.dag.spec import answer_digest, answer_json
from ..domain.dag.state import DagState, JobState
from ..domain.errors import HarnessError, SetupError
from ..domain.views import RunRow
from . import asking, calls, work
from .answers import Answers, whole
from .kit import INLINE, Answer, DagKit

SECOND = 1_000_000
STOPPED = "its job was cancelled or is done anew"

log = logging.getLogger(__name__)

Key = tuple[str, int]
"""(job, attempt)"""


class Done(msgspec.Struct, frozen=True):
    """An attempt is over, and what it leaves in its own stream (None for an agent run, which has its own end)."""

    fate: Ended
    task: ev.TaskFinished | None = None


class Attempts:
    """The live attempts of one run.

    Args:
        tell: takes what happened; called on the loop.
    """

    def __init__(self, s: Callable[[], DagState], kit: DagKit, answers: Answers, tell: Callable[[Fate | Done], None]):
        self._state = s
        self._kit = kit
        self._answers = answers
        self._tell = tell
        self._loop = asyncio.get_running_loop()  # kept: asking for it is a system call each time
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._runs: dict[Key, str] = {}
        self._starting: set[Key] = set()
        """Whose agent run is being written down: a cancel in between would leave one that nobody knows of."""
        self._said: dict[Key, Waits | Went] = {}
        self._loose: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def has(self, job: JobState) -> bool:
        """Whether its newest attempt is at work."""
        return (job.spec.id, job.attempts) in self._tasks

    def begin(self, job: JobState, t: int, *, recovered: bool = False) -> None:
        """Do what a started job is to do, unless it is at work; `t`: now. recovered: it was begun before a crash."""
        key = (job.spec.id, job.attempts)  # by the time it runs, the job may be at its next attempt
        if key in self._tasks:
            return
        match job.spec.kind:
            case "wait":
                began = job.bars[-1].start if job.bars else t
                doing = self._sleep(job, key, max(0, began + int((job.spec.wait or 0) * SECOND) - t) / SECOND)
            case "call":
                doing = self._call(job, key)
            case "gate":
                doing = self._ask(job, key)
            case _:
                doing = self._agent(job, key, recovered)
        self._spawn(job, key, doing)

    def doubt(self, job: JobState) -> None:
        """It began before a crash, and nobody knows what came of it: a person says."""
        request = asking.doubt(self._state(), job, self._kit.approval_id())
        self._tell(Waits(job.spec.id, job.attempts, "in_doubt", request.id, 0, request))

    def _spawn(self, job: JobState, key: Key, doing: Coroutine[Any, Any, None]) -> None:
        self._tasks[key] = task = self._loop.create_task(self._guarded(job, key, doing))
        task.add_done_callback(partial(self._stopped, key, doing))

    def _stopped(self, key: Key, doing: Coroutine[Any, Any, None], task: asyncio.Task[None]) -> None:
        """One that was ended has ended, perhaps before it began."""
        if task.cancelled():
            doing.close()
            self._tell(Done(Ended(*key, error="cancelled", final=True)))

    def ended(self, key: Key) -> None:
        """Its end is an input by now: it is no longer at work."""
        self._tasks.pop(key, None)
        self._runs.pop(key, None)
        self._said.pop(key, None)

    def stop_stale(self) -> None:
        """End attempts whose job has moved on. An agent run is asked to end, and may finish what it has begun."""
        for key, task in list(self._tasks.items()):
            if not self._stale(key):
                continue
            if key in self._runs:
                self._apart(self._kit.runs.cancel(self._runs[key], "the graph", STOPPED))
            elif key not in self._starting:
                task.cancel()

    def _stale(self, key: Key) -> bool:
        job = self._state().jobs.get(key[0])
        return not (job and job.attempts == key[1] and job.state in ("running", "waiting"))

    def _check(self, key: Key) -> None:
        """End here when the job has moved on: what is read of it from now on is another attempt's."""
        if self._stale(key):
            raise asyncio.CancelledError

    async def close(self) -> None:
        """Leave all of them where they are."""
        tasks = [*self._tasks.values(), *self._loose]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _apart(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    async def _guarded(self, job: JobState, key: Key, doing: Coroutine[Any, Any, None]) -> None:
        try:
            self._check(key)
            await doing
        except SetupError as error:  # the disk, or the set-up: another try may help
            self._fail(job, key, str(error))
        except HarnessError as error:
            self._fail(job, key, str(error))
        except Exception as error:
            log.exception("%s of %s failed inside", key[0], self._state().uid)
            self._fail(job, key, f"internal error: {type(error).__name__}: {error}")

    def _fail(self, job: JobState, key: Key, error: str) -> None:
        task = None if job.spec.of_agent else ev.TaskFinished(error=error)
        self._tell(Done(Ended(*key, error=error), task))

    # -- kinds -------------------------------------------------------------------------------------------------------

    async def _sleep(self, job: JobState, key: Key, seconds: float) -> None:
        if seconds:
            await self._kit.clock.sleep(seconds)
        await self._answered(job, key, None)

    async def _call(self, job: JobState, key: Key) -> None:
        s, attempt = self._state(), key[1]
        given = self._answers.at_hand(s, job)
        if given is None:
            given = await self._answers.given(s, job)
        prior = await self._answers.prior(s, job) if job.prior else None
        value = await calls.perform(
            job.spec,
            given,
            self._kit,
            run=s.uid,
            attempt=attempt,
            goal=s.spec.goal,
            feedback=job.feedback,
            prior=prior,
        )
        await self._answered(job, key, value)

    async def _answered(self, job: JobState, key: Key, value: object) -> None:
        """Its value is kept in its own stream, or as a blob where it is long."""
        raw = answer_json(value)
        blob = ""
        if len(raw) > INLINE:
            blob = await self._kit.blobs.put(self._kit.redaction(raw.decode()).encode(), kind="answer")
        answer = Answer(job.spec.id, value, value if isinstance(value, str) else raw.decode(), blob)
        self._answers.keep(self._state().child(*key), answer, len(raw) + 200)
        fate = Ended(*key, result=answer_digest(raw), text=answer.text)
        if job.spec.router:
            fate = await self._routed(job, fate, answer)
        self._tell(Done(fate, ev.TaskFinished(None if blob else value, blob)))

    async def _ask(self, job: JobState, key: Key) -> None:
        s = self._state()
        given = await self._answers.given(s, job)
        self._check(key)
        request = asking.gate(s, job, given.values(), self._kit.approval_id(), self._kit.clock.now())
        self._tell(Waits(*key, "approval", request.id, 0, request))
        self.ended(key)  # who waits for a person is not at work

    async def _agent(self, job: JobState, key: Key, recovered: bool) -> None:
        """An agent run: the one it is already, after a crash, or a new one."""
        s = self._state()
        run = job.child
        if not run:
            there = self._kit.runs.of(s.uid).get(f"{key[0]}#{key[1]}") if recovered else None
            run = there.id if there else await self._started(s, job, key)
            self._tell(Bound(*key, run))
        self._runs[key] = run
        if self._stale(key):
            await self._kit.runs.cancel(run, "the graph", STOPPED)
        self._kit.runs.watch(run, lambda row: self._saw(key, row))
        row = await self._kit.runs.ended(run)
        told = work.outcome(job, row, await self._kit.runs.events(run))
        fate = Ended(
            *key,
            error=told.error,
            result="" if told.error else answer_digest(told.blob or told.value),
            text=told.text,
            tokens=row.usage.total,
            usd=row.money,
            final=told.final,
            exhausted=told.exhausted,
        )
        if not told.error:
            answer = await whole(Answer(key[0], told.value, told.text, told.blob), self._kit)
            self._answers.keep(run, answer, len(told.text) + 200)
            if job.spec.router:
                fate = await self._routed(job, fate, answer)
        self._tell(Done(fate))

    async def _started(self, s: DagState, job: JobState, key: Key) -> str:
        given = await self._answers.given(s, job)
        prior = await self._answers.prior(s, job)
        spec = await work.run_spec(s, job, list(given.values()), self._kit, prior=prior)
        self._check(key)
        self._starting.add(key)
        try:
            return await self._kit.runs.start(spec)
        finally:
            self._starting.discard(key)

    def _saw(self, key: Key, row: RunRow) -> None:
        """A change of an agent run's row: it waits for somebody, or goes on."""
        fate: Waits | Went = Went(*key)
        if row.waits:
            fate = Waits(*key, "in_doubt" if row.state == "in_doubt" else "approval", row.waits)
        elif row.retry_at and row.state in ("waiting", "retrying"):
            fate = Waits(*key, "rate_limit", "", row.retry_at)
        if row.open and self._said.get(key) != fate:
            self._said[key] = fate
            self._tell(fate)

    async def _routed(self, job: JobState, fate: Ended, answer: Answer) -> Ended:
        try:
            route = await calls.route(job.spec, answer, self._kit)
        except HarnessError as error:
            return msgspec.structs.replace(fate, error=f"its router failed: {error}", result="", final=True)
        return msgspec.structs.replace(fate, route=route)
