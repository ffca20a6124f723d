"""How long a run takes and what it costs to drive it: Graham's bound, and work in proportion to the graph."""

from __future__ import annotations

import heapq
import random
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain import events as ev
from harness_tui.domain.dag.analysis import analyse
from harness_tui.domain.dag.decide import Ended, decide
from harness_tui.domain.dag.evolve import evolve
from harness_tui.domain.dag.patch import Patch, check
from harness_tui.domain.dag.settle import Room, settle
from harness_tui.domain.dag.spec import Job
from harness_tui.domain.dag.state import DagState
from tests.workflows import blast, cybershake, epigenomics, genome, montage, seismology

from .rig import Rig, seen

OVER = (ev.JobSucceeded, ev.JobDeadLettered, ev.JobsCancelled)


def wired(count: int, edges: int, seed: int = 1) -> list[Job]:
    """Jobs behind up to some of the 400 before them."""
    pick = random.Random(seed)
    deps: list[set[int]] = [set() for _ in range(count)]
    while edges:
        to = pick.randrange(1, count)
        dep = pick.randrange(max(0, to - 400), to)
        edges -= dep not in deps[to]
        deps[to].add(dep)
    return [Job(f"j{at}", tuple(f"j{dep}" for dep in sorted(deps[at])), wait=0.01) for at in range(count)]


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 40),
    slots=st.integers(1, 5),
    lengths=st.lists(st.integers(1, 1000), min_size=40, max_size=40),
)
def test_the_run_is_as_short_as_graham_promises(seed: int, count: int, slots: int, lengths: list[int]) -> None:
    jobs = wired(count, min(count * (count - 1) // 4, count * 2) if count > 2 else 0, seed)
    length = {job.id: lengths[at] for at, job in enumerate(jobs)}
    rig = Rig(jobs, concurrency=slots)
    ends: list[tuple[int, str]] = []
    begun: set[str] = set()
    while rig.state.finished is None:
        for job, _ in rig.work:
            if job not in begun:
                begun.add(job)
                heapq.heappush(ends, (rig.t + length[job], job))
        assert len(rig.work) <= slots
        rig.t, job = heapq.heappop(ends)
        rig.ok(job)
    longest: dict[str, int] = {}
    for job in jobs:
        longest[job.id] = length[job.id] + max((longest[dep] for dep in job.deps), default=0)
    whole, way = sum(length[job.id] for job in jobs), max(longest.values())
    assert max(way, whole / slots) <= rig.t <= whole / slots + (1 - 1 / slots) * way
    assert Counter(event.job for event in rig.log if isinstance(event, OVER[:1])) == dict.fromkeys(length, 1)
    found = analyse(rig.state, rig.t)
    assert sum(length[ident] for ident in found.critical) == way
    assert found.finish == rig.t


@pytest.mark.parametrize("shape", [montage, epigenomics, genome, cybershake, seismology, blast])
def test_published_workflows_run_each_task_once_and_in_order(shape: Callable[[int], list[Job]]) -> None:
    jobs = shape(300)
    rig = Rig(jobs, concurrency=7)
    done: set[str] = set()
    deps = {job.id: job.deps for job in jobs}
    while rig.state.finished is None:
        for job, attempt in sorted(rig.work):
            assert attempt == 1 and done.issuperset(deps[job])
            rig.t += 10
            rig.ok(job)
            assert job not in done
            done.add(job)
    assert done == deps.keys()
    assert seen(rig.folded()) == seen(rig.pictured()) == seen(rig.state)


def test_the_forecast_is_what_then_happens() -> None:
    """A `wait` says how long it takes, so that the play-through is exact."""
    jobs = wired(60, 120)
    rig = Rig(jobs, concurrency=3)
    told = analyse(rig.state, 0).finish
    begun: dict[str, int] = {}
    while rig.state.finished is None:
        for job, _ in rig.work:
            begun.setdefault(job, rig.t)
        job = min((job for job, _ in rig.work), key=lambda ident: (begun[ident], ident))
        rig.t = begun[job] + 10_000
        rig.ok(job)
        assert analyse(rig.state, rig.t).finish == told
    assert told == rig.t


def _calls(work: Callable[[], object]) -> int:
    """Calls of Python and C functions: what it costs, on any machine."""
    count = 0

    def one(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(one)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def _whole(jobs: list[Job]) -> int:
    """Calls to plan, run and finish all of it, sixteen at a time."""

    def run() -> None:
        rig = Rig(jobs, concurrency=16)
        s, work = rig.state, sorted(rig.work)
        for at, (job, attempt) in enumerate(work):
            for event in decide(s, Ended(job, attempt, result="x"), at):
                evolve(s, event)
            left = len(work) - at - 1
            work += [(e.job, e.attempt) for e in settle(s, at, Room(), busy=left) if isinstance(e, ev.JobStarted)]
        assert s.finished

    return _calls(run)


def test_ten_thousand_jobs_cost_ten_times_a_thousand() -> None:
    small, large = _whole(wired(1_000, 3_500)), _whole(wired(10_000, 35_000))
    assert large / 10_000 <= 1.5 * small / 1_000


def test_looking_at_ten_thousand_costs_ten_times_looking_at_a_thousand() -> None:
    def cost(count: int) -> tuple[int, int]:
        rig = Rig(wired(count, count * 7 // 2), concurrency=16)
        rig.t = 10_000
        for _ in range(10):
            rig.ok(rig.at_work()[0])
        patch = Patch(add=tuple(Job(f"x{at}", (f"j{at}",), wait=1.0) for at in range(count // 10)))
        return _calls(lambda: analyse(rig.state, rig.t)), _calls(lambda: check(rig.state, patch, "planner"))

    for small, large in zip(cost(1_000), cost(10_000), strict=True):
        assert large / 10_000 <= 1.5 * small / 1_000


def test_gates_that_wait_do_not_make_each_other_dear() -> None:
    def cost(count: int) -> int:
        rig = Rig([Job(f"g{at}", gate="?") for at in range(count)], concurrency=4)
        assert rig.state.count("waiting") == count
        return _calls(lambda: [rig.decided(f"g{at}", "approved") for at in range(20)])

    assert cost(2_000) <= 2 * cost(200)


def test_a_state_alone_knows_nothing() -> None:
    assert analyse(DagState("r1"), 0).finish == 0
