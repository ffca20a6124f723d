"""One graph's run driven by hand, as the engine drives it, with a counter for a clock: inputs in, events out."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

from harness_tui.domain import events as ev
from harness_tui.domain.codec import decode as decode_event
from harness_tui.domain.codec import encode as encode_event
from harness_tui.domain.dag.decide import Due, Ended, Fate, Waits, decide
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.picture import DagPicture, picture, restore
from harness_tui.domain.dag.settle import Room, settle
from harness_tui.domain.dag.spec import DagSpec, Job
from harness_tui.domain.dag.state import HOLDING, DagState
from harness_tui.domain.dag.steer import Propose, Word, applied, expired, proposal, steer
from harness_tui.domain.events import Envelope, Event
from harness_tui.domain.fold import Views
from harness_tui.domain.inputs import Decided

SECOND = 1_000_000
RUN = "r20"


def request(ident: str, kind: ev.ApprovalKind = "gate") -> ev.ApprovalRequested:
    return ev.ApprovalRequested(
        ident, "", "gate", "med", "idempotent", "?", (), "d" * 64, "a" * 64, 0, kind, arguments={"job": ident}
    )


def job(ident: str, *deps: str, **more: object) -> Job:
    kinds = {"call", "prompt", "gate", "wait", "verify", "command", "tool"}
    return Job(ident, deps, **(more if kinds & more.keys() else {"call": "m:f", **more}))  # type: ignore[arg-type]


DIAMOND = [job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c")]


class Rig:
    """Attributes: work: (job, attempt) still at work, those of cancelled jobs included; asked: job -> its request."""

    def __init__(self, jobs: Iterable[Job], *, room: Room | None = None, settled: bool = True, **spec: Any) -> None:
        self.state = DagState(RUN)
        self.views = Views()
        self.log: list[Event] = []
        self.t = 0
        self.room = room or Room()
        self.work: set[tuple[str, int]] = set()
        self.asked: dict[str, str] = {}
        self.fold([ev.DagStarted(DagSpec(**spec))])
        self.propose(Propose("operator", tuple(jobs)), settled=settled)

    # -- in and out --------------------------------------------------------------------------------------------------

    def fold(self, events: list[Event]) -> list[Event]:
        for event in events:
            evolve(self.state, event)
            self.keep(event)
        return events

    def keep(self, event: Event) -> None:
        self.log.append(event)
        at = len(self.log)
        self.views.apply(Envelope(at, RUN, at, at, event))

    def settle(self) -> list[Event]:
        """What follows by itself; gates are asked about at once."""
        out: list[Event] = []
        while events := settle(self.state, self.t, self.room, busy=len(self.work)):
            for event in events:
                self.keep(event)
            out += events
            for event in events:
                if not isinstance(event, ev.JobStarted):
                    continue
                if self.state.jobs[event.job].spec.kind != "gate":
                    self.work.add((event.job, event.attempt))
                    continue
                ident = self.asked[event.job] = f"A-{len(self.log)}"
                asks = Waits(event.job, event.attempt, "approval", ident, request=request(ident))
                out += self.fold(decide(self.state, asks, self.t))
        return out

    def put(self, x: Fate) -> list[Event]:
        if isinstance(x, Ended):
            self.work.discard((x.job, x.attempt))
        return self.fold(decide(self.state, x, self.t)) + self.settle()

    def say(self, x: Word) -> list[Event]:
        return self.fold(steer(self.state, x, self.t)) + self.settle()

    def expire(self, job: str) -> list[Event]:
        return self.fold(expired(self.state, self.asked[job], self.t)) + self.settle()

    def propose(self, x: Propose, *, settled: bool = True) -> list[Event]:
        out: list[Event] = []
        for events in proposal(self.state, x):
            out += self.fold(events)
        if x.widens:
            out += self.fold([request(f"A-{len(self.log)}", "plan")])
        else:
            out += self.fold(applied(self.state))
        return out + (self.settle() if settled else [])

    # -- in short ----------------------------------------------------------------------------------------------------

    def ok(self, job: str, result: str = "", **more: Any) -> list[Event]:
        """The job's newest attempt succeeds; without a result, with one that is new."""
        return self.put(Ended(job, self.state.jobs[job].attempts, result=result or f"{len(self.log)}", **more))

    def fail(self, job: str, error: str = "exit 1", **more: Any) -> list[Event]:
        return self.put(Ended(job, self.state.jobs[job].attempts, error=error, **more))

    def decided(self, job: str, decision: ev.Decision, reason: str = "") -> list[Event]:
        return self.say(Decided(self.asked[job], decision, "ada", "d" * 64, reason))

    def later(self, us: int) -> None:
        """Time passes; what is due then is."""
        self.t += us
        for ident in [i for i, job in self.state.jobs.items() if job.state == "retrying" and job.due <= self.t]:
            self.put(Due(ident))

    def words(self) -> dict[str, str]:
        return {ident: job.state for ident, job in self.state.jobs.items()}

    def at_work(self) -> list[str]:
        return sorted(ident for ident, job in self.state.jobs.items() if job.state == "running")

    def drain(self, result: str = "") -> None:
        """Everything that is at work succeeds, until nothing is left that would."""
        while self.work or any(job.state == "retrying" for job in self.state.jobs.values()):
            for job, attempt in sorted(self.work):
                self.put(Ended(job, attempt, result=result or "x"))
            self.later(3600 * SECOND)

    # -- after a crash -----------------------------------------------------------------------------------------------

    def folded(self) -> DagState:
        """The state as a new process has it, from the log."""
        fresh = DagState(RUN)
        for event in self.log:
            evolve(fresh, decode_event(*encode_event(event)))
        return fresh

    def pictured(self) -> DagState:
        """The state as a console has it, over the socket."""
        wire = msgspec.json.encode(picture(self.state, 1))
        return restore(msgspec.json.decode(wire, type=DagPicture))


def seen(s: DagState) -> dict[str, Any]:
    """Everything a state says, in a form that compares."""
    plain = {
        name: value
        for name, value in vars(s).items()
        if name not in ("jobs", "dag", "ready", "parked", "used", "strays", "checked")
    }
    return {
        **{name: copy.deepcopy(value) for name, value in plain.items()},
        "jobs": [(ident, copy.deepcopy(job)) for ident, job in s.jobs.items()],
        "order": sorted(s.dag.order),
        "below": s.dag.below,
        "used": {name: amount for name, amount in s.used.items() if amount},
    }


def recounted(s: DagState) -> None:
    """Every count of a state is what a count from its jobs gives."""
    jobs = list(s.jobs.values())
    assert s.running == sum(job.state == "running" for job in jobs)
    assert s.left == sum(not job.over for job in jobs)
    used: dict[str, int] = {}
    for job in jobs:
        for name, amount in job.spec.uses.items() if job.state in HOLDING else ():
            used[name] = used.get(name, 0) + amount
    assert used == {name: amount for name, amount in s.used.items() if amount}
    assert all(amount <= s.spec.resources.get(name, 1) for name, amount in used.items())
    in_heap = {entry[2] for entries in (s.ready, *s.parked.values()) for entry in entries}
    assert all(job.spec.id in in_heap or job.held for job in jobs if job.state == "ready")
