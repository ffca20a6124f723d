"""The calls of one turn: reads run together, everything else waits; and the same call again and again ends the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.events import Event, name_of
from harness_tui.domain.messages import Answer, Text, ToolCall, ToolResult, Usage
from harness_tui.domain.seams import Verdict
from harness_tui.journal.journal import Journal
from harness_tui.tools.box import Toolbox
from harness_tui.tools.environment import RunEnvironment
from harness_tui.tools.tool import tool

from .taped import Taped, plays_the_same
from .worlds import Bench, ManualClock, ScriptedModel, call, say


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


def bench(journal: Journal, *script: object, **limits: int) -> Bench:
    return Bench(journal, ManualClock(), ScriptedModel(*script), **limits)


def calls(*names: str) -> Answer:
    """One turn that asks for all of these, each with an argument of its own."""
    made = (ToolCall(f"t{n}", name, {"n": n}) for n, name in enumerate(names))
    return Answer((Text("a"), *made), Usage(9, 9), "tool_calls")


class Gate:
    """Holds calls until the test lets them go, and tells which are under way."""

    def __init__(self) -> None:
        self.under_way: list[int] = []
        self.most = 0
        self._open: dict[int, asyncio.Event] = {}

    async def pass_(self, asked: ToolCall) -> None:
        n = asked.arguments["n"]
        self.under_way.append(n)
        self.most = max(self.most, len(self.under_way))
        await self._open.setdefault(n, asyncio.Event()).wait()
        self.under_way.remove(n)

    def let(self, *numbers: int) -> None:
        for n in numbers:
            self._open.setdefault(n, asyncio.Event()).set()


async def happened(b: Bench, *kinds: type[Event]) -> list[tuple[str, str]]:
    """(event, call) of these kinds in the order of the log."""
    found = [e.event for e in await b.journal.tail(root="r1", limit=10_000)]
    return [(name_of(e), e.call) for e in found if isinstance(e, kinds)]  # type: ignore[attr-defined]


STARTS = (ev.ToolStarted, ev.ToolFinished, ev.ApprovalRequested)


async def test_reads_run_together_and_are_told_in_their_order(journal: Journal) -> None:
    b, gate = bench(journal, calls("look", "look", "look"), say("done")), Gate()
    b.shared["perform"] = gate.pass_
    _, task = await b.start()
    await b.until(lambda: len(gate.under_way) == 3)
    gate.let(2)
    await b.until(lambda: gate.under_way == [0, 1])
    assert [name for name, _ in await happened(b, *STARTS)] == ["tool_started"] * 3, "nothing is told half"
    gate.let(0, 1)
    await task
    ends = [call for name, call in await happened(b, *STARTS) if name == "tool_finished"]
    assert ends == ["c1.1", "c1.2", "c1.3"]
    results = [p.id for m in b.model.requests[1].messages for p in m.parts if isinstance(p, ToolResult)]
    assert results == ["t0", "t1", "t2"]


async def test_no_more_than_eight_at_once(journal: Journal) -> None:
    b, gate = bench(journal, calls(*["look"] * 20), say("done")), Gate()
    b.shared["perform"] = gate.pass_
    _, task = await b.start()
    await b.until(lambda: len(gate.under_way) == 8)
    gate.let(*range(20))
    await task
    assert gate.most == 8
    assert b.row.exit == 0


async def test_what_is_no_read_waits_for_all_before_it_and_holds_all_after_it(journal: Journal) -> None:
    b, gate = bench(journal, calls("look", "look", "poke", "look"), say("done")), Gate()
    b.shared["perform"] = gate.pass_
    driver, task = await b.start()
    await b.until(lambda: gate.under_way == [0, 1])
    assert not journal.views.approvals
    gate.let(0, 1)
    row = await b.asks()
    gate.let(2)
    await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
    await b.until(lambda: gate.under_way == [3])
    gate.let(3)
    await task
    assert await happened(b, *STARTS) == [
        *(("tool_started", "c1.1"), ("tool_started", "c1.2"), ("tool_finished", "c1.1"), ("tool_finished", "c1.2")),
        *(("approval_requested", "c1.3"), ("tool_started", "c1.3"), ("tool_finished", "c1.3")),
        *(("tool_started", "c1.4"), ("tool_finished", "c1.4")),
    ]


async def test_a_refused_call_is_a_barrier_too(journal: Journal) -> None:
    b = bench(journal, calls("look", "lok", "look"), say("done"))
    _, task = await b.start()
    await task
    kinds = (*STARTS, ev.ToolRefused)
    assert [call for _, call in await happened(b, *kinds)] == ["c1.1", "c1.1", "c1.2", "c1.3", "c1.3"]


async def test_after_a_crash_all_of_them_run_again(journal: Journal) -> None:
    b, gate = bench(journal, calls("look", "look"), calls("look", "look"), say("done")), Gate()
    b.shared["perform"] = gate.pass_
    _, task = await b.start()
    await b.until(lambda: len(gate.under_way) == 2)
    gate.let(0)
    await b.until(lambda: gate.under_way == [1])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.let(1)
    _, task = await b.again()
    await task
    assert b.shared["done"] == ["look"] * 4
    assert not journal.views.approvals, "a read is never in doubt"
    assert b.row.exit == 0


async def test_a_world_that_dies_under_one_of_them_counts_as_lost_once(journal: Journal) -> None:
    b = bench(journal, calls("look", "look", "look"), say("done"), attempts=1)
    b.shared["verdicts"] = [Verdict(True, "seen")]
    b.shared["die"] = True
    _, task = await b.start()
    await task
    assert (b.row.verified, b.row.attempts) == (True, 2)


async def test_a_cancel_ends_all_of_them(journal: Journal) -> None:
    b, gate = bench(journal, calls("look", "look")), Gate()
    b.shared["perform"] = gate.pass_
    driver, task = await b.start()
    await b.until(lambda: len(gate.under_way) == 2)
    await driver.cancel("me", "enough")
    await task
    assert (b.row.state, b.row.exit) == ("cancelled", 8)
    ends = [call for name, call in await happened(b, *STARTS) if name == "tool_finished"]
    assert ends == ["c1.1", "c1.2"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_a_recording_holds_them_whichever_ended_first(
    journal: Journal, tmp_path: Path, order: tuple[int, ...]
) -> None:
    b, gate = Taped(journal, tmp_path / "c", calls("look", "look", "look"), say("done")), Gate()
    b.shared["perform"] = gate.pass_
    _, task = await b.start()
    await b.until(lambda: len(gate.under_way) == 3)
    for n in order:
        gate.let(n)
        await b.until(lambda n=n: n not in gate.under_way)  # type: ignore[misc]
    await task
    await plays_the_same(b)


@pytest.mark.parametrize("ended", [(), (0,), (1,), (2,), (0, 2)])
@pytest.mark.parametrize("end", ["cancel", "crash"])
async def test_a_recording_of_a_batch_that_was_cut_short(
    journal: Journal, tmp_path: Path, ended: tuple[int, ...], end: str
) -> None:
    batch = calls("look", "look", "look")
    b, gate = Taped(journal, tmp_path / "c", batch, batch, say("done")), Gate()
    b.shared["perform"] = gate.pass_
    driver, task = await b.start()
    await b.until(lambda: len(gate.under_way) == 3)
    gate.let(*ended)
    await b.until(lambda: len(gate.under_way) == 3 - len(ended))
    if end == "cancel":
        await driver.cancel("me", "enough")
    else:
        gate.let(0, 1, 2)
        gate.under_way.clear()
        _, task = await b.crash(task)
    await task
    await plays_the_same(b)


class OnePage(Toolbox):
    """Tools that share one thing."""

    concurrent = False
    busy = False

    @tool(risk="read_only")
    async def read_page(self, n: int) -> str:
        """Read it."""
        assert not self.busy, "somebody else is reading"
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False
        return str(n)


async def test_a_box_may_take_its_calls_one_at_a_time() -> None:
    world = RunEnvironment((OnePage(),))
    asked = (world.perform(ToolCall(f"t{n}", "read_page", {"n": n})) for n in range(5))
    assert [(o.ok, o.text) for o in await asyncio.gather(*asked)] == [(True, str(n)) for n in range(5)]


# -- the same call again and again -------------------------------------------------------------------------------------


async def test_the_third_time_the_model_is_told_the_sixth_time_the_loop_stops(journal: Journal) -> None:
    b = bench(journal, *[call("look", n=1) for _ in range(9)], attempts=1)
    _, task = await b.start()
    await task
    assert b.shared["done"] == ["look"] * 5
    assert (b.row.exit, b.row.stopped_by) == (3, "guardrail")
    assert b.row.reason == "look was asked for with the same arguments 6 times in a row"
    told = [_told(request.messages[-1]) for request in b.model.requests]
    assert told == [False, False, False, True, False, False]


def _told(message: Any) -> bool:
    return message.role == "user" and "exactly this call of look 3 times in a row" in message.text


@pytest.mark.parametrize("name", ["lok", "look"])
async def test_refused_and_failed_calls_count_and_so_do_those_of_one_turn(journal: Journal, name: str) -> None:
    same = Answer(tuple(ToolCall(f"t{n}", name, {"n": 1}) for n in range(4)), Usage(9, 9), "tool_calls")
    b = bench(journal, same, same, attempts=1)
    b.shared["fails"] = True
    _, task = await b.start()
    await task
    assert len(b.model.requests) == 2
    assert _told(b.model.requests[1].messages[-1]) == (name == "look")
    assert (b.row.exit, b.row.stopped_by) == (3, "guardrail")
    assert b.row.reason.startswith(f"{name} was asked for with the same arguments 6 times in a row")


async def test_another_call_in_between_begins_the_count_anew(journal: Journal) -> None:
    script = [call("look", n=1 if n % 5 else 2) for n in range(11)]
    b = bench(journal, *script, say("done"))
    _, task = await b.start()
    await task
    assert len(b.shared["done"]) == 11
    assert b.row.exit == 0


async def test_it_is_the_same_in_a_replay(journal: Journal, tmp_path: Path) -> None:
    b = Taped(journal, tmp_path / "c", *[call("look", n=1) for _ in range(9)], attempts=1)
    _, task = await b.start()
    await task
    assert b.row.exit == 3
    await plays_the_same(b)
