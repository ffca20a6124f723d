"""Runs a console over the engine double, for the pty tests: `python -m tests.pty.host SCENARIO`. Not a test itself."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from harness_tui.console.run import run_console
from harness_tui.domain import events as ev
from harness_tui.domain.codec import WireEvent
from harness_tui.domain.errors import SetupError, UsageError
from harness_tui.domain.events import Envelope, Fact, Flow
from harness_tui.domain.views import ApprovalRow, RunRow
from harness_tui.port.snapshot import Batch
from tests.console.fake_port import NOW, FakeEngine, FakePort

HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[31mred\x1b[0m",
    "\x9b2J\x9d0;owned\x9c",
    "a\rb\nc\td\x08e\x7f",
    "\u202egnp.exe\u202c zero\u200bwidth \u2066x\u2069",
    "\x1bP+q544e\x1b\\ \x1b_Gi=1\x1b\\",
    "[@click=app.quit]x[/] [bold]markup[/bold]",
    "\U000e0041\U000e0042 tags \ufeffbom",
)
SECRET = "hunter2-canary-value"


class LoadedPort(FakePort):
    """Offers events at a rate, 2 % of them state, until a number of them is out."""

    rate, seconds = 10_000, 2

    async def batches(self, since: int):  # type: ignore[no-untyped-def]
        pos, loop = since, asyncio.get_running_loop()
        began, ticks = loop.time(), self.seconds * 40
        for tick in range(ticks):
            count = self.rate // 40
            events = []
            for i in range(count // 50):
                pos += 1
                told = ev.ToolFinished(call=f"c{pos}", tool="shell", ok=True, text=f"state {tick}.{i}", took_ms=3)
                events.append(WireEvent.of(Envelope(pos, "r18/1", pos, NOW, told)))
            flow = tuple(Flow("r19/1", f"k{i}", f"delta {tick} {i}", i) for i in range(count - count // 50))
            yield Batch(tuple(events), flow)
            await asyncio.sleep(max(0.0, began + (tick + 1) / 40 - loop.time()))
        pos += 1
        done = ev.RunFinished("succeeded", True, f"LOAD DONE {pos - since - 1} state", "", "model", 0)
        yield Batch((WireEvent.of(Envelope(pos, "r18", pos, NOW, done)),))
        async for batch in super().batches(since):
            yield batch


class AskingPort(FakePort):
    """Twenty requests come one after the other, each with a text that would be a notice of its own."""

    async def batches(self, since: int):  # type: ignore[no-untyped-def]
        for number in range(1, 21):
            text = "\a\x1b]9;4;1;50\a"
            asked = ev.ApprovalRequested(
                f"A-{100 + number}", f"c{number}", "shell", "med", "destructive", text, (), "ab" * 32, "", 0
            )
            yield Batch((WireEvent.of(Envelope(since + number, "r18/1", since + number, NOW, asked)),))
            await asyncio.sleep(0.01)
        async for batch in super().batches(since):
            yield batch


class HostileEngine(FakeEngine):
    """Every text an agent, a page or a model controls is an attack."""

    def __init__(self) -> None:
        super().__init__()
        evil = " ".join(HOSTILE)
        self.rows["runs"] = (
            RunRow(id="r17", title=evil, last=evil, workspace=evil, model=evil, reason=evil, notes=[evil], waits="A-29",
                   state="waiting", started=NOW - 1_000_000, may={"read_only": "acts"}),
        )  # fmt: skip
        self.rows["approvals"] = (
            ApprovalRow(id="A-29", run="r17", stream="r17/1", tool=evil, summary=evil, digest="ab" * 32,
                        requested=NOW, expires=0, facts=[Fact(evil, evil), *(Fact("x", h) for h in HOSTILE)]),
        )  # fmt: skip
        frame = self.rows["frames"][0]
        frame.title = frame.url = frame.caption = frame.snapshot = evil
        self.log = [
            Envelope(i, "r17/1", i, NOW, ev.ToolFinished(call=text, tool=text, ok=False, text=text))
            for i, text in enumerate((*HOSTILE, evil), 1)
        ]


async def refused() -> FakePort:
    raise SetupError("The database is newer than this program.", "Install the newer version.")


def crash() -> None:
    """Make the next drawn frame fail with a secret among the local values."""
    from harness_tui.console.model import Model

    def broken(self: Model, key: str, at: float) -> list[object]:
        password = SECRET
        raise ValueError(f"cannot use {password}")

    Model.key = broken  # type: ignore[assignment, method-assign]


def main() -> int:
    scenario = sys.argv[1] if len(sys.argv) > 1 else "busy"
    engine = HostileEngine() if scenario == "hostile" else FakeEngine(busy=scenario != "empty")
    connect = engine.connect
    if scenario == "load":

        async def connect() -> FakePort:
            return LoadedPort(engine)

    elif scenario == "asks":

        async def connect() -> FakePort:
            return AskingPort(engine)

    elif scenario == "refused":
        connect = refused
    elif scenario == "crash":
        crash()
    elif scenario == "down":
        engine.up = False
    log = Path(os.environ["CONSOLE_LOG"]) if "CONSOLE_LOG" in os.environ else None
    try:
        return run_console(connect, title="~/site", log=log, by="1000@pts/1")
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
