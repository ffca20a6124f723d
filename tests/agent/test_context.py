"""The window of a conversation a call carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness_tui.agent import context
from harness_tui.domain.messages import Message, Text, ToolCall, ToolResult


def conversation(turns: list[int]) -> list[Message]:
    out = [Message.say("system", "rules"), Message.say("user", "task")]
    for n, calls in enumerate(turns):
        parts = tuple(ToolCall(f"{n}.{c}", "look") for c in range(calls))
        out.append(Message("assistant", parts or (Text("hm"),)))
        out += [Message("tool", (ToolResult(f"{n}.{c}", "look", "seen"),)) for c in range(calls)]
    return out


@given(st.lists(st.integers(0, 4), max_size=60))
def test_the_window_keeps_rules_and_task_and_never_parts_a_call_from_its_result(turns: list[int]) -> None:
    messages = conversation(turns)
    shown = context.request(messages, (), None).messages
    assert shown[:2] == tuple(messages[:2])
    assert shown[-1] == messages[-1]
    assert len(shown) <= context.MAX_CONTEXT_MESSAGES
    asked = {c.id for m in shown for c in m.calls}
    answered = {p.id for m in shown for p in m.parts if isinstance(p, ToolResult)}
    assert answered <= asked


@given(st.lists(st.integers(0, 4), max_size=60))
def test_the_meter_measures_what_is_sent_also_when_it_was_asked_before(turns: list[int]) -> None:
    messages = conversation(turns)
    meter = context.Meter()
    for end in range(2, len(messages) + 1):
        meter.estimate(messages[:end], ())
    assert meter.estimate(messages, ()) == context.Meter().estimate(messages, ())
