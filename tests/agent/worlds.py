"""Test doubles for the lifecycle: a scripted model, a world that obeys the test, a clock that only moves when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from harness_tui.agent.driver import Driver
from harness_tui.agent.kit import Kit
from harness_tui.domain.approval import Judgement, Proposal
from harness_tui.domain.events import Fact, Flow, RunStarted, Write
from harness_tui.domain.ledger import Ledger
from harness_tui.domain.messages import Answer, Delta, Mark, ModelRequest, Risk, Text, ToolCall, ToolSpec, Usage
from harness_tui.domain.money import NANO, Price
from harness_tui.domain.redaction import Redaction
from harness_tui.domain.seams import EnvironmentLost, Interlude, Performed, ToolOutcome, Verdict
from harness_tui.domain.task import Budget, Guardrails, Level, ModelSpec, RunSpec, TaskFile
from harness_tui.journal.journal import Journal


class ManualClock:
    """Stands still until `advance`; every sleeper wakes in order."""

    def __init__(self, start: int = 1_700_000_000_000_000) -> None:
        self._now = start
        self._sleepers: list[tuple[int, asyncio.Event]] = []

    def now(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        due, event = self._now + int(seconds * 1_000_000), asyncio.Event()
        self._sleepers.append((due, event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        """Move on, and let whoever slept so long go on."""
        self._now += int(seconds * 1_000_000)
        for due, event in list(self._sleepers):
            if due <= self._now:
                self._sleepers.remove((due, event))
                event.set()
        for _ in range(20):
            await asyncio.sleep(0)

    def wakes(self, seconds: float) -> bool:
        """Whether somebody sleeps who wakes within so many seconds."""
        return any(due <= self._now + int(seconds * 1_000_000) for due, _ in self._sleepers)

    async def pass_by(self, seconds: float) -> None:
        """Move on if somebody sleeps; else let what really takes time (a thread, a file) go on first."""
        if self._sleepers:
            await self.advance(seconds)
        else:
            await asyncio.sleep(0.001)


CENT = NANO // 100


class Cents(msgspec.Struct, frozen=True):
    """A price in whole cents a token."""

    input: int = 1
    output: int = 2
    mark: Mark = "priced"
    source: str = "a test"

    def cost(self, usage: Usage) -> int:
        return self.worst(usage.input, usage.output)

    def worst(self, input: int, output: int) -> int:
        return (self.input * input + self.output * output) * CENT


class ScriptedModel:
    """Answers from a list, one a call; a callable item sees the request; an exception item is raised."""

    name = "scripted"
    label = "scripted (a test double)"

    def __init__(self, *script: Any, price: Price | None = None) -> None:
        self.script = list(script)
        self.requests: list[ModelRequest] = []
        self._price = price

    async def price(self) -> Price | None:
        return self._price

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        self.requests.append(request)
        item = self.script.pop(0) if self.script else say("nothing more to say")
        if callable(item):
            item = await item(request) if asyncio.iscoroutinefunction(item) else item(request)
        if isinstance(item, Exception):
            raise item
        yield Delta("...")
        yield item if self._price is None else replace(item, usd=self._price.cost(item.usage), mark="priced")

    async def close(self) -> None:
        pass


FEW = Usage(10, 5)


def say(text: str, usage: Usage = FEW) -> Answer:
    return Answer((Text(text),), usage)


def call(name: str, usage: Usage = FEW, **arguments: Any) -> Answer:
    return Answer((ToolCall("x", name, arguments),), usage, "tool_calls")


class FakeWorld:
    """A world with three tools (look: read_only, poke: destructive, send: network) that records what was done to it."""

    kind = "fake"
    notes = ("a test world",)

    def __init__(self, session: str, shared: dict[str, Any]) -> None:
        self.session = session
        self.shared = shared
        self.recovery = "restart"
        self.tools = tuple(
            ToolSpec(name, name, {"type": "object"}, risk)
            for name, risk in (("look", "read_only"), ("poke", "destructive"))
        )
        self.opened = False

    async def open(self) -> None:
        self.opened = True
        self.shared["opened"] = self.shared.get("opened", 0) + 1
        if error := self.shared.get("open_error"):
            raise error

    async def close(self) -> None:
        if self.opened:
            self.opened = False
            self.shared["closed"] = self.shared.get("closed", 0) + 1

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Any, ...]]:
        taken = self.shared.get("baselines") or [{"seen": "start"}]
        return taken.pop(0), ()

    async def judge(self, tool_call: ToolCall, level: Level) -> Judgement:
        risk: dict[str, Risk] = {t.name: t.risk for t in self.tools}
        if tool_call.name not in risk:
            return Judgement("refuse", reason=f"There is no tool {tool_call.name}.", why="unknown_tool")
        if tool_call.error:
            return Judgement("refuse", reason=tool_call.error, why="malformed")
        target = self.shared.get("target", "x")
        facts = (Fact("target", target),)
        what = Proposal(
            tool_call.name, tool_call.arguments, risk[tool_call.name], "high", tool_call.name, facts, self.session
        )
        return Judgement("allow" if risk[tool_call.name] == "read_only" else "ask", what)

    async def perform(self, tool_call: ToolCall) -> ToolOutcome:
        self.shared.setdefault("done", []).append(tool_call.name)
        hook: Callable[[ToolCall], Any] | None = self.shared.get("perform")
        if hook:
            result = hook(tool_call)
            if asyncio.iscoroutine(result):
                await result
        if self.shared.pop("die", False):
            raise EnvironmentLost("the browser was killed")
        return ToolOutcome(not self.shared.get("fails"), f"{tool_call.name} done")

    async def after_batch(self) -> Interlude:
        return self.shared.pop("interlude", Interlude())

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        return self.shared.get("goal", "")

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict:
        self.shared["verified"] = self.shared.get("verified", 0) + 1
        verdicts = self.shared.get("verdicts")
        return verdicts.pop(0) if verdicts else Verdict(None, "nothing verified the claim")


class Bench:
    """One run over an in-memory journal."""

    def __init__(self, journal: Journal, clock: ManualClock, model: ScriptedModel, **limits: Any) -> None:
        self.journal, self.clock, self.model = journal, clock, model
        self.shared: dict[str, Any] = {}
        self.flow: list[Flow] = []
        tokens = limits.pop("tokens", 100_000)
        attempts = limits.pop("attempts", 3)
        task = TaskFile("do it", tools=("look", "poke"), budget=Budget(tokens), guardrails=Guardrails(**limits))
        self.spec = RunSpec(task, ModelSpec("test", "scripted"), attempts=attempts)
        self.asked = 0
        self.ledger = Ledger()
        self.ledger.limit("run:r1", tokens)
        self.redaction = Redaction()

    def driver(self) -> Driver:
        return Driver("r1", self.spec, self._kit(), restart=True)

    def _kit(self) -> Kit:
        return Kit(
            log=self.journal,
            clock=self.clock,
            ledger=self.ledger,
            model=lambda *_: self.model,
            environment=lambda _, session: FakeWorld(session, self.shared),  # type: ignore[arg-type,return-value]
            approval_id=self._fresh,
            random=lambda: 0.5,
            day=lambda: "2026-01-01",
            flow=self.flow.append,
            redaction=self.redaction,
        )

    def _fresh(self) -> str:
        self.asked += 1
        return f"A-{self.asked}"

    async def start(self) -> tuple[Driver, asyncio.Task[None]]:
        await self.journal.append([Write("r1", 0, (RunStarted(self.spec),))])
        return await self.again()

    async def again(self) -> tuple[Driver, asyncio.Task[None]]:
        driver = self.driver()
        await driver.load()
        return driver, asyncio.create_task(driver.run())

    @property
    def row(self) -> Any:
        return self.journal.views.runs["r1"]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def asks(self) -> Any:
        """The next open request."""
        open_rows = lambda: [a for a in self.journal.views.approvals.values() if a.open]  # noqa: E731
        await self.until(lambda: bool(open_rows()))
        return open_rows()[0]
