"""Ten thousand loops in one engine, a hundred of them due in the same second (W5). Prints one JSON object.

Each stage is a process of its own over one home, with the real clock and the real journal file. register: the loops are
added one by one, each with a yearly schedule; then the engine stops. serve: another engine opens what is on record
(open: it answers; ready: it knows when each is due), does nothing for `--idle` seconds (share of one CPU), then `--due`
more loops are added that fire at every full minute, all in the same second, `--times` times over.

Lateness is told in milliseconds after the slot: `fired_at` by the event's own time, `fired` and all others when
whoever listens to the journal heard of it, so after its commit. started: the maker's run is on record; opened: its
environment is open; asked: its model is. The maker is a stand-in that answers in this process, no model; with `--tools`
it holds tools that read a git workspace, so that a sandbox is chosen for it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

STARTED = time.time()
PATIENCE = 600.0
"""Seconds any stage may take: a bound, never an expectation."""
FILE = """name = "sweep"
intent = "Look for things that were left lying about."
[maker]
prompt = "Look, and say what you found."
"""

Figures = dict[str, Any]


class StandIn:
    """Says that there is nothing to do."""

    name = "stand-in"
    label = "stand-in (no model)"

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        from harness_tui.domain.messages import Answer, Text, Usage

        yield Answer((Text("Nothing was left lying about."),), Usage(500, 10))

    async def close(self) -> None:
        pass


def installed() -> None:
    """Give this process's engines the stand-in; everything else is as shipped."""
    from harness_tui.engine import worlds

    worlds.model = lambda *_: StandIn()  # type: ignore[assignment]


def order(home: Path, name: str, schedule: str, tools: tuple[str, ...]) -> Any:
    import hashlib

    from harness_tui.domain.loop.spec import LoopSpec
    from harness_tui.domain.task import ModelSpec, TaskFile
    from harness_tui.port.commands import AddLoop

    spec = LoopSpec(
        name=name,
        intent="Look for things that were left lying about.",
        maker=TaskFile("Look, and say what you found.", tools=tools),
        models={"maker": ModelSpec("test", "stand-in")},
        workspace=str(home / "workspace"),
        schedule=schedule,
        zone="Europe/Berlin",
    )
    digest = hashlib.sha256(hashlib.sha256(FILE.encode()).digest()).hexdigest()
    return AddLoop(spec, str(home / "loop.toml"), digest, "op", fast=True)


