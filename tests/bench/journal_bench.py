"""What an append costs beside the floor in the same run. `python tests/bench/journal_bench.py` prints one JSON object.

chain: one append after the other, as a single run makes them. wide: 16 at a time, as many runs make them.
loop: an agent loop's events (work W3: 200 characters from the model, 1,000 from the tool), late against early.
fan: one run with `JOBS` jobs, each two events in the run's stream (whose row changes) and two in a new stream without a
row: 16 appends at a time, one after the other (fan_chain), or 16 jobs in each append (fan_shared). fan_long has twenty
times the jobs: late against early, and how long opening takes with so many streams.
Rates are appends a second (jobs for a fan), times milliseconds, `cpu_us` of the whole process for each job; medians of
`REPEATS` round-robin.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from floor import commits_per_second

from harness_tui.domain import events as ev
from harness_tui.domain.codec import encode
from harness_tui.domain.dag.spec import DagSpec
from harness_tui.domain.events import Event, Write
from harness_tui.domain.messages import Text, ToolCall, Usage
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.journal.journal import Journal

APPENDS = 2000
WIDE = 16
ITERATIONS = 200
JOBS = 1000
REPEATS = 5
SMALL: tuple[Event, ...] = (ev.TurnEnded(1), ev.ToolNoted("a dialog was answered"), ev.EnvironmentClosed("done"))
SYNCED: tuple[Event, ...] = (*SMALL[:2], ev.ApprovalDecided("A-1", "approved", "me", "d" * 12))
SPEC = RunSpec(TaskFile("read"), ModelSpec("stand-in", "scripted"))


class WallClock:
    def now(self) -> int:
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def chain(journal: Journal, events: tuple[Event, ...], run: str, count: int) -> list[float]:
    """Append one after the other; the seconds each took."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await journal.append([Write(run, journal.head(run), events)])
        times.append(time.perf_counter() - start)
    return times


async def one_by_one(journal: Journal, events: tuple[Event, ...]) -> dict[str, float]:
    times = await chain(journal, events, "r1", APPENDS)
    return {"per_s": len(times) / sum(times), "p99_ms": 1000 * statistics.quantiles(times, n=100)[98]}


