"""Random graphs, failures, words of the operator and crashes: the core does what the naive model does, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness_tui.domain import events as ev
from harness_tui.domain.dag.decide import Due, Ended, Waits, Went
from harness_tui.domain.dag.spec import Job, Retry, Route
from harness_tui.domain.dag.steer import Cancel, Pause, Propose, Resume
from harness_tui.domain.dag.steer import Retry as Anew
from harness_tui.domain.errors import UsageError

from .naive import Naive
from .rig import SECOND, Rig, recounted, seen

RESULTS = ["a", "b", "back"]


@st.composite
def graphs(draw: st.DrawFn, most: int = 14) -> list[Job]:
    """Jobs in any order, each behind some of those before it."""
    count = draw(st.integers(1, most))
    jobs = [_job(draw, f"j{at}", [f"j{dep}" for dep in range(at)]) for at in range(count)]
    return draw(st.permutations(jobs))


def _job(draw: st.DrawFn, ident: str, before: list[str]) -> Job:
    deps = tuple(draw(st.lists(st.sampled_from(before), max_size=3))) if before else ()
    retry = draw(st.sampled_from([Retry(), Retry(2), Retry(3, "fixed", 2.0)]))
    uses = draw(st.sampled_from([{}, {}, {}, {"db": 1}, {"net": 2}]))
    goto = draw(st.sampled_from(["", "", "", ident, *before[-3:]]))
    route = (Route(match="back", goto=goto),) if goto else ()
    call = draw(st.sampled_from(["m:f", "m:g"]))
    return Job(ident, deps, call=call, retry=retry, uses=uses, route=route, visits=draw(st.integers(1, 3)))


class Core(RuleBasedStateMachine):
    """The rig beside the model; each rule gives both the same."""

    @initialize(jobs=graphs(), concurrency=st.integers(1, 5))
    def begin(self, jobs: list[Job], concurrency: int) -> None:
        resources = {"net": 3}
        self.rig = Rig(jobs, concurrency=concurrency, resources=resources, settled=False)
        self.naive = Naive(jobs, concurrency, resources)
        self.checked = 0
        self.fresh = 0
        self.rig.settle()
        self._settle()

    def _settle(self) -> None:
        self.naive.settle(len(self.rig.work))

    def _pick(self, data: st.DataObject, of: Any) -> Any:
        return data.draw(st.sampled_from(sorted(of)))

    # -- attempts ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.rig.work)
    @rule(data=st.data(), result=st.sampled_from(RESULTS))
    def attempt_succeeds(self, data: st.DataObject, result: str) -> None:
        job, attempt = self._pick(data, self.rig.work)
        self.rig.put(Ended(job, attempt, result=result, text=result, tokens=7, usd=3))
        self.naive.succeed(job, attempt, result)
        self._settle()

    @precondition(lambda self: self.rig.work)
    @rule(data=st.data(), final=st.sampled_from([False, False, True]))
    def attempt_fails(self, data: st.DataObject, final: bool) -> None:
        job, attempt = self._pick(data, self.rig.work)
        self.rig.put(Ended(job, attempt, error="exit 1", final=final, tokens=7, usd=3))
        self.naive.fail(job, attempt, self.rig.t, final)
        self._settle()

    @precondition(lambda self: self.rig.work)
    @rule(data=st.data(), asks=st.booleans())
    def attempt_waits(self, data: st.DataObject, asks: bool) -> None:
        job, attempt = self._pick(data, self.rig.work)
        self.rig.put(
            Waits(job, attempt, "in_doubt", f"A-{job}-{attempt}") if asks else Waits(job, attempt, "rate_limit")
        )
        self.naive.wait(job, attempt)
        self._settle()

    @precondition(lambda self: self.rig.work)
    @rule(data=st.data())
    def attempt_goes_on(self, data: st.DataObject) -> None:
        job, attempt = self._pick(data, self.rig.work)
        self.rig.put(Went(job, attempt))
        self.naive.go(job, attempt)
        self._settle()

    @rule(data=st.data(), attempt=st.integers(0, 3))
    def something_stale_comes(self, data: st.DataObject, attempt: int) -> None:
        job = data.draw(st.sampled_from(["nobody", *self.rig.state.jobs]))
        if (job, attempt) in self.rig.work:
            return
        before, length = seen(self.rig.state), len(self.rig.log)
        for x in (Ended(job, attempt, result="z"), Ended(job, attempt, error="z"), Went(job, attempt)):
            self.rig.put(x)
        assert len(self.rig.log) == length
        assert seen(self.rig.state) == before

    @rule(us=st.integers(0, 3 * SECOND))
    def time_passes(self, us: int) -> None:
        self.rig.t += us
        for ident in self.naive.time(self.rig.t):
            self.rig.put(Due(ident))
            self.naive.word[ident] = "todo"
            self._settle()

    # -- words -------------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def branch_is_cancelled(self, data: st.DataObject) -> None:
        ident = self._pick(data, self.rig.state.jobs)
        if self.naive.finished or self.naive.word[ident] in ("succeeded", "dead_lettered", "cancelled"):
            with pytest.raises(UsageError):
                self.rig.say(Cancel("ada", job=ident))
            return
        self.rig.say(Cancel("ada", job=ident))
        self.naive.cancel(ident)
        self._settle()

    @precondition(lambda self: not self.naive.finished and len(self.rig.log) % 5 == 0)
    @rule()
    def run_is_cancelled(self) -> None:
        self.rig.say(Cancel("ada"))
        self.naive.cancelled = True
        self._settle()

    @precondition(lambda self: not self.naive.finished)
    @rule(data=st.data(), whole=st.booleans())
    def pause(self, data: st.DataObject, whole: bool) -> None:
        if whole and self.naive.paused:
            with pytest.raises(UsageError):
                self.rig.say(Pause("ada"))
            return
        ident = "" if whole else self._pick(data, self.rig.state.jobs)
        self.rig.say(Pause("ada", job=ident))
        self.naive.paused = self.naive.paused or whole
        if ident:
            self.naive.hold(ident)
        self._settle()

    @precondition(lambda self: not self.naive.finished and (self.naive.paused or self.naive.held))
    @rule(data=st.data(), whole=st.booleans())
    def resume(self, data: st.DataObject, whole: bool) -> None:
        if not whole and self.naive.held:
            ident = self._pick(data, self.naive.held)
            self.naive.release(ident)
            self.rig.say(Resume("ada", ident))
        else:
            self.naive.paused, self.naive.held = False, set()
            self.rig.say(Resume("ada"))
        self._settle()

    @rule(data=st.data(), feedback=st.sampled_from(["", "shorter"]))
    def retry_from(self, data: st.DataObject, feedback: str) -> None:
        ident = self._pick(data, self.rig.state.jobs)
        if any(self.naive.word[dep] in ("dead_lettered", "cancelled") for dep in self.naive.jobs[ident].deps):
            with pytest.raises(UsageError):
                self.rig.say(Anew("operator:ada", ident, feedback))
            return
        self.naive.retry(ident, feedback)
        self.rig.say(Anew("operator:ada", ident, feedback))
        self._settle()

    @rule()
    def retry_what_failed(self) -> None:
        if not self.naive.lost():
            with pytest.raises(UsageError):
                self.rig.say(Anew("operator:ada"))
            return
        self.naive.retry_lost()
        self.rig.say(Anew("operator:ada"))
        self._settle()

    # -- the plan ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.naive.finished)
    @rule(data=st.data(), drops=st.booleans(), adds=st.booleans(), replaces=st.booleans())
    def replan(self, data: st.DataObject, drops: bool, adds: bool, replaces: bool) -> None:
        known = list(self.naive.jobs)
        drop: set[str] = set()
        if drops and len(known) > 1:
            first = data.draw(st.sampled_from(known))
            drop = {first} | self.naive.after({first})
            kept = self.naive.jobs.keys() - drop
            if any({r.goto for r in self.naive.jobs[i].route} & drop for i in kept) or not kept:
                drop = set()
        left = [ident for ident in known if ident not in drop]
        jobs: list[Job] = []
        if replaces:
            ident = data.draw(st.sampled_from(left))
            behind = self.naive.after({ident}) | {ident}
            jobs.append(data.draw(_one(ident, [each for each in left if each not in behind])))
        if adds:
            self.fresh += 1
            jobs.append(data.draw(_one(f"n{self.fresh}", left)))
        if not jobs and not drop:
            return
        self.rig.propose(Propose("operator:ada", tuple(jobs), tuple(sorted(drop))))
        self.naive.replan(jobs, drop)
        self._settle()

    # -- crashes -----------------------------------------------------------------------------------------------------

    @rule(pictured=st.booleans())
    def crash(self, pictured: bool) -> None:
        now = seen(self.rig.state)
        folded, restored = self.rig.folded(), self.rig.pictured()
        assert seen(folded) == now
        assert seen(restored) == now
        self.rig.state = restored if pictured else folded

    # -- always ------------------------------------------------------------------------------------------------------

    @invariant()
    def model_agrees(self) -> None:
        s = self.rig.state
        assert self.rig.words() == self.naive.words()
        assert {i: job.attempts for i, job in s.jobs.items()} == {i: self.naive.attempts[i] for i in self.naive.jobs}
        assert {i: job.visits for i, job in s.jobs.items()} == {i: self.naive.visits[i] for i in self.naive.jobs}
        assert {i for i, job in s.jobs.items() if job.held} == self.naive.held
        assert bool(s.finished) == self.naive.finished

    @invariant()
    def counts_are_recounts(self) -> None:
        recounted(self.rig.state)
        row = self.rig.views.runs["r20"]
        for word in ("succeeded", "dead_lettered", "cancelled"):
            assert row.jobs.get(word, 0) == self.rig.state.count(word), word
        assert row.jobs["all"] == len(self.rig.state.jobs)

    @invariant()
    def starts_are_lawful(self) -> None:
        """Of each start: its number, and that nothing of the job was at work."""
        attempts: dict[str, int] = {}
        for event in self.rig.log:
            if isinstance(event, ev.JobStarted):
                assert event.attempt == attempts.get(event.job, 0) + 1
                attempts[event.job] = event.attempt
            elif isinstance(event, ev.PatchProposed):
                for ident in event.drop:
                    attempts.pop(ident, None)
        assert self.rig.views.runs["r20"].attempts == sum(isinstance(event, ev.JobStarted) for event in self.rig.log)

    @invariant()
    def nobody_starts_before_dependencies(self) -> None:
        s = self.rig.state
        for job in s.jobs.values():
            if job.state in ("running", "waiting", "retrying", "ready"):
                assert all(s.jobs[dep].state == "succeeded" for dep in job.spec.deps)

    def teardown(self) -> None:
        """Left to itself it ends, with nothing pending."""
        if not hasattr(self, "rig"):
            return
        s = self.rig.state
        if not s.finished and (s.paused or any(job.held for job in s.jobs.values())):
            self.rig.say(Resume("ada"))
        for _ in range(2000):
            if self.rig.state.finished:
                break
            self.rig.later(3 * SECOND)
            for job, attempt in sorted(self.rig.work):
                self.rig.put(Ended(job, attempt, result="end", text="end"))
        s = self.rig.state
        assert s.finished
        assert all(job.over for job in s.jobs.values())
        for ident, job in s.jobs.items():
            if job.state in ("dead_lettered", "cancelled"):
                assert {s.jobs[each].state for each in s.dag.after((ident,))} <= {"cancelled"}
        failed = any(job.state != "succeeded" for job in s.jobs.values())
        assert s.finished.state == ("cancelled" if s.cancel else "failed" if failed else "succeeded")


@st.composite
def _one(draw: st.DrawFn, ident: str, before: list[str]) -> Job:
    return _job(draw, ident, before)


TestCore = Core.TestCase
TestCore.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
