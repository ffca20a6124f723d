"""What an agent loop costs beside the floor in the same run. Prints one JSON object.

loop: one agent loop of n iterations through `AgentLoop` and a journal file (work W3: 200 characters and a call with 50
from a model in this process, 1,000 from the tool). floor: the events that loop stored, again by hand in as many
transactions. many: 16 such loops at once in one engine (W1). chain: one small append after the other (W2).
kill: an engine is killed in the middle of a loop, the next one goes on (W4); times from the start of its process.
Medians of `--reps`, round-robin. Times of the loop are milliseconds an iteration; trust `cpu` where others use the
machine, and the ratios before either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

STARTED = time.time()
HERE = Path(__file__).parent
LOOPS = 16
LONG, SHORT = 2000, 200
KILL_STEPS, KILLED_AT = 400, 200
ARGUMENT, SAID, RESULT = 50, 200, 1000
PAYLOAD = ARGUMENT + SAID + RESULT
PATIENCE = 120.0
"""Seconds anything here may take: a bound, never an expectation."""

Figures = dict[str, float]


def floor(bodies: list[bytes], commits: int, folder: Path) -> Figures:
    """The same bytes in as many transactions through bare sqlite3."""
    from floor import written

    wall, cpu = time.perf_counter(), time.process_time()
    size = written(folder / "floor.db", bodies, commits)
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "db_bytes": size}


class Scripted:
    """A model that asks for `steps` calls, numbered by what the last result says, and then is done."""

    name = "scripted"
    label = "scripted (no model)"

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.asked: list[float] = []

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        from harness_tui.domain.messages import Answer, Text, ToolCall, ToolResult, Usage

        self.asked.append(time.perf_counter())
        last = request.messages[-1].parts[-1]
        step = int(last.text[:ARGUMENT]) + 1 if isinstance(last, ToolResult) else 1
        if step > self.steps:
            yield Answer((Text("done"),), Usage(10, 5))
        else:
            call = ToolCall(f"t{step}", "work", {"x": f"{step:0{ARGUMENT}}"})
            yield Answer((Text("t" * SAID), call), Usage(500, 50), "tool_calls")

    async def close(self) -> None:
        pass


def work(effects: Path | None = None) -> Any:
    """The tool; with `effects`, each execution leaves a line no crash can take back."""
    from harness_tui import tool

    @tool(risk="read_only")
    def work(x: str) -> str:
        """Work."""
        if effects:
            with effects.open("a") as file:
                file.write(f"{int(x)}\n")
        return x.ljust(RESULT, "r")

    return work


class Commits:
    """Counts transactions of the journal of this process."""

    def __init__(self) -> None:
        from harness_tui.journal import tables

        self.count = 0
        self._commit = tables.commit
        tables.commit = self._counted

    def _counted(self, con: sqlite3.Connection, group: Any) -> None:
        self.count += 1
        self._commit(con, group)

    def stop(self) -> None:
        from harness_tui.journal import tables

        tables.commit = self._commit


def bodies(path: Path) -> list[bytes]:
    with sqlite3.connect(path) as con:
        return [body for (body,) in con.execute("SELECT body FROM event ORDER BY pos")]


def loop(steps: int, folder: Path) -> Figures:
    from harness_tui import AgentLoop, Task, World

    model, path, commits = Scripted(steps), folder / "journal.db", Commits()
    task = Task("go", max_iterations=0, max_messages=0, budget_tokens=10**9)
    wall, cpu = time.perf_counter(), time.process_time()
    result = asyncio.run(AgentLoop(model, [work()]).run(task, World(journal=path)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    commits.stop()
    assert (result.state, result.iterations) == ("succeeded", steps + 1), result
    took = [1000 * (b - a) for a, b in zip(model.asked, model.asked[1:], strict=False)]
    tenth = steps // 10
    early, late = statistics.median(took[tenth : 2 * tenth]), statistics.median(took[-tenth:])
    bare = floor(bodies(path), commits.count, folder)
    return {
        "ms": statistics.median(took),
        "cpu_ms": 1000 * cpu / steps,
        "floor_ms": 1000 * bare["wall_s"] / steps,
        "floor_cpu_ms": 1000 * bare["cpu_s"] / steps,
        "wall_of_floor": wall / bare["wall_s"],
        "cpu_of_floor": cpu / bare["cpu_s"],
        "growth": late / early,
        "commits_per_iteration": commits.count / steps,
        "db_bytes_per_payload_byte": path.stat().st_size / (steps * PAYLOAD),
        "floor_bytes_per_payload_byte": bare["db_bytes"] / (steps * PAYLOAD),
    }


def installed(steps: int, effects: Path | None = None) -> None:
    """Give this process's engines the scripted model and the tool."""
    from harness_tui.engine import worlds
    from harness_tui.tools.box import Toolbox
    from harness_tui.tools.environment import RunEnvironment

    worlds.model = lambda spec, *_: Scripted(steps)
    worlds.environment = lambda spec, session, *_: RunEnvironment((Toolbox((work(effects),)),))


