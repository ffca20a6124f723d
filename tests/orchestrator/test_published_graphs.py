"""Graphs of published workflows from a shell: every task once, in order, within the bounds, and on after a SIGKILL."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.dag.graph import Dag
from harness_tui.domain.dag.spec import Job
from harness_tui.journal.reader import Reader
from tests.cli.program import ARGV, PATIENCE, _env, run
from tests.workflows import WORKFLOWS

from .graphs import folded, graph, sound

ALL = bool(os.environ.get("HARNESS_TESTS_CRASHES"))
"""HARNESS_TESTS_CRASHES=1 for every shape in every size."""
SLOTS = 16
RESOLUTION = 1e-6
"""Seconds; times are told in microseconds."""


def shaped(name: str, n: int, most: float = 0.003) -> list[Job]:
    """The shape, with waits from 0 to `most` seconds."""
    dice = random.Random(f"{name} {n}")
    return [Job(job.id, job.deps, wait=round(dice.uniform(0, most), 6)) for job in WORKFLOWS[name](n)]


def plan(folder: Path, jobs: list[Job]) -> Path:
    file = folder / "plan.json"
    rows = [{"id": job.id, "deps": list(job.deps), "wait": job.wait} for job in jobs]
    file.write_text(json.dumps({"goal": "a published workflow", "concurrency": SLOTS, "jobs": rows}))
    return file


def judged(jobs: list[Job], told: dict[str, Any], slots: int) -> None:
    """Every task once, none before its parents, never more than the slots at once, within Graham's bound.

    Any order of starts that leaves no slot idle while a task is ready needs at most work / m + (1 - 1 / m) * critical
    path, by the durations as they were. Ends and the starts they lead to are one append with one time, so nothing
    lies between them, and the only margin is the resolution of the times, once for each task.
    """
    assert set(told) == {job.id for job in jobs}
    assert {(each["state"], each["attempts"], each["error"]) for each in told.values()} == {("succeeded", 1, None)}
    spans = {ident: (each["started"], each["finished"]) for ident, each in told.items()}
    for job in jobs:
        for dep in job.deps:
            assert spans[job.id][0] >= spans[dep][1] - RESOLUTION, f"{job.id} began before {dep} had ended"
    steps = sorted([(start, 1) for start, _ in spans.values()] + [(end, -1) for _, end in spans.values()])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    assert most <= slots
    took = {ident: end - start for ident, (start, end) in spans.items()}
    longest: dict[str, float] = {}
    dag = Dag.from_jobs(jobs)
    for ident in dag.order:
        longest[ident] = took[ident] + max((longest[dep] for dep in dag.jobs[ident].deps), default=0.0)
    makespan = max(end for _, end in spans.values()) - min(start for start, _ in spans.values())
    bound = sum(took.values()) / slots + (1 - 1 / slots) * max(longest.values())
    assert makespan <= bound + RESOLUTION * len(jobs), f"{makespan:.3f} s, the bound is {bound:.3f} s"


SIZES = (11, 100, 1000) if ALL else (11, 300)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_published_graph_from_a_shell(home: Paths, tmp_path: Path, name: str, size: int) -> None:
    jobs = shaped(name, size)
    done = run(home, "dag", "run", str(plan(tmp_path, jobs)), "--output-format", "json")
    assert done.code == 0, done.err
    assert done.json["state"] == "succeeded"
    judged(jobs, done.json["jobs"], SLOTS)
    sound(home)


@pytest.mark.parametrize("name", sorted(WORKFLOWS) if ALL else ["montage"])
@pytest.mark.timeout(600)
async def test_ten_thousand_tasks(home: Paths, tmp_path: Path, name: str) -> None:
    jobs = shaped(name, 10_000 if ALL else 2_000)
    async with graph(home, tmp_path) as here:
        await here.start(*jobs, concurrency=SLOTS)
        row = await here.ended()
        assert (row.state, row.jobs["succeeded"]) == ("succeeded", len(jobs))
        s = await here.state()
    rows = {
        ident: {
            "state": job.state,
            "attempts": job.attempts,
            "error": job.error or None,
            "started": (job.started or 0) / 1e6,
            "finished": (job.ended or 0) / 1e6,
        }
        for ident, job in s.jobs.items()
    }
    judged(jobs, rows, SLOTS)
    here.sound()


@pytest.mark.parametrize("name", sorted(WORKFLOWS) if ALL else ["montage", "cybershake"])
def test_killed_half_way_it_is_resumed_without_repeats(home: Paths, tmp_path: Path, name: str) -> None:
    jobs = shaped(name, 300, most=0.02)
    argv = [*ARGV, "dag", "run", str(plan(tmp_path, jobs)), "--output-format", "json"]
    process = subprocess.Popen(
        argv, env=_env(home), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + PATIENCE
    while len(_ended(home)) < 100:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = _ended(home)
    assert 100 <= len(before) < 300
    done = run(home, "dag", "resume", "r1", "--output-format", "json")
    assert done.code == 0, done.err
    assert done.json["state"] == "succeeded"
    after = done.json["jobs"]
    assert {(each["state"], each["attempts"]) for each in after.values()} == {("succeeded", 1)}
    assert {ident: after[ident]["finished"] for ident in before} == before, "what had ended was left as it was"
    for job in jobs:
        assert all(after[job.id]["started"] >= after[dep]["finished"] - RESOLUTION for dep in job.deps)
    sound(home)
    again = run(home, "dag", "resume", "r1", "--output-format", "json")
    assert again.code == 2, "there is nothing left to resume"


def _ended(home: Paths) -> dict[str, float]:
    """When which task ended, by what is durable."""
    with Reader(home.journal) as reader:
        s = folded("r1", reader.stream("r1"))
    return {ident: (job.ended or 0) / 1e6 for ident, job in s.jobs.items() if job.state == "succeeded"}
