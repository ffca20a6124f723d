"""A call an operator approved with its plan: exactly that call is not asked for again, and nothing else is freed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness_tui.domain.approval import Proposal
from harness_tui.domain.messages import RISKS, Risk, ToolCall
from harness_tui.domain.policy import PLAN, Weighed, judge
from harness_tui.domain.rules import Rule, Subject, Where
from harness_tui.domain.task import LEVELS, Level, Script
from harness_tui.tools.box import Toolbox
from harness_tui.tools.environment import RunEnvironment
from harness_tui.tools.tool import tool

HERE = Where("/w", "r1", 100)


@tool
def wipe(name: str, depth: float = 1.0) -> str:
    """Wipe."""
    return f"wiped {name}"


@tool(risk="read_only")
def look(name: str) -> str:
    """Look."""
    return name


SCRIPT = Script("wipe", {"name": "a", "depth": 1.0}, "f" * 64)


def world(script: Script | None, *rules: Rule, level: Level = "L2") -> RunEnvironment:
    return RunEnvironment(
        (Toolbox([wipe, look]),), level=level, rules=lambda: rules, where=lambda: HERE, planned=script
    )


async def verdict(script: Script | None, *rules: Rule, level: Level = "L2", **given: Any) -> tuple[str, str]:
    call = ToolCall("c", "wipe", given or dict(SCRIPT.arguments))
    judged = await world(script, *rules, level=level).judge(call, level)
    return judged.verdict, judged.rule


async def test_exactly_the_approved_call_runs_at_l2_without_asking() -> None:
    assert await verdict(SCRIPT) == ("allow", PLAN)
    assert await verdict(None) == ("ask", "L2")


@pytest.mark.parametrize(
    "given",
    [{"name": "b", "depth": 1.0}, {"name": "a"}, {"name": "a", "depth": 1}, {"name": "a", "depth": 2.0}],
)
async def test_any_other_arguments_ask(given: dict[str, Any]) -> None:
    assert await verdict(SCRIPT, **given) == ("ask", "L2")


async def test_a_script_that_nobody_approved_asks() -> None:
    assert await verdict(replace(SCRIPT, approved="")) == ("ask", "L2")


async def test_another_tool_of_the_run_is_not_freed() -> None:
    assert await verdict(replace(SCRIPT, tool="look")) == ("ask", "L2")


async def test_the_operators_rules_beat_the_plan() -> None:
    assert await verdict(SCRIPT, Rule("ask", "wipe", id="R-1")) == ("ask", "R-1")
    assert await verdict(SCRIPT, Rule("deny", "wipe", id="R-2"), Rule("allow", "wipe", id="R-3")) == ("refuse", "R-2")


async def test_l1_only_reads_and_l3_needs_a_sandbox() -> None:
    assert (await verdict(SCRIPT, level="L1"))[0] == "refuse"
    assert await verdict(SCRIPT, level="L3") == ("refuse", "L3")


calls = st.builds(
    lambda risk, understood, free, refusal, sandboxed: Weighed(
        Proposal("shell_exec", {}, risk, "high", "s"),
        Subject("shell_exec", (("make", "all"),), understood=understood),
        free=free,
        refusal=refusal,
        sandboxed=sandboxed,
    ),
    st.sampled_from(RISKS),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "", "a guard says no"]),
    st.booleans(),
)
some_rules = st.lists(
    st.builds(lambda decision: Rule(decision, "shell_exec"), st.sampled_from(["allow", "ask", "deny"])), max_size=3
).map(lambda found: [replace(each, id=f"R-{n}") for n, each in enumerate(found, 1)])


@given(calls, st.sampled_from(LEVELS), some_rules)
def test_a_plan_frees_what_would_only_have_asked_or_lacked_a_rule(
    call: Weighed, level: Level, rules: list[Rule]
) -> None:
    without = judge(call, level, rules, HERE)
    with_plan = judge(call, level, rules, HERE, planned=True)
    if with_plan != without:
        assert with_plan.verdict == "allow"
    if with_plan.rule != PLAN:
        assert with_plan == without, "where the plan did not decide it changed nothing"
        return
    risk: Risk = call.proposal.risk_class
    assert not call.refusal
    assert all(rule.decision == "allow" for rule in rules)
    assert risk != "read_only"
    assert level == "L2" or (level == "L3" and call.sandboxed)
