"""Driving one graph's run: what happened goes in, all of its events are one append, and only then effects begin.

Ends of attempts that came meanwhile are taken together: a wide graph costs one commit for many jobs. Results are
durable before their slots are given on, so that after a crash only what was in flight is done again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..domain import events as ev
from ..domain.approval import MIN_DIGEST
from ..domain.dag import steer
from ..domain.dag.decide import Due, Ended, Fate, decide
from ..domain.dag.evolve import evolve
from ..domain.dag.graph import Dag, check_id
from ..domain.dag.settle import Room, settle
from ..domain.dag.spec import DagSpec
from ..domain.dag.state import UNDER_WAY, DagState
from ..domain.errors import HarnessError, SetupError
from ..domain.events import HALTED, Event, Flow, Write
from ..domain.inputs import Decided, Resolved
from ..journal.failpoints import hit
from .answers import Answers
from .attempts import SECOND, Attempts, Done
from .kit import DagKit
from .replanning import Replanning
from .timers import Timers

RETRY_HALTED = 15.0
"""Seconds after which a run that the disk stopped is tried again."""

log = logging.getLogger(__name__)

Produce = Callable[[int], list[Event]]


class DagDriver:
    """Drives one run that is not over; a run that is tried again gets a new one.

    Attributes:
        state: folded; ahead of the log by at most the append that is being written.
    """

    def __init__(self, uid: str, kit: DagKit) -> None:
        self.uid = uid
        self.kit = kit
        self.state = DagState(uid)
        self.started = 0
        self.answers = Answers(kit)
        self.attempts = Attempts(lambda: self.state, kit, self.answers, self._tell)
        self.replanning = Replanning(self)
        self._inbox: deque[Fate | Done] = deque()
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._loaded = asyncio.Event()
        self._began = 0
        self._seqs: dict[str, int] = {}
        self.timers = Timers(kit.clock, self.now, self._ring)
        self._asked: dict[str, ev.ApprovalRequested] = {}
        self._resumed = self._fresh = False

    # -- from the log, and on after a crash --------------------------------------------------------------------------

    async def load(self) -> None:
        """Fold what the log holds of this run."""
        async with self._lock:
            await self._fold()

    async def begin(self, spec: DagSpec, dag: Dag, may: dict[str, str]) -> None:
        """Write a new run and its plan, in slices; the last one applies it. Raises UsageError, SetupError."""
        jobs = tuple(dag.jobs.values())
        for job in jobs:
            check_id(job.id)
        s = self.state
        s.checked = dag
        slices = steer.proposal(s, steer.Propose("operator", jobs))
        slices[0].insert(0, ev.DagStarted(spec, may))
        for events in slices:
            seq = s.seq
            for event in events:
                evolve(s, event)
            if events is slices[-1]:
                events += self.replanning.applied(0)
            written = await self.kit.log.append([Write(self.uid, seq, tuple(events))])
            self.started = self.started or written[0].at
        self._began = self.kit.steady()
        self._fresh = True

    async def reopen(self, x: steer.Retry) -> list[Event]:
        """Try again what is over: instead of going on after a crash. Raises UsageError."""
        await self.load()
        events = await self.commit(lambda t: steer.steer(self.state, x, t))
        self._resumed = True
        self._loaded.set()
        return events

    async def _fold(self) -> None:
        state = DagState(self.uid)
        for envelope in await self.kit.log.stream(self.uid):
            self.started = self.started or envelope.at
            evolve(state, envelope.event)
            if isinstance(envelope.event, ev.ApprovalRequested):
                self._asked[envelope.event.id] = envelope.event
        self.state = state
        self._began = self.kit.steady() - max(state.t, self.kit.clock.now() - self.started)

    def now(self) -> int:
        """Microseconds since the run's start."""
        return max(self.state.t, self.kit.steady() - self._began)

    async def run(self) -> None:
        """Until the run is over. Cancelling this task leaves it open, for the next engine to continue."""
        try:
            if self._fresh:
                self._loaded.set()
                await self._patiently(lambda: self.commit(lambda _: []))
            elif not self._resumed:
                await self.load()
                await self._patiently(self._resume)
                self._loaded.set()
            while self.state.finished is None:
                if not self._inbox:
                    await asyncio.sleep(0)  # what the last turn began goes first, and may have ended by now
                if self._inbox:
                    await self._patiently(self._turn)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self.timers.close()
            await self.replanning.close()
            await self.attempts.close()

    async def _patiently(self, step: Callable[[], object]) -> None:
        """Again and again while the disk refuses; nothing that was told meanwhile is lost."""
        while True:
            try:
                await step()  # type: ignore[misc]
                return
            except SetupError as error:
                log.error("%s halted: %s", self.uid, error)
                self.kit.flow(Flow(self.uid, HALTED, str(error), error.exit_code))
                await self.kit.clock.sleep(RETRY_HALTED)

    async def _resume(self) -> None:
        """After `load`: go on with what was at work, by what doing it twice would mean."""
        s = self.state
        if s.finished:
            return
        if not s.plans and not (s.proposed and len(s.staged) == s.proposed.size):
            why = "the engine stopped before the plan was saved whole; nothing was started"
            await self.commit(lambda _: [ev.RunFinished("failed", None, why, "", "error", 1, why)])
            return
        if s.asked:
            self._expires(self._asked[s.asked])
        # As it was found: what begins below, since a change of the plan is carried through, is not what a crash left.
        found = [(job, job.attempts) for job in s.jobs.values() if job.state in UNDER_WAY]
        await self.replanning.resume()
        t = self.now()
        for job, begun in found:
            if s.jobs.get(job.spec.id) is not job or job.attempts != begun or self.attempts.has(job):
                continue
            if job.state == "retrying":
                self.timers.at(job.due, ("due", job.spec.id, job.attempts))
            elif job.state in ("running", "waiting"):
                self._late(job.spec.id)
                if not job.spec.of_agent:
                    self._seqs[job.child] = len(await self.kit.log.stream(job.child))
                if job.spec.of_agent or job.spec.kind == "wait":
                    self.attempts.begin(job, t, recovered=True)
                elif job.state == "waiting":
                    self._expires(self._asked[job.approval])
                elif job.spec.kind == "call" and job.spec.risk not in ("read_only", "idempotent"):
                    self.attempts.doubt(job)
                else:
                    await self._again(job.spec.id)
        current = {job.child for job in s.jobs.values() if job.state in ("running", "waiting")}
        for row in self.kit.runs.of(self.uid).values():
            job_id, _, attempt = row.job.rpartition("#")
            known = s.jobs.get(job_id)
            mine = known and known.state in ("running", "waiting") and attempt == str(known.attempts)
            if row.open and row.id not in current and not mine and row.id != s.planner:
                await self.kit.runs.cancel(row.id, "the graph", "its job was cancelled or is done anew")
        await self.commit(lambda _: [])

    async def _again(self, ident: str) -> None:
        """A started attempt without a result is done again, in the same stream."""
        job = self.state.jobs[ident]
        self._seqs[job.child] = len(await self.kit.log.stream(job.child))
        await self._append((), [self._task(job.child, ev.TaskResumed(job.spec.kind or ""))])
        self.attempts.begin(job, self.now())

    # -- one turn ----------------------------------------------------------------------------------------------------

    def _tell(self, what: Fate | Done) -> None:
        self._inbox.append(what)
        self._wake.set()

    async def _turn(self) -> None:
        """Everything that has come in, in one append."""
        taken: list[Fate | Done] = []

        def produce(t: int) -> list[Event]:
            out: list[Event] = []
            while self._inbox:
                taken.append(what := self._inbox.popleft())
                fate = what.fate if isinstance(what, Done) else what
                for event in decide(self.state, fate, t):
                    evolve(self.state, event)
                    out.append(event)
            return out

        try:
            await self.commit(produce, taken, evolved=True)
        except Exception:
            self._inbox.extendleft(reversed(taken))
            raise

    async def commit(
        self, produce: Produce, taken: Sequence[Fate | Done] = (), *, evolved: bool = False
    ) -> list[Event]:
        """Decide, evolve, let follow what follows, append all of it at once; then begin what it starts."""
        async with self._lock:
            s, seq = self.state, self.state.seq
            t = self.now()
            try:
                events = produce(t)
                if not evolved:
                    for event in events:
                        evolve(s, event)
                room = self.kit.room(self.uid, s.spec) if s.budgeted else _UNLIMITED
                busy = len(self.attempts) - sum(isinstance(what, Done) for what in taken)
                events += settle(s, t, room, busy=busy)
                writes = self._tasks(events, taken)
                if events or writes:
                    await self._append(events, writes, seq)
            except HarnessError as error:
                if s.seq != seq:
                    with suppress(Exception):
                        await self._fold()
                raise error
        for what in taken:
            if isinstance(what, Done):
                self.attempts.ended((what.fate.job, what.fate.attempt))
        self._follow(events, t)
        if s.finished:
            self._wake.set()
        return events

    def _tasks(self, events: Sequence[Event], taken: Sequence[Fate | Done]) -> list[Write]:
        """What goes into the streams of attempts without an agent."""
        child = self.state.child
        out = [
            self._task(child(what.fate.job, what.fate.attempt), what.task)
            for what in taken
            if type(what) is Done and what.task
        ]
        for event in events:
            if type(event) is ev.ApprovalDecided or type(event) is ev.ApprovalResolved:
                out += self._decided(event, events)
        return out

    def _decided(self, word: ev.ApprovalDecided | ev.ApprovalResolved, events: Sequence[Event]) -> list[Write]:
        """A gate's answer is what was said; one in doubt has none."""
        done = next((event.job for event in events if isinstance(event, ev.JobSucceeded)), "")
        if not done:
            return []
        approved = isinstance(word, ev.ApprovalDecided)
        value = {"approved": True, "by": word.by, "reason": word.reason} if approved else {"happened": True}
        job = self.state.jobs[done]
        return [self._task(self.state.child(done, job.attempts), ev.TaskFinished(value))]

    def _task(self, child: str, event: Event) -> Write:
        seq = self._seqs.get(child, 0)
        if type(event) is ev.TaskResumed:
            self._seqs[child] = seq + 1
        return Write(child, seq, (event,))

    async def _append(self, events: Sequence[Event], writes: list[Write], seq: int = -1) -> None:
        if events:
            writes.insert(0, Write(self.uid, seq, tuple(events)))
        redaction = self.kit.redaction
        if redaction.values:
            writes = [Write(each.run, each.expected, tuple(map(redaction.deep, each.events))) for each in writes]
        await self.kit.log.append(writes)
        hit("dag.committed")

    def _follow(self, events: Sequence[Event], t: int) -> None:
        """Begin what is durable now."""
        s, moved = self.state, False
        for event in events:
            match event:
                case ev.JobSucceeded():
                    pass  # nothing; and most events are these
                case ev.JobStarted(job=ident, attempt=attempt):
                    job = s.jobs.get(ident)
                    if job and job.attempts == attempt and job.state == "running":
                        self._late(ident)
                        self.attempts.begin(job, t)
                case ev.JobWent(job=ident) if s.jobs[ident].spec.kind == "call":
                    job = s.jobs[ident]
                    if job.state == "running":
                        self._spawn(self._again(ident))
                case ev.JobFailed(job=ident, due=due) if due:
                    self.timers.at(due, ("due", ident, 0))
                case ev.JobsCancelled() | ev.JobsReset() | ev.PlanApplied() | ev.JobDeadLettered() | ev.JobFailed():
                    moved = True
                case ev.ApprovalRequested():
                    self._expires(event)
                case ev.PlannerStarted():
                    self.replanning.begin()
                case ev.CancelRequested() | ev.RunStopped():
                    self.replanning.cancel()
        if moved:
            self.attempts.stop_stale()

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)

    # -- time --------------------------------------------------------------------------------------------------------

    def _late(self, ident: str) -> None:
        """An agent run has no deadline of its own: the job's ends it."""
        job = self.state.jobs[ident]
        if job.spec.deadline and job.spec.of_agent:
            self.timers.at(self.now() + int(job.spec.deadline * SECOND), ("late", ident, job.attempts))

    def _expires(self, event: ev.ApprovalRequested) -> None:
        if event.expires:
            self.timers.at(event.expires - self.started, ("expired", event.id, 0))

    def _ring(self, what: tuple[str, str, int]) -> None:
        """A moment has come: of (`due`, `late` or `expired`, a job or an approval, its attempt)."""
        kind, key, attempt = what
        if kind == "due":
            self._tell(Due(key))
        elif kind == "late":
            limit = self.state.jobs[key].spec.deadline if key in self.state.jobs else 0
            self._tell(Ended(key, attempt, error=f"it did not end within {limit:g} s"))
        else:
            self._spawn(self.expire(key))

    async def expire(self, approval: str) -> None:
        await self.commit(lambda t: steer.expired(self.state, approval, t))

    # -- words -------------------------------------------------------------------------------------------------------

    async def word(self, x: steer.Word) -> bool:
        """An operator's word; False when it comes too late. Durable on return.

        Raises UsageError; RunOver when the run has ended meanwhile, also to who would try it again: that takes a new
        driver.
        """
        await self._loaded.wait()
        return bool(await self.commit(self.while_open(lambda t: steer.steer(self.state, x, t))))

    def while_open(self, produce: Produce) -> Produce:
        """It waits for what is being written, which may be the end of the run."""

        def checked(t: int) -> list[Event]:
            steer.check_open(self.state)
            return produce(t)

        return checked

    async def decide(self, x: Decided | Resolved) -> bool:
        """A decision on what the run itself asks; False when it no longer waits here."""
        await self._loaded.wait()
        if isinstance(x, Decided) and len(x.digest) < MIN_DIGEST:
            return False
        hit("approve.before_commit")
        events = await self.commit(lambda t: steer.steer(self.state, x, t))
        hit("approve.after_commit")
        return any(isinstance(event, ev.ApprovalDecided | ev.ApprovalResolved) for event in events)


_UNLIMITED = Room()
"""How an attempt without an agent begins, by kind."""
_TASKS: set[asyncio.Future[object]] = set()