async def many_at_once(journal: Journal, events: tuple[Event, ...]) -> dict[str, float]:
    start = time.perf_counter()
    await asyncio.gather(*(chain(journal, events, f"r{n}", APPENDS // WIDE) for n in range(WIDE)))
    return {"per_s": APPENDS // WIDE * WIDE / (time.perf_counter() - start)}


async def agent_loop(journal: Journal, _: tuple[Event, ...]) -> dict[str, float]:
    """Five events and two commits an iteration: what a turn ends with is written with the next question."""
    run, times = "r1/1", []
    await journal.append([Write("r1", 0, (ev.RunStarted(SPEC),)), Write(run, 0, (ev.AttemptStarted("r1", 1),))])
    ended: tuple[Event, ...] = ()
    for number in range(1, ITERATIONS + 1):
        call = ToolCall(f"t{number}", "browser_get_text", {"selector": "s" * 50})
        start = time.perf_counter()
        asked = ev.ModelRequested(f"c{number}", number, 1000, "2026-11-21")
        await journal.append([Write(run, journal.head(run), (*ended, asked))])
        answer = ev.ModelAnswered(asked.call, (Text("t" * 200), call), Usage(500, 50))
        used = ev.ToolStarted(call.id, call.name, "read_only", "d" * 64, "browser_get_text")
        await journal.append([Write(run, journal.head(run), (answer, used))])
        ended = (ev.ToolFinished(call.id, call.name, True, "t" * 1000, 3), ev.TurnEnded(number))
        times.append(time.perf_counter() - start)
    tenth = ITERATIONS // 10
    early, late = statistics.median(times[tenth : 2 * tenth]), statistics.median(times[-tenth:])
    return {"ms": 1000 * statistics.median(times), "growth": late / early, "payload_bytes": 1250 * ITERATIONS}


def one_job(number: int) -> tuple[tuple[Event, ...], Write]:
    """What a job adds to the run's stream, and its own stream."""
    job = f"j{number}"
    done = (ev.JobStarted(job, 1, "f" * 16, number), ev.JobSucceeded(job, "f" * 16, number))
    return done, Write(f"r1/{job}#1", 0, (ev.TaskResumed("function"), ev.TaskFinished("y" * 60)))


async def fan(journal: Journal, jobs: int, appenders: int, shared: int) -> dict[str, float]:
    """`jobs` jobs by `appenders` at a time, `shared` of them in each append."""
    await journal.append([Write("r1", 0, (ev.DagStarted(DagSpec()),))])
    left, times, begun = iter(range(0, jobs, shared)), list[float](), list[float]()

    async def appender() -> None:
        for first in left:
            start, made = time.perf_counter(), [one_job(number) for number in range(first, first + shared)]
            begun.append(time.process_time())
            own = Write("r1", journal.head("r1"), tuple(event for done, _ in made for event in done))
            await journal.append([own, *(stream for _, stream in made)])
            times.append(time.perf_counter() - start)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(appender() for _ in range(appenders)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    tenth = len(begun) // 10
    growth = (begun[-1] - begun[-tenth]) / (begun[2 * tenth] - begun[tenth])
    p99 = 1000 * statistics.quantiles(times, n=100)[98]
    return {"per_s": jobs / wall, "cpu_us": 1e6 * cpu / jobs, "p99_ms": p99, "growth": growth}


async def opened_again(path: Path) -> float:
    start = time.perf_counter()
    journal = await Journal.open(path, WallClock())
    took = time.perf_counter() - start
    await journal.close()
    return 1000 * took


def measured(work: Callable[..., Coroutine[Any, Any, dict[str, float]]], events: tuple[Event, ...]) -> dict[str, float]:
    """One piece of work on a fresh journal, and how many bytes it left."""

    async def go() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "journal.db")
            journal = await Journal.open(path, WallClock())
            found = await work(journal, events)
            await journal.close()
            size = os.path.getsize(path)  # noqa: ASYNC240
            return {**found, "db_bytes": size, "open_ms": await opened_again(path)}

    return asyncio.run(go())


def floor(events: tuple[Event, ...], appends: int, synchronous: str) -> dict[str, float]:
    bodies = [encode(event)[1] for event in events]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "floor.db")
        per_s = commits_per_second(path, bodies, commits=APPENDS // appends, appends=appends, synchronous=synchronous)
        return {"per_s": per_s, "db_bytes": path.stat().st_size}


CASES: dict[str, Callable[[], dict[str, float]]] = {
    "floor_chain": lambda: floor(SMALL, 1, "NORMAL"),
    "journal_chain": lambda: measured(one_by_one, SMALL),
    "floor_wide": lambda: floor(SMALL, WIDE, "NORMAL"),
    "journal_wide": lambda: measured(many_at_once, SMALL),
    "floor_chain_power": lambda: floor(SYNCED, 1, "FULL"),
    "journal_chain_power": lambda: measured(one_by_one, SYNCED),
    "journal_wide_power": lambda: measured(many_at_once, SYNCED),
    "journal_loop": lambda: measured(agent_loop, ()),
    "fan": lambda: measured(lambda journal, _: fan(journal, JOBS, WIDE, 1), ()),
    "fan_chain": lambda: measured(lambda journal, _: fan(journal, JOBS, 1, 1), ()),
    "fan_shared": lambda: measured(lambda journal, _: fan(journal, 2 * JOBS, 1, WIDE), ()),
    "fan_long": lambda: measured(lambda journal, _: fan(journal, 20 * JOBS, WIDE, 1), ()),
}


def main() -> None:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    for _ in range(REPEATS):
        for name, case in CASES.items():
            runs[name].append(case())
    cases = {
        name: {key: round(statistics.median(run[key] for run in found), 3) for key in found[0]}
        for name, found in runs.items()
    }
    loop = cases["journal_loop"]
    ratios = {
        "chain_of_floor": cases["journal_chain"]["per_s"] / cases["floor_chain"]["per_s"],
        "wide_of_floor": cases["journal_wide"]["per_s"] / cases["floor_wide"]["per_s"],
        "chain_power_of_floor": cases["journal_chain_power"]["per_s"] / cases["floor_chain_power"]["per_s"],
        "fan_long_cpu_of_fan": cases["fan_long"]["cpu_us"] / cases["fan"]["cpu_us"],
        "loop_db_bytes_per_payload_byte": loop["db_bytes"] / loop["payload_bytes"],
    }
    about = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version, "repeats": REPEATS}
    rounded = {name: round(ratio, 3) for name, ratio in ratios.items()}
    print(json.dumps({"about": about, "cases": cases, "ratios": rounded}, indent=2))


if __name__ == "__main__":
    main()
