"""Our own: `Orchestrator` with a journal file, jobs of kind `call`, 16 at a time. Started again it resumes.

W1 and W2 as the peers' (their joins and chains included in what is measured: the check of the plan, opening and closing
the journal too). `large` and `small` are graphs of 10,000 and 1,000 jobs with 3.5 edges a job, from the same seed.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import job as c

from harness_tui import World
from harness_tui.domain.dag.spec import Job
from harness_tui.orchestrator.api import Orchestrator

WINDOW = 200
"""A job of a large graph depends on jobs that are at most so many places before it."""

METER = c.Meter()


async def job(inputs: Mapping[str, Any], i: int) -> Any:
    METER.stamps.append(time.perf_counter())
    return await c.the_job(i)


async def link(inputs: Mapping[str, Any], i: int) -> Any:
    """A job of the chain: it takes the last one's `v`."""
    METER.stamps.append(time.perf_counter())
    return await c.the_job(i, next(iter(inputs.values()))["v"] if inputs else 0)


def called(i: int, deps: tuple[str, ...] = (), function: str = "job") -> Job:
    return Job(f"j{i}", deps, call=function, arguments={"i": i}, risk="idempotent")


def w1() -> list[Job]:
    wide = [called(i, ("j0",)) for i in range(1, c.JOBS + 1)]
    return [called(0), *wide, called(c.JOBS + 1, tuple(each.id for each in wide))]


def w2() -> list[Job]:
    return [called(i, (f"j{i - 1}",) if i else (), "link") for i in range(c.JOBS)]


def layered(jobs: int) -> list[Job]:
    """Exactly 3.5 edges a job, each to one of the `WINDOW` jobs before."""
    chance = random.Random(1)
    made: list[Job] = []
    edges = 0
    for i in range(jobs):
        before = range(max(0, i - WINDOW), i)
        deps = chance.sample(before, min(len(before), 7 * (i + 1) // 2 - edges))
        edges += len(deps)
        made.append(called(i, tuple(f"j{each}" for each in deps)))
    assert edges == 7 * jobs // 2, edges
    return made


WORKS = {"w1": w1, "w2": w2, "small": lambda: layered(c.JOBS), "large": lambda: layered(10 * c.JOBS)}


async def main() -> None:
    given = c.arguments(*WORKS)
    jobs = WORKS[given.work]()
    own = Orchestrator(functions={"job": job, "link": link}, concurrency=c.AT_ONCE)
    world = World(journal=Path(given.db))
    METER.__init__()  # type: ignore[misc]
    report = await (own.resume(world) if world.journal.exists() else own.run(jobs, world))
    METER.stop()
    assert report.state == "succeeded", report.reason
    assert len(report.jobs) == len(jobs)
    if given.work == "w2":
        assert report.answers[f"j{c.JOBS - 1}"]["v"] == c.JOBS
    else:
        METER.stamps.clear()
    whole = METER.wall
    METER.wall = at_work(given.db)
    METER.report(given.db, len(jobs), call_jobs_per_s=len(jobs) / whole)


def at_work(db: str) -> float:
    """Seconds from a run's first event to its last: without opening and closing the file, as the peers are measured."""
    with sqlite3.connect(db) as con:
        began, ended = con.execute("SELECT min(at), max(at) FROM event").fetchone()
    return (ended - began) / 1_000_000


if __name__ == "__main__":
    asyncio.run(main())
