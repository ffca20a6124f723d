"""The work of the graph benchmarks, the same for us and for every peer: the job, its sizes, the meter.

A case is one process that does one work once: `python CASE.py WORK --db FILE [--variant V]`. It prints one line,
`RESULT {...}`. Only the standard library here: peers live in an environment of their own.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import time
from pathlib import Path

JOBS = 1000
"""Width of W1, length of W2."""
AT_ONCE = 16

_effects: int | None = None


def note(i: int) -> None:
    """W4: a line for each execution of a job that no crash of the process takes back."""
    global _effects
    path = os.environ.get("BENCH_EFFECTS")
    if not path:
        return
    if _effects is None:
        _effects = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(_effects, f"{i} {time.time():.6f}\n".encode())


async def the_job(i: int, v: int = 0) -> dict[str, object]:
    """The job: nothing but an answer."""
    note(i)
    return {"i": i, "ok": True, "v": v + 1}


def arguments(*works: str) -> argparse.Namespace:
    """work, db (a file that need not be there yet), variant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=works)
    parser.add_argument("--db", required=True)
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def peak_mib() -> float:
    """Largest resident size of this process so far; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmHWM")), 0.0)


class Meter:
    """Wall and CPU time from its making to `report`; `stamps` are moments at which the jobs of a chain began."""

    def __init__(self) -> None:
        self.stamps: list[float] = []
        self.cpu = time.process_time()
        self.wall = time.perf_counter()

    def stop(self) -> None:
        self.wall = time.perf_counter() - self.wall
        self.cpu = time.process_time() - self.cpu
        self.peak = peak_mib()

    def report(self, db: str, jobs: int, **more: float) -> None:
        """The one line, after `stop` and after the file was closed."""
        out = {
            "jobs_per_s": jobs / self.wall,
            "us_per_job": 1e6 * self.wall / jobs,
            "cpu_us_per_job": 1e6 * self.cpu / jobs,
            "peak_mib": self.peak,
            "db_bytes": sum(os.path.getsize(path) for path in glob.glob(f"{glob.escape(db)}*") if os.path.isfile(path)),
            **more,
        }
        if len(self.stamps) > 2:
            took = sorted(1000 * (b - a) for a, b in zip(self.stamps, self.stamps[1:], strict=False))
            out["p50_ms"], out["p99_ms"] = took[len(took) // 2], took[int(len(took) * 0.99)]
        print("RESULT " + json.dumps(out), flush=True)