def yearly(i: int) -> str:
    """Never due while this runs: in half a year or so."""
    month = (time.localtime().tm_mon + 5 + i % 3) % 12 + 1
    return f"{i % 60} {i % 24} {1 + i % 28} {month} *"


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> float:
    """MiB now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def spread(name: str, late: list[float]) -> Figures:
    ranked = sorted(late)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {f"{name}_{key}_ms": round(ranked[min(len(ranked) - 1, int(len(ranked) * q))], 1) for key, q in at.items()}


async def register(home: Path, given: argparse.Namespace) -> Figures:
    from harness_tui.config.paths import Paths
    from harness_tui.engine.engine import Engine

    engine = await Engine.open(Paths(home))
    wall, used = time.perf_counter(), cpu()
    for i in range(given.loops):
        await engine.send(order(home, f"sweep-{i}", yearly(i), ()))
    wall, used = time.perf_counter() - wall, cpu() - used
    await engine.close()
    return {"register_s": round(wall, 2), "register_cpu_s": round(used, 2)}


class Heard:
    """When each step of a round was heard of, in ms after its slot."""

    def __init__(self) -> None:
        self.late: dict[str, list[float]] = {}
        self.slots: dict[str, int] = {}
        self.doubled = 0
        self._seen: set[tuple[str, int]] = set()

    def __call__(self, batch: list[Any]) -> None:
        from harness_tui.domain import events as ev

        now = time.time() * 1000
        for envelope in batch:
            event, root = envelope.event, envelope.run.partition("/")[0]
            if isinstance(event, ev.SlotFired):
                self.doubled += (envelope.run, event.slot) in self._seen
                self._seen.add((envelope.run, event.slot))
                self.slots[f"{envelope.run}/{event.number}"] = event.slot
                self._add("fired_at", envelope.at / 1000, event.slot)
                self._add("fired", now, event.slot)
            elif isinstance(event, ev.RunStarted) and event.spec.parent in self.slots:
                self.slots[root] = self.slots[event.spec.parent]
                self._add("started", now, self.slots[root])
            elif root in self.slots and isinstance(event, ev.EnvironmentOpened):
                self._add("opened", now, self.slots[root])
            elif root in self.slots and isinstance(event, ev.ModelRequested):
                self._add("asked", now, self.slots[root])
            elif isinstance(event, ev.RoundFinished) and envelope.run in self.slots:
                self._add("ended", now, self.slots[envelope.run])
                if event.outcome != "reported":
                    raise AssertionError(event)

    def _add(self, name: str, at: float, slot: int) -> None:
        self.late.setdefault(name, []).append(at - slot / 1000)


async def serve(home: Path, given: argparse.Namespace) -> Figures:
    from harness_tui.config.paths import Paths
    from harness_tui.engine.engine import Engine

    installed()
    imported = time.time()
    used = cpu()
    engine = await Engine.open(Paths(home))
    opened, open_cpu = time.time(), cpu() - used
    keeper = engine._keeper
    while sum(keeper.next(loop) is not None for loop in engine.journal.views.loops) < given.loops:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    ready = time.time()
    await asyncio.sleep(given.settle)
    settled, used, wall = resident(), cpu(), time.perf_counter()
    await asyncio.sleep(given.idle)
    idle = (cpu() - used) / (time.perf_counter() - wall) * 100
    taken = time.perf_counter()
    await engine.snapshot()
    taken = time.perf_counter() - taken
    tools = ("read_file", "list_dir", "grep") if given.tools else ()
    for i in range(given.due):
        await engine.send(order(home, f"due-{i}", "* * * * *", tools))
    heard = Heard()
    engine.journal.subscribe(heard)
    profile = cProfile.Profile() if given.profile else None
    if profile:
        profile.enable()
    used = cpu()
    async with asyncio.timeout(PATIENCE):
        while len(heard.late.get("ended", ())) < given.due * given.times:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    used = cpu() - used
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45).sort_stats(
            "cumulative"
        ).print_stats(60)
    stop = time.perf_counter()
    await engine.close()
    figures: Figures = {
        "open_s": round(opened - imported, 2),
        "open_cpu_s": round(open_cpu, 2),
        "ready_s": round(ready - imported, 2),
        "idle_cpu_pct": round(idle, 3),
        "rss_mib": round(settled),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "snapshot_ms": round(1000 * taken, 1),
        "due": given.due,
        "fired": len(heard.late["fired"]),
        "doubled": heard.doubled,
        "cpu_ms_a_round": round(1000 * used / max(1, len(heard.late["ended"])), 2),
        "stop_s": round(time.perf_counter() - stop, 2),
    }
    for name, late in heard.late.items():
        figures |= spread(name, late)
    return figures


STAGES = {"register": register, "serve": serve}


def made(home: Path) -> None:
    """The loop file all of them were added from, and the workspace they look at."""
    home.mkdir(parents=True)
    (home / "loop.toml").write_text(FILE)
    workspace = home / "workspace"
    workspace.mkdir()
    (workspace / "README.md").write_text("# Things\n")
    subprocess.run(["git", "-C", str(workspace), "init", "-q"], check=True)


def staged(stage: str, home: Path) -> Figures:
    argv = [sys.executable, __file__, *sys.argv[1:], "--stage", stage, "--home", str(home)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=2 * PATIENCE)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--loops", type=int, default=10_000)
    parser.add_argument("--due", type=int, default=100)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--idle", type=float, default=20.0)
    parser.add_argument("--settle", type=float, default=10.0, help="seconds between ready and idle")
    parser.add_argument("--tools", action="store_true")
    parser.add_argument("--profile", action="store_true", help="of the fires, to standard error")
    parser.add_argument("--home", type=Path, help="keep what is registered there, or take it from there")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        print(json.dumps(asyncio.run(STAGES[given.stage](given.home, given))))
        return
    figures: Figures = {"loops": given.loops, "tools": given.tools}
    with tempfile.TemporaryDirectory() as folder:
        kept, home = given.home or Path(folder) / "kept", Path(folder) / "home"
        if not kept.exists():
            made(kept)
            figures |= staged("register", kept)
        shutil.copytree(kept, home)
        figures |= staged("serve", home)
    print(json.dumps({**figures, "python": sys.version.split()[0], "load": round(os.getloadavg()[0], 2)}, indent=2))


if __name__ == "__main__":
    main()
