"""Engines that are killed: each case forks an engine with one failpoint armed, then another that must put it right.

Run as a program: `python -m tests.crash.farm SEEDS` prints one JSON line a case. Forking from one warm process keeps
a case cheap enough for hundreds of seeds; SIGKILL is real, and what the dead engine did is read from side files.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from harness_tui.config.paths import Paths
from harness_tui.domain.errors import HarnessError
from harness_tui.domain.messages import Answer, Delta, ModelRequest, Text, ToolCall, ToolResult, Usage
from harness_tui.domain.seams import Verdict
from harness_tui.domain.task import ModelSpec, PageCondition, RunSpec, TaskFile, Verify
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.journal import failpoints
from harness_tui.port.commands import Decide, Resolve, StartRun
from tests.agent.worlds import FakeWorld

POINTS = sorted(failpoints.FAILPOINTS - {"service.started"})
VERIFY = Verify(page=(PageCondition("x", "gone"),))
TASK = TaskFile("poke it once", tools=("browser_click",), verify=VERIFY)
SPEC = RunSpec(TASK, ModelSpec("test", "rule"))
LIMIT = 60.0
"""Seconds one engine may take: a bound, never an expectation."""


class RuleModel:
    """A stand-in that looks, pokes, and says done; told that it already happened, it only says so."""

    name = "rule"
    label = "rule (a test double)"

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        results = [p for m in request.messages for p in m.parts if isinstance(p, ToolResult)]
        told = any("already happened" in m.text for m in request.messages if m.role == "user")
        poked = any(r.name == "poke" for r in results)
        if poked or (told and results):
            yield Answer((Text("done"),), Usage(10, 5))
        else:
            yield Answer((ToolCall("x", "poke" if results else "look"),), Usage(10, 5), "tool_calls")

    async def close(self) -> None:
        pass


class Side:
    """Files the dead cannot take back: what really happened and what was acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.effects = folder / "effects"
        self.acks = folder / "acks"

    def add(self, file: Path, line: str) -> None:
        with file.open("a") as out:
            out.write(line + "\n")

    def lines(self, file: Path) -> list[str]:
        return file.read_text().split() if file.exists() else []


class World(FakeWorld):
    """Poking writes a line; the world's own record is what verification reads."""

    def __init__(self, session: str, side: Side) -> None:
        super().__init__(session, {})
        self.side = side

    async def perform(self, call: ToolCall) -> Any:
        if call.name == "poke":
            self.side.add(self.side.effects, "poke")
        return await super().perform(call)

    async def verify(self, done: Any, baseline: Any) -> Verdict:
        return Verdict(bool(self.side.lines(self.side.effects)), "the record says so")


async def operate(engine: Engine, side: Side) -> None:
    """An operator who answers by what really happened, and writes down each answer that was saved."""
    while True:
        for row in await engine.approvals():
            happened = bool(side.lines(side.effects))
            word: Decide | Resolve
            if row.kind == "in_doubt":
                word = Resolve(row.id, row.digest, "happened" if happened else "did_not", "op")
            else:
                word = Decide(row.id, row.digest, "denied" if happened else "approved", "op")
            try:
                await engine.send(word)
            except HarnessError:
                continue
            side.add(side.acks, row.id)
        await asyncio.sleep(0.002)


async def live(folder: Path, side: Side) -> None:
    """One engine's life: start the run unless there is one, and see it to its end."""
    engine = await Engine.open(Paths(folder))
    operator = asyncio.create_task(operate(engine, side))
    if not await engine.runs():
        await engine.send(StartRun(SPEC))
    async with asyncio.timeout(LIMIT):
        while any(r.open for r in await engine.runs()):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    operator.cancel()
    await engine.close(now=True)


async def inspect(folder: Path, side: Side) -> dict[str, Any]:
    """What the log says in the end, against what really happened."""
    engine = await Engine.open(Paths(folder))
    run = await engine.run("r1")
    decided = {a.id: a.state for a in await engine.approvals(all=True)}
    lost = [a for a in side.lines(side.acks) if decided.get(a, "requested") == "requested"]
    problems = await engine.journal.check()
    held = sum(b.held for b in engine.journal.views.budgets.values())
    await engine.close(now=True)
    effects = len(side.lines(side.effects))
    return {
        "effects": effects,
        "lost": lost,
        "state": run.state,
        "verified": run.verified,
        "problems": problems,
        "held": held,
    }


def forked(work: Callable[[], Any]) -> int:
    """Run `work` in a child; its wait status (0 = it returned)."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def case(point: str, seed: int) -> dict[str, Any]:
    """Kill an engine at the n-th pass of `point`, let the next one finish, and look."""
    rng = random.Random(f"{point} {seed}")
    nth = rng.choice([1, 1, 2, 3, 4, 5]) if point.startswith("journal") else rng.choice([1, 1, 2])
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        side = Side(folder)
        worlds.model = lambda spec, *_: RuleModel()  # type: ignore[assignment,return-value]
        worlds.environment = lambda spec, session, *_, **__: World(session, side)  # type: ignore[assignment,return-value]

        def doomed() -> None:
            failpoints._armed.update({point: nth})
            asyncio.run(live(folder, side))

        killed = os.WIFSIGNALED(forked(doomed))
        again = forked(lambda: asyncio.run(live(folder, side)))
        report = folder / "report"
        forked(lambda: report.write_text(json.dumps(asyncio.run(inspect(folder, side)))))
        found = json.loads(report.read_text()) if report.exists() else {}
        return {"point": point, "seed": seed, "nth": nth, "killed": killed, "again": again, **found}


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    for seed in range(seeds):
        for point in POINTS:
            print(json.dumps(case(point, seed)), flush=True)


if __name__ == "__main__":
    main()
