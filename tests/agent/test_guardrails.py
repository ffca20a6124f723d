"""Guardrails compose; the first that stops wins; a caller's own goal ends a real run."""

from __future__ import annotations

from harness_tui import AgentLoop, Task, tool
from harness_tui.agent.guardrails import Turn, combine, max_iterations, max_messages, stop_when

from .worlds import ScriptedModel, call, say


def test_the_first_stop_wins_and_zero_turns_one_off() -> None:
    both = combine(max_iterations(2), max_messages(3))
    assert both(Turn(1, 3, ())) == ""
    assert both(Turn(2, 9, ())) == "2 iterations are the limit"
    assert both(Turn(1, 4, ())) == "3 messages are the limit"
    assert combine(max_iterations(0), max_messages(0))(Turn(99, 99, ())) == ""


async def test_stop_when_ends_a_run_once_its_goal_is_reached() -> None:
    @tool(risk="read_only")
    def look() -> str:
        """Look."""
        return "seen"

    found = stop_when(lambda turn: any(p.tool == "look" for p in turn.done), "it was seen")
    result = await AgentLoop(ScriptedModel(call("look"), say("never asked")), [look], guardrails=(found,)).run(
        Task("x")
    )
    assert (result.stopped_by, result.iterations, result.tools) == ("guardrail", 1, ["look"])
    assert result.reason == "it was seen"
