"""A small EnginePort for the tests of the transport: a list of events as its log, under the engine's real bus.

As a program (`python double.py HOME`) it is served detached, as the real engine is.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from harness_tui.config.paths import Paths
from harness_tui.domain.codec import WireEvent
from harness_tui.domain.dag.picture import DagPicture
from harness_tui.domain.dag.spec import DagSpec, Job
from harness_tui.domain.dag.state import JobState
from harness_tui.domain.errors import HarnessError, UsageError
from harness_tui.domain.events import Envelope, Flow, ToolNoted
from harness_tui.domain.views import ApprovalRow, RunRow
from harness_tui.engine.bus import Bus
from harness_tui.port.commands import AnyCommand, Reply, StopEngine
from harness_tui.port.snapshot import Batch, EngineInfo, Snapshot


async def until(true: Callable[[], bool]) -> None:
    """Let the others work until `true`; a minute at most."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


class Double:
    """Attributes: `commands` that were carried through; `hold`, an event `send` waits for; `fail`, what it raises."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.stopped = asyncio.Event()
        self.log: list[Envelope] = []
        self.bus = Bus(self._tail)
        self.commands: list[AnyCommand] = []
        self.hold: asyncio.Event | None = None
        self.fail: Exception | None = None
        self.watching = 0
        self.data = b""

    @classmethod
    async def open(cls, paths: Paths) -> Double:
        return cls(paths)

    def note(self, text: str) -> int:
        """Commit one state event; returns its pos."""
        pos = len(self.log) + 1
        envelope = Envelope(pos, "r1", pos, pos, ToolNoted(text))
        self.log.append(envelope)
        self.bus.publish([envelope])
        return pos

    def flow(self, key: str, text: str) -> None:
        self.bus.flow(Flow("r1", key, text))

    async def info(self) -> EngineInfo:
        return EngineInfo(os.getpid(), "0", str(self.paths.home), "host", 1, workspaces=("/w",))

    async def snapshot(self) -> Snapshot:
        return Snapshot(await self.info(), pos=len(self.log), at=1, trace=tuple(map(WireEvent.of, self.log[-5:])))

    async def batches(self, since: int) -> AsyncIterator[Batch]:
        self.watching += 1
        try:
            async for batch in self.bus.batches(since):
                yield batch
        finally:
            self.watching -= 1

    async def send(self, command: AnyCommand) -> Reply:
        if self.hold:
            await self.hold.wait()
        if self.fail:
            raise self.fail
        self.commands.append(command)
        if isinstance(command, StopEngine):
            self.stopped.set()
        return Reply("r1", "done.")

    async def runs(self, limit: int = 200) -> list[RunRow]:
        return [RunRow("r1", title="one", ended_tools=["a"])][:limit]

    async def run(self, run: str) -> RunRow:
        if run != "r1":
            raise UsageError(f"There is no run {run}.", "Did you mean r1?")
        return RunRow("r1")

    async def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        return [ApprovalRow("A-1", "r1", "r1/1")] if all else []

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return self.log[after : after + limit]

    async def dag(self, run: str) -> DagPicture:
        return DagPicture(run, 3, 1, DagSpec(goal="all of it"), (JobState(Job("a", wait=0.5), "running"),))

    async def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return [e for e in self.log if e.run == uid and e.seq > after][:limit]

    async def blob(self, sha: str) -> bytes:
        if not self.data:
            raise HarnessError("no such blob")
        return self.data

    async def close(self, now: bool = False) -> None:
        self.note("engine stopped")
        self.bus.close()

    async def _tail(self, after: int, limit: int) -> list[Envelope]:
        return self.log[after : after + limit]


if __name__ == "__main__":
    from harness_tui.daemon.host import serve
    from harness_tui.daemon.spawn import received

    home = Paths(Path(sys.argv[1]))
    try:
        (home.home / "received").write_text(",".join(received()))
        code = asyncio.run(serve(home, lambda: Double.open(home)))
    except HarnessError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    sys.exit(code)
