"""A test double of an engine: an EnginePort in memory. It decides nothing; it serves what a test put into it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

from harness_tui.domain import events as ev
from harness_tui.domain.codec import WireEvent
from harness_tui.domain.errors import ApprovalError, HarnessError, LinkLost
from harness_tui.domain.events import Envelope, Event, Fact, Flow
from harness_tui.domain.messages import Usage
from harness_tui.domain.views import ApprovalRow, BudgetRow, FrameRow, RunRow
from harness_tui.port.commands import AnyCommand, Decide, Reply, Resolve, StartRun
from harness_tui.port.snapshot import Batch, EngineInfo, Snapshot

NOW = 1_795_269_600_000_000
"""2026-11-21 14:00:00 UTC in us: what the double and the tests call now."""
SECOND = 1_000_000

DIGEST_VOTE = "550dcabb" + "0" * 56
DIGEST_DOUBT = "4e84327a" + "1" * 56


def busy_runs() -> tuple[RunRow, ...]:
    """Five runs in the states an operator meets."""
    may = {"read_only": "acts", "idempotent": "acts", "destructive": "asks", "network": "asks"}
    common: dict[str, Any] = {"workspace": "/home/op/site", "level": "L2", "model": "stand-in", "api": "stand-in"}
    return (
        RunRow(id="r17", title="upvote the first story", state="waiting", started=NOW - 74 * SECOND, may=may,
               usage=Usage(input=11000, output=1000), usd=110_000_000, budget_tokens=200_000, attempts=1, iterations=4,
               waits="A-29", last="waits for A-29", notes=["browser unsandboxed"], acted={"network": 1},
               ended_tools=["browser_navigate", "browser_get_stories", "harness_auto_login"], **common),
        RunRow(id="r18", title="deps-bump #14 maker", state="running", started=NOW - 240 * SECOND, may=may,
               usage=Usage(input=30000, output=1400), usd=350_000_000, budget_tokens=40_000, last="shell npm ci  8.7 s",
               **common),
        RunRow(id="r19", title="docs-site", state="running", started=NOW - 24 * SECOND, level="L1", model="stand-in",
               api="stand-in", may={"read_only": "acts"}, usage=Usage(input=8000, output=800), usd=70_000_000,
               last="answers, 412 chars"),
        RunRow(id="r15", title="flaky-hunt", state="failed", started=NOW - 900 * SECOND, ended=NOW - 540 * SECOND,
               may=may, usage=Usage(input=39000, output=1000), usd=120_000_000, last="pytest exit 1", verified=False,
               reason="pytest exit 1", stopped_by="verifier", exit=1, **common),
        RunRow(id="r14", title="release notes", state="in_doubt", started=NOW - 3900 * SECOND, may=may,
               usage=Usage(input=9000, output=200), usd=80_000_000, waits="A-27", last="git push: no result", **common),
    )  # fmt: skip


def busy_approvals() -> tuple[ApprovalRow, ...]:
    return (
        ApprovalRow(id="A-27", run="r14", stream="r14/1", tool="shell", state="in_doubt", kind="in_doubt",
                    summary="git push origin v0.4.0", digest=DIGEST_DOUBT, requested=NOW - 3600 * SECOND,
                    facts=[Fact("effect", "git push origin v0.4.0"),
                           Fact("record", "started, no result: the engine stopped 0.3 s later"),
                           Fact("again", "network, not idempotent: twice is not safe")]),
        ApprovalRow(id="A-29", run="r17", stream="r17/1", tool="browser_click", summary="browser_click: upvote story 1",
                    digest=DIGEST_VOTE, requested=NOW - 34 * SECOND, expires=NOW + 866 * SECOND,
                    facts=[Fact("tool", "browser_click(selector=#up_1)  destructive"),
                           Fact("page", "http://127.0.0.1:8000/  top frame  signed in as demo"),
                           Fact("target", 'upvote "Show HN: a durable log, many views" (story 1)'),
                           Fact("sends", "GET http://127.0.0.1:8000/vote?id=1&how=up"),
                           Fact("effect", "cannot be undone by the harness")]),
    )  # fmt: skip


def med_approval(ident: str = "A-30", text: str = "fill the search field") -> ApprovalRow:
    """One that a single isolated `a` approves."""
    return ApprovalRow(
        id=ident, run="r17", stream="r17/1", tool="browser_fill", risk="med", summary=text, digest="ab" * 32,
        requested=NOW - 5 * SECOND, expires=NOW + 900 * SECOND, facts=[Fact("tool", text)],
    )  # fmt: skip


def busy_trace() -> list[Envelope]:
    told: list[tuple[str, Event]] = [
        ("engine", ev.EngineStarted(pid=4242, version="0.1.0", epoch=3)),
        ("r17/1", ev.EnvironmentOpened(kind="browser", session="s1", notes=("browser unsandboxed",))),
        ("r17/1", ev.ToolFinished(call="c1", tool="browser_navigate", ok=True, text="200 Hacker-ish", took_ms=131)),
        ("r17/1", ev.ToolFinished(call="c2", tool="browser_get_stories", ok=True,
                                  text='30 stories, first "Show HN: a durable log, many views"', took_ms=12)),
        ("r18/1", ev.ModelAnswered(call="m1", parts=(), usage=Usage(input=8800, output=212))),
        ("r17/1", ev.LoginHandled(ok=True, origin="http://127.0.0.1:8000", detail="signed in as demo")),
        ("r15/1", ev.ToolFinished(call="c9", tool="shell", ok=False, text="pytest exit 1: 3 failed", took_ms=8700)),
        ("r17/1", ev.ApprovalRequested(id="A-29", call="c3", tool="browser_click", risk="high",
                                       risk_class="destructive", summary="browser_click: upvote story 1", facts=(),
                                       digest=DIGEST_VOTE, action="", expires=NOW + 866 * SECOND)),
    ]  # fmt: skip
    return [Envelope(i, run, i, NOW - (len(told) - i + 33) * SECOND, e) for i, (run, e) in enumerate(told, 1)]


def picture(width: int = 320, height: int = 200) -> bytes:
    """A small picture that looks like a page; PNG, so that every decoder gives the same pixels."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), "#f6f6ef")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width, 18), fill="#ff6600")
    for row in range(8):
        pen.rectangle((14, 30 + row * 20, 60 + row * 23, 38 + row * 20), fill="#333333")
        pen.polygon(((4, 38 + row * 20), (8, 30 + row * 20), (12, 38 + row * 20)), fill="#828282")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class FakeEngine:
    """What all ports of one test share: rows, a log that grows, commands that came in."""

    def __init__(self, *, busy: bool = True) -> None:
        self.rows: dict[str, Any] = {"runs": (), "approvals": (), "budgets": (), "frames": ()}
        self.log: list[Envelope] = []
        self.sent: list[AnyCommand] = []
        self.up = True
        self.answer: HarnessError | None = None
        self.ports: list[FakePort] = []
        self.blobs = {"frame1": picture()}
        self.attaches = 0
        if busy:
            self.log = busy_trace()
            self.rows = {
                "runs": busy_runs(),
                "approvals": busy_approvals(),
                "budgets": (
                    BudgetRow("day:2026-11-21", limit=500_000, spent=101_000, held=4_000, usd=4_120_000_000,
                              usd_held=80_000_000, usd_limit=20_000_000_000),
                    BudgetRow("run:r18", limit=40_000, spent=31_400, held=4_000, usd=350_000_000),
                    BudgetRow("run:r17", limit=200_000, spent=12_000, usd=110_000_000),
                ),
                "frames": (
                    FrameRow("r17", "frame1", "http://127.0.0.1:8000/", "Hacker-ish News", "browser_click",
                             NOW - SECOND, 320, 200, 's1 link "Show HN: a durable log"\ns2 button "upvote"'),
                ),
            }  # fmt: skip

    @property
    def pos(self) -> int:
        return self.log[-1].pos if self.log else 0

    async def connect(self) -> FakePort:
        if not self.up:
            raise LinkLost("The engine does not answer.")
        port = FakePort(self)
        self.ports.append(port)
        return port

    def snapshot(self) -> Snapshot:
        self.attaches += 1
        info = EngineInfo(4242, "0.1.0", "/home/op/.local/state/harness-tui", "build-07", NOW - 3600 * SECOND)
        return Snapshot(info, self.pos, NOW, trace=tuple(WireEvent.of(e) for e in self.log[-500:]), **self.rows)

    def say(self, run: str, *told: Event, flow: tuple[Flow, ...] = ()) -> None:
        """Append events to the log and push them to every port as one batch."""
        new = [Envelope(self.pos + i, run, self.pos + i, NOW, event) for i, event in enumerate(told, 1)]
        self.log += new
        self.push(Batch(tuple(WireEvent.of(e) for e in new), flow))

    def push(self, batch: Batch) -> None:
        for port in self.ports:
            port.queue.put_nowait(batch)

    def cut(self) -> None:
        """The engine is gone: every link ends, new ones fail until `up` is set again."""
        self.up = False
        for port in self.ports:
            port.queue.put_nowait(None)
        self.ports.clear()


