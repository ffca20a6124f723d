"""A week of two loops in a process of its own, which dies at random; started again it goes on from where time stood.

`python -m tests.loops.week HOME REPO SEED`: exits 0 when the week is over, else it has killed itself.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

from harness_tui.config.paths import Paths
from harness_tui.domain.loop.spec import Action, Caps, Evidence, Gate, LoopSpec
from harness_tui.domain.messages import Answer, Message, ModelRequest, Text, ToolCall, Usage
from harness_tui.domain.money import Free
from harness_tui.domain.task import ModelSpec, SandboxTable, TaskFile
from harness_tui.engine import timetable, worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import AddLoop, Decide, SetLevel

START = 1_700_006_400_000_000
DAY = 86_400_000_000
DAYS = 7
SANDBOX = SandboxTable(kind="worktree")
TOOLS = ("read_file", "write_file")


class WeekClock:
    """Time passes as fast as nobody is busy; it is kept in a file, so that it goes on after a death."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._now = int(file.read_text()) if file.exists() else START
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def now(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + int(seconds * 1_000_000), self._count, event))
        await event.wait()

    def step(self, most: int) -> None:
        """On by `most` us, or to the next who sleeps."""
        due = min([self._now + most, *(at for at, _, event in self._sleepers[:1] if at > self._now)])
        self._now = max(due, self._now)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()
        part = self._file.with_suffix(".part")
        part.write_text(str(self._now))
        part.replace(self._file)


class Worker:
    """A scripted stand-in: as maker it writes a line with the number of its round, as checker it says clean."""

    name = label = "scripted"

    async def stream(self, request: ModelRequest) -> Any:
        yield answer(request.messages)

    async def price(self) -> Free:
        return Free("scripted")

    async def close(self) -> None:
        pass


def answer(messages: tuple[Message, ...]) -> Answer:
    task = next(message.text for message in messages if message.role == "user")
    done = [part for message in messages for part in message.calls]
    if "You are the checker" in task:
        text = json.dumps({"verdict": "clean", "reasons": ["looked"]})
        return Answer((Text(text),), Usage(10, 5), "end", "scripted", usd=0, mark="priced")
    if done:
        return Answer((Text("I wrote the line."),), Usage(10, 5), "end", "scripted", usd=0, mark="priced")
    loop = task.split("the maker of the loop ")[1].split(".")[0]
    line = f"{loop} {random.getrandbits(64):x}\n"
    call = ToolCall("c1", "write_file", {"path": f"{loop}/{line.split()[1]}.txt", "content": line})
    return Answer((call,), Usage(10, 5), "tool_calls", "scripted", usd=0, mark="priced")


def spec(repo: Path, name: str, schedule: str, **more: Any) -> LoopSpec:
    task = TaskFile(prompt="Write a line.", tools=TOOLS, sandbox=SANDBOX)
    return LoopSpec(
        name=name,
        intent="Write a line.",
        maker=task,
        checker=TaskFile(prompt="Look.", tools=("read_file",), sandbox=SANDBOX),
        models={role: ModelSpec("test", "scripted") for role in ("maker", "checker")},
        workspace=str(repo),
        level="L2",
        schedule=schedule,
        action=Action(kind="line", do="commit", branch=f"of-{name}"),
        budget=Caps(tokens=500_000),
        promote=Evidence(rounds=0, verified=0.0, approved=0, days=0.0),
        pause_after=0,
        **more,
    )


async def week(home: Path, repo: Path, seed: int) -> None:
    dice = random.Random(seed)
    clock = WeekClock(home.parent / "time")
    timetable.CHUNK = 3600.0  # this clock is never set by anybody, so nobody need look for that
    worlds.model = lambda *_, **__: Worker()  # type: ignore[assignment]
    engine = await Engine.open(Paths(home), clock=clock)
    if not engine.journal.views.loops:
        gate = Gate(use="allowlist", kinds=("line",), paths=("alone/*",))
        await engine.send(
            AddLoop(spec(repo, "alone", "0 */12 * * *", gate=gate, missed="all", missed_limit=9), "x", "", "op")
        )
        await engine.send(SetLevel("alone", "L3", "op"))
        await engine.send(AddLoop(spec(repo, "asked", "30 9 * * *", overlap="queue"), "x", "", "op"))
    # Later lives are longer, so that a week ends on any machine.
    life = dice.randrange(60, 800) + 60 * (seed % 1000)
    while clock.now() < START + DAYS * DAY:
        if life <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        busy = any(row.running for row in engine.journal.views.loops.values())
        waits = [row for row in engine.journal.views.approvals.values() if row.open]
        if waits and not busy and dice.random() < 0.5:
            row = waits[0]
            try:
                await engine.send(Decide(row.id, row.digest, dice.choice(["approved", "approved", "denied"]), "op"))
            except Exception as error:
                print(error, file=sys.stderr)
                await engine.send(Decide(row.id, row.digest, "pushed_back", "op", "again"))
        await asyncio.sleep(0.004)
        busy = busy or any(row.live for row in engine.journal.views.rounds.values() if row.decided != "waiting")
        clock.step(1_000_000 if busy else 20 * 60_000_000)
        life -= 1
    while any(row.running for row in engine.journal.views.loops.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await engine.close()


if __name__ == "__main__":
    asyncio.run(week(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