def order() -> Any:
    from harness_tui.domain.task import Budget, Guardrails, ModelSpec, RunSpec, TaskFile
    from harness_tui.port.commands import StartRun

    limits = Guardrails(max_iterations=0, max_messages=0)
    task = TaskFile("go", tools=("work",), budget=Budget(10**9), guardrails=limits)
    return StartRun(RunSpec(task, ModelSpec("test", "scripted")))


async def ended(engine: Any) -> None:
    """Until no run is open: told by the log itself, so that waiting costs nothing."""
    changed = asyncio.Event()
    engine.journal.subscribe(lambda _: changed.set())
    async with asyncio.timeout(PATIENCE):
        while any(row.open for row in engine.journal.views.runs.values()):
            await changed.wait()
            changed.clear()


def many(steps: int, folder: Path) -> Figures:
    """Sixteen loops at once; per_s and times are of iterations of all of them together."""
    from harness_tui.config.paths import Paths
    from harness_tui.engine.engine import Engine

    installed(steps)
    commits, paths = Commits(), Paths(folder)

    async def go() -> tuple[float, float]:
        engine = await Engine.open(paths)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(LOOPS):
            await engine.send(order())
        await ended(engine)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await engine.close()
        return wall, cpu

    wall, cpu = asyncio.run(go())
    commits.stop()
    done = steps * LOOPS
    bare = floor(bodies(paths.journal), commits.count, folder)
    return {
        "per_s": done / wall,
        "cpu_ms": 1000 * cpu / done,
        "wall_of_floor": wall / bare["wall_s"],
        "cpu_of_floor": cpu / bare["cpu_s"],
        "commits_per_iteration": commits.count / done,
        "db_bytes_per_payload_byte": paths.journal.stat().st_size / (done * PAYLOAD),
    }


def chain(_: int, folder: Path) -> Figures:
    """One append after the other, beside the floor: appends a second and their ratio."""
    from journal_bench import APPENDS, SMALL, measured, one_by_one

    from harness_tui.domain.codec import encode

    cpu = time.process_time()
    found = measured(one_by_one, SMALL)
    cpu = time.process_time() - cpu
    bare = floor([encode(event)[1] for event in SMALL] * APPENDS, APPENDS, folder)
    return {**found, "cpu_of_floor": cpu / bare["cpu_s"]}


# -- killed and resumed ----------------------------------------------------------------------------------------------