class FakePort:
    """One console's link to the double."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.queue: asyncio.Queue[Batch | None] = asyncio.Queue()

    async def info(self) -> EngineInfo:
        return self.engine.snapshot().engine

    async def snapshot(self) -> Snapshot:
        return self.engine.snapshot()

    async def batches(self, since: int) -> AsyncIterator[Batch]:
        while (batch := await self.queue.get()) is not None:
            yield batch

    async def send(self, command: AnyCommand) -> Reply:
        self.engine.sent.append(command)
        if self.engine.answer is not None:
            raise self.engine.answer
        match command:
            case Decide(approval=ident, decision=decision, by=by, digest=digest):
                if any(e.event.id == ident for e in self.engine.log if isinstance(e.event, ev.ApprovalDecided)):
                    raise ApprovalError(f"{ident} was decided before.")
                run = next(a.stream for a in self.engine.rows["approvals"] if a.id == ident)
                self.engine.say(run, ev.ApprovalDecided(id=ident, decision=decision, by=by, digest=digest))
                return Reply(ident, f"{ident} {decision}")
            case Resolve(approval=ident, resolution=resolution):
                return Reply(ident, f"{ident} resolved: {resolution}")
            case StartRun():
                return Reply("r99", "r99 started")
        return Reply()

    async def runs(self, limit: int = 200) -> list[RunRow]:
        return list(self.engine.rows["runs"])[:limit]

    async def run(self, run: str) -> RunRow:
        return next(row for row in self.engine.rows["runs"] if row.id == run)

    async def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        return list(self.engine.rows["approvals"])

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return [e for e in self.engine.log if e.pos > after and e.run.startswith(run)][:limit]

    async def blob(self, sha: str) -> bytes:
        return self.engine.blobs[sha]

    async def close(self) -> None:
        if self in self.engine.ports:
            self.engine.ports.remove(self)
