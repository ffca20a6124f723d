"""Tools without a world: judged by risk and level, run with a deadline, never able to hurt the engine."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.events import Fact
from harness_tui.domain.messages import Risk, ToolCall
from harness_tui.domain.seams import Environment, ToolOutcome, Verdict
from harness_tui.domain.task import Level
from harness_tui.tools.box import Toolbox, as_text
from harness_tui.tools.environment import RunEnvironment
from harness_tui.tools.tool import tool


def plain(tools: list[Any]) -> RunEnvironment:
    return RunEnvironment((Toolbox(tools),))


NOWHERE = contextvars.ContextVar("NOWHERE", default="unset")


@tool(risk="read_only")
def read_note(name: str) -> str:
    """Read one note."""
    return f"note {name}"


@tool(risk="idempotent")
def save_note(name: str, text: str) -> dict[str, int]:
    """Save one note."""
    return {name: len(text)}


@tool
def delete_note(name: str, force: bool = False) -> None:
    """Delete one note."""


@tool(risk="network")
async def send_note(name: str) -> str:
    """Send one note."""
    return "sent"


WORLD = plain([send_note, save_note, read_note, delete_note])
GOOD: dict[str, dict[str, Any]] = {
    "read_note": {"name": "a"},
    "save_note": {"name": "a", "text": "b"},
    "delete_note": {"name": "a"},
    "send_note": {"name": "a"},
}


async def perform(function: Callable[..., Any], deadline: float = 30, **arguments: Any) -> ToolOutcome:
    made = tool(risk="read_only", deadline=deadline)(function)
    return await plain([made]).perform(ToolCall("c", made.spec.name, arguments))


def test_it_is_an_environment_with_sorted_tools() -> None:
    world: Environment = WORLD
    assert [spec.name for spec in world.tools] == ["delete_note", "read_note", "save_note", "send_note"]
    assert (world.kind, world.recovery) == ("none", "reattach")


async def test_there_is_nothing_to_compare_nothing_to_reach_and_nothing_to_verify() -> None:
    await WORLD.open()
    assert await WORLD.baseline() == (None, ())
    assert await WORLD.goal((), None) == ""
    assert await WORLD.verify((), None) == Verdict(None, "nothing verified the claim")
    assert (await WORLD.after_batch()).message == ""
    await WORLD.close()


@pytest.mark.parametrize(
    ("level", "verdicts"),
    [
        ("L1", {"read_note": "allow", "save_note": "refuse", "delete_note": "refuse", "send_note": "refuse"}),
        ("L2", {"read_note": "allow", "save_note": "allow", "delete_note": "ask", "send_note": "ask"}),
        ("L3", {"read_note": "allow", "save_note": "allow", "delete_note": "refuse", "send_note": "refuse"}),
    ],
)
async def test_level_and_risk_decide(level: Level, verdicts: dict[str, str]) -> None:
    for name, verdict in verdicts.items():
        judgement = await WORLD.judge(ToolCall("c", name, GOOD[name]), level)
        assert judgement.verdict == verdict
        if verdict == "refuse":
            assert judgement.why == "level"
            assert judgement.proposal is None
            assert name in judgement.reason


async def test_the_card_has_the_tool_and_each_argument() -> None:
    call = ToolCall("c", "delete_note", {"name": "a\x1b[2J", "force": True})
    judgement = await WORLD.judge(call, "L2")
    proposal = judgement.proposal
    assert proposal is not None
    assert proposal.facts == (Fact("tool", "delete_note"), Fact("name", "a\x1b[2J"), Fact("force", "true"))
    assert (proposal.risk, proposal.risk_class) == ("high", "destructive")
    assert proposal.arguments == call.arguments


async def test_an_unknown_tool_is_answered_with_the_nearest_name() -> None:
    judgement = await WORLD.judge(ToolCall("c", "delete_notes", {}), "L2")
    assert (judgement.verdict, judgement.why) == ("refuse", "unknown_tool")
    assert judgement.reason == 'There is no tool "delete_notes"; the nearest is "delete_note".'
    nothing = await plain([]).judge(ToolCall("c", "x", {}), "L2")
    assert nothing.reason == 'There is no tool "x", and no other one.'


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (ToolCall("c", "read_note", {"nam": 1}), "name is missing; nam is no argument; did you mean name?"),
        (ToolCall("c", "read_note", {}), "name is missing"),
        (ToolCall("c", "read_note", {}, "the arguments are not JSON", "{"), "the arguments are not JSON"),
    ],
)
async def test_malformed_arguments_are_refused_with_what_is_wrong(call: ToolCall, wrong: str) -> None:
    judgement = await WORLD.judge(call, "L2")
    assert (judgement.verdict, judgement.why) == ("refuse", "malformed")
    assert wrong in judgement.reason


async def test_results_become_text() -> None:
    assert await WORLD.perform(ToolCall("c", "read_note", {"name": "a"})) == ToolOutcome(True, "note a")
    assert (await WORLD.perform(ToolCall("c", "save_note", GOOD["save_note"]))).text == '{"a":1}'
    assert (await WORLD.perform(ToolCall("c", "delete_note", {"name": "a"}))).text == "done"
    assert (await WORLD.perform(ToolCall("c", "send_note", {"name": "a"}))).text == "sent"


@pytest.mark.parametrize(
    "error",
    [ValueError("no such note"), SystemExit("stop"), KeyboardInterrupt("no"), StopIteration("x"), TimeoutError("t")],
)
async def test_what_a_tool_raises_is_a_result_without_a_traceback(error: BaseException) -> None:
    def fail() -> None:
        raise error

    outcome = await perform(fail)
    assert outcome == ToolOutcome(False, f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(
    "error", [ValueError("no such note"), SystemExit(3), TimeoutError("t"), ExceptionGroup("g", [OSError()])]
)
async def test_what_an_async_tool_raises_is_a_result_too(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    assert await perform(fail) == ToolOutcome(False, f"{type(error).__name__}: {error}")


async def test_an_error_that_cannot_be_printed_is_still_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fail() -> None:
        raise Mute

    assert await perform(fail) == ToolOutcome(False, "Mute")


async def test_sync_tools_share_resting_threads_and_never_wait_for_a_busy_one() -> None:
    met = threading.Barrier(2)
    seen: list[int] = []

    def note() -> None:
        seen.append(threading.get_ident())

    def meet() -> None:
        met.wait(60)

    await perform(note)
    await perform(note)
    assert len(set(seen)) == 1
    both = await asyncio.gather(perform(meet), perform(meet))
    assert [outcome.ok for outcome in both] == [True, True]


async def test_a_sync_tool_that_never_returns_ends_at_its_deadline_and_holds_nobody_up() -> None:
    release = threading.Event()
    seen: list[bool] = []

    def stuck() -> None:
        seen.append(threading.current_thread().daemon)
        release.wait(120)

    outcome = await perform(stuck, deadline=0.05)
    release.set()
    assert outcome.text == "stuck did not finish within 0.05 s; whether it took effect is unknown"
    assert not outcome.ok
    assert seen == [True]


async def test_an_async_tool_is_cancelled_at_its_deadline() -> None:
    ended: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    outcome = await perform(stuck, deadline=0.05)
    assert (outcome.ok, ended) == (False, ["cleaned up"])


async def test_cancelling_the_run_is_not_a_tool_failure() -> None:
    started = asyncio.Event()

    async def stuck() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(perform(stuck))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_sync_tool_sees_the_callers_context() -> None:
    NOWHERE.set("here")

    def look() -> str:
        return NOWHERE.get()

    assert (await perform(look)).text == "here"


async def test_a_large_result_is_whole_so_that_the_rest_can_be_spilled() -> None:
    def flood() -> str:
        return "a" * 100_000 + "THE END"

    assert len((await perform(flood)).text) == 100_007


@given(st.recursive(st.none() | st.text(st.characters()) | st.integers() | st.binary() | st.floats(), st.lists))
def test_any_result_becomes_text_that_can_be_written_down(value: Any) -> None:
    as_text(value).encode()


def test_objects_without_json_become_their_text() -> None:
    loop: list[Any] = []
    loop.append(loop)
    as_text(loop).encode()
    assert as_text("half \ud800") == "half \\ud800"
    assert as_text({1j: 1}) == '{"1j":1}'


RISKY: dict[Risk, bool] = {"read_only": False, "idempotent": False, "destructive": True, "network": True}


@given(st.sampled_from(sorted(RISKY)), st.sampled_from(["L1", "L2", "L3"]))
def test_nothing_risky_is_ever_allowed_by_itself(risk: Risk, level: Level) -> None:
    @tool(risk=risk)
    def act() -> None: ...

    judgement = asyncio.run(plain([act]).judge(ToolCall("c", "act", {}), level))
    if RISKY[risk]:
        assert judgement.verdict != "allow"