def live(home: Path, steps: int) -> None:
    """A process of the kill case: an engine that starts the run or goes on with it, until it is over."""
    from harness_tui.config.paths import Paths
    from harness_tui.engine.engine import Engine

    imported = time.time()
    installed(steps, home / "effects")

    async def go() -> None:
        engine = await Engine.open(Paths(home))
        opened = time.time()
        first = asyncio.get_running_loop().create_future()
        stop = engine.journal.subscribe(lambda batch: first.done() or first.set_result(time.time()))
        if not await engine.runs():
            await engine.send(order())
        resumed = await first
        stop()
        print(json.dumps({"started": STARTED, "imported": imported, "opened": opened, "resumed": resumed}), flush=True)
        await ended(engine)
        await engine.close()

    asyncio.run(go())


def surroundings(home: Path) -> dict[str, str]:
    """The environment of processes whose start is timed: with bytecode, as installed, kept beside the home."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": f"{home}.pyc"}


def spawn(home: Path, steps: int) -> subprocess.Popen[str]:
    argv = [sys.executable, __file__, "--live", str(home), "--steps", str(steps)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=surroundings(home))


def finished(path: Path) -> list[tuple[int, int]]:
    """(pos, step) of every stored result."""
    from harness_tui.domain.codec import KINDS, decode
    from harness_tui.domain.events import ToolFinished

    kind = next(number for number, cls in KINDS.items() if cls is ToolFinished)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as con:
        rows = con.execute("SELECT pos, body FROM event WHERE kind = ? ORDER BY pos", (kind,)).fetchall()
    return [(pos, int(decode(kind, body).text[:ARGUMENT])) for pos, body in rows]


def kill(steps: int, folder: Path) -> Figures:
    """SIGKILL once `KILLED_AT` calls have run; then the same command again. Times in ms from the second's start."""
    home = folder / "home"
    home.mkdir()
    effects = home / "effects"
    with spawn(home, steps) as first:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and (not effects.exists() or effects.read_text().count("\n") < KILLED_AT):
            time.sleep(0.002)
        first.send_signal(signal.SIGKILL)
    before = finished(home / "journal.db")
    executed = len(effects.read_text().split())
    start = time.time()
    with spawn(home, steps) as second:
        said, _ = second.communicate(timeout=PATIENCE)
    at = json.loads(said)
    bare = time.time()
    subprocess.run([sys.executable, "-c", "import asyncio, sqlite3"], check=True, env=surroundings(home))
    after, ran = finished(home / "journal.db"), effects.read_text().split()
    assert {step for _, step in after} == set(range(1, steps + 1))
    return {
        "killed_after": executed,
        "lost": len(set(before) - set(after)),
        "executed_again": len(ran) - len(set(ran)),
        "resume_ms": 1000 * (at["resumed"] - start),
        "interpreter_ms": 1000 * (at["started"] - start),
        "import_ms": 1000 * (at["imported"] - at["started"]),
        "open_ms": 1000 * (at["opened"] - at["imported"]),
        "recover_ms": 1000 * (at["resumed"] - at["opened"]),
        "bare_interpreter_ms": 1000 * (time.time() - bare),
    }


CASES: dict[str, tuple[Callable[[int, Path], Figures], int]] = {
    "loop_200": (loop, SHORT),
    "loop_2000": (loop, LONG),
    "many": (many, SHORT),
    "chain": (chain, 0),
    "kill": (kill, KILL_STEPS),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--only", choices=CASES, action="append")
    parser.add_argument("--live", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.live:
        live(given.live, given.steps)
        return
    chosen = given.only or list(CASES)
    runs: dict[str, list[Figures]] = {name: [] for name in chosen}
    for _ in range(given.reps):
        for name in chosen:
            case, size = CASES[name]
            with tempfile.TemporaryDirectory() as folder:
                runs[name].append(case(size, Path(folder)))
    cases = {
        name: {key: round(statistics.median(run[key] for run in found), 3) for key in found[0]}
        for name, found in runs.items()
    }
    about = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version, "reps": given.reps}
    print(json.dumps({"about": {**about, "load": round(os.getloadavg()[0], 2)}, "cases": cases}, indent=2))


if __name__ == "__main__":
    main()
