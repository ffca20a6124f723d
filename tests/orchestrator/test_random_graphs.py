"""Random graphs with random failures through a real engine, against a naive reference, while an operator interferes."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.dag.spec import Job, Retry
from harness_tui.domain.dag.state import DagState
from harness_tui.domain.errors import UsageError
from harness_tui.port.commands import AnyCommand, CancelJob, PauseDag, ResumeDag, RetryDag

from .graphs import Graph, graph

SEEDS = int(os.environ.get("HARNESS_TESTS_GRAPHS", "12"))
"""HARNESS_TESTS_GRAPHS=500 for a closer look."""
HERE = "tests.orchestrator.effects"


def drawn(dice: random.Random) -> list[Job]:
    """Up to 40 jobs, each of which fails some times and is tried some times, behind some of those before it."""
    jobs: list[Job] = []
    for number in range(dice.randrange(1, 40)):
        deps = dice.sample([job.id for job in jobs], min(len(jobs), dice.choice((0, 1, 1, 2, 3))))
        fails = dice.choice((0, 0, 0, 1, 2))
        retry = Retry(dice.choice((1, 2, 3)), dice.choice(("none", "fixed", "exponential")), 0.002, 2.0, 0.01, 0.5)
        arguments = {"fails": fails, "seconds": dice.choice((0.0, 0.001, 0.004))}
        uses = {"db": 1} if dice.random() < 0.3 else {}
        jobs.append(
            Job(
                f"j{number}",
                tuple(deps),
                call=f"{HERE}:work",
                arguments=arguments,
                retry=retry,
                risk="idempotent",
                uses=uses,
            )
        )
    dice.shuffle(jobs)
    return jobs


def reference(jobs: list[Job]) -> dict[str, tuple[str, int]]:
    """What becomes of each (state, attempts), by looking again and again until nothing changes."""
    found: dict[str, tuple[str, int]] = {}
    while len(found) < len(jobs):
        for job in [each for each in jobs if each.id not in found and all(dep in found for dep in each.deps)]:
            fails, tries = job.arguments["fails"], job.retry.attempts
            if any(found[dep][0] != "succeeded" for dep in job.deps):
                found[job.id] = ("cancelled", 0)
            elif fails < tries:
                found[job.id] = ("succeeded", fails + 1)
            else:
                found[job.id] = ("dead_lettered", tries)
    return found


def after(jobs: list[Job], roots: set[str]) -> set[str]:
    found = set(roots)
    while more := {job.id for job in jobs if found.intersection(job.deps)} - found:
        found |= more
    return found


def lawful(s: DagState, jobs: list[Job], slots: int, done: list[str]) -> None:
    """By the times on record: nobody before who it waits for, never more at once than may be, nothing done twice."""
    runs: list[tuple[int, int]] = []
    of_db: list[tuple[int, int]] = []
    for job in s.jobs.values():
        mine = [(bar.start, bar.end) for bar in job.bars if bar.what == "run"]
        runs += mine
        of_db += mine if job.spec.uses else []
        if job.state == "succeeded" and not job.reused:
            for dep in job.spec.deps:
                before = s.jobs[dep]
                assert before.state == "succeeded"
                assert before.reused or before.bars[-1].end <= mine[-1][0]
    for spans, most in ((runs, slots), (of_db, 2)):
        now = 0
        for _, step in sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans]):
            now += step
            assert now <= most
    assert set(Counter(done).values()) <= {1}
    begun = {f"{job.spec.id}#{number}" for job in s.jobs.values() for number in range(1, job.attempts + 1)}
    assert set(done) <= begun


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_becomes_of_every_job_is_what_the_reference_says(home: Paths, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    jobs, slots = drawn(dice), dice.randrange(1, 6)
    async with graph(home, tmp_path) as here:
        await here.start(*jobs, concurrency=slots, resources={"db": 2})
        row = await here.ended()
        s = await here.state()
        wanted = reference(jobs)
        assert {ident: (job.state, job.attempts) for ident, job in s.jobs.items()} == wanted
        good = all(state == "succeeded" for state, _ in wanted.values())
        assert (row.state, row.exit) == (("succeeded", 0) if good else ("failed", 1))
        lawful(s, jobs, slots, here.done())
        assert len(here.done()) == sum(attempts for _, attempts in wanted.values())
    here.sound()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_an_operator_interferes_and_what_is_not_touched_is_as_it_was(
    home: Paths, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(1000 + seed)
    jobs, slots = drawn(dice), dice.randrange(1, 6)
    async with graph(home, tmp_path) as here:
        uid = await here.start(*jobs, concurrency=slots, resources={"db": 2})
        cancelled, anew = await interfere(here, dice, jobs)
        for word in (ResumeDag(uid, "op"),):
            try:
                await here.send(word)
            except UsageError:
                pass
        row = await here.ended()
        s = await here.state()
        wanted = reference(jobs)
        touched = after(jobs, cancelled | anew)
        assert {i: (j.state, j.attempts) for i, j in s.jobs.items() if i not in touched} == {
            ident: each for ident, each in wanted.items() if ident not in touched
        }
        behind = after(jobs, cancelled)
        for ident, job in s.jobs.items():
            lost = [dep for dep in job.spec.deps if s.jobs[dep].state != "succeeded"]
            assert job.state in ("succeeded", "dead_lettered", "cancelled")
            assert not (job.state == "succeeded" and lost), "a job behind one that did not succeed has not either"
            assert job.state != "cancelled" or lost or ident in behind
        lawful(s, jobs, slots, here.done())
        assert row.attempts == sum(job.attempts for job in s.jobs.values())
    here.sound()


async def interfere(here: Graph, dice: random.Random, jobs: list[Job]) -> tuple[set[str], set[str]]:
    """Some words at random while it runs: (branches that were cancelled, jobs that were done anew)."""
    cancelled, anew = set[str](), set[str]()
    for _ in range(dice.randrange(1, 8)):
        await asyncio.sleep(dice.uniform(0, 0.01))
        ident = dice.choice(jobs).id
        words: list[AnyCommand] = [
            CancelJob(here.uid, ident, "op"),
            PauseDag(here.uid, "op"),
            PauseDag(here.uid, "op", job=ident),
            ResumeDag(here.uid, "op"),
            ResumeDag(here.uid, "op", ident),
            RetryDag(here.uid, "op", ident),
        ]
        word = dice.choice(words)
        try:
            await here.send(word)
        except UsageError:
            continue
        if isinstance(word, CancelJob):
            cancelled.add(ident)
        if isinstance(word, RetryDag):
            anew.add(ident)
    return cancelled, anew
