"""The window of a conversation a call carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness_tui.agent import context
from harness_tui.domain.attempt import AttemptState
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
    shown = context.shown(messages)
    assert shown[:2] == tuple(messages[:2])
    assert shown[-1] == messages[-1]
    assert len(shown) <= context.MAX_CONTEXT_MESSAGES
    asked = {c.id for m in shown for c in m.calls}
    answered = {p.id for m in shown for p in m.parts if isinstance(p, ToolResult)}
    assert answered <= asked


@given(st.lists(st.integers(0, 4), max_size=60))
def test_a_squeezed_window_keeps_rules_and_task_and_is_smaller(turns: list[int]) -> None:
    messages = conversation(turns)
    shown = context.shown(messages, squeezed=True)
    assert shown[:2] == tuple(messages[:2])
    assert shown[-1] == messages[-1]
    assert len(shown) <= context.SQUEEZED_NEWEST + 2
    asked = {c.id for m in shown for c in m.calls}
    assert {p.id for m in shown for p in m.parts if isinstance(p, ToolResult)} <= asked


def test_a_squeezed_result_is_clipped_and_says_so() -> None:
    long = Message("tool", (ToolResult("1", "look", "x" * 9000),))
    (clipped,) = context.shown([long], squeezed=True)
    (part,) = clipped.parts
    assert isinstance(part, ToolResult)
    assert part.text.endswith("[cut: the conversation was too long]")
    assert len(part.text) < 2100


@given(st.lists(st.integers(0, 4), max_size=60))
def test_the_meter_measures_what_is_sent_also_when_it_was_asked_before(turns: list[int]) -> None:
    state = AttemptState("r1/1")
    meter = context.Meter()
    for message in conversation(turns):
        state.messages.append(message)
        meter.most(state, ())
    assert meter.most(state, ()) == context.Meter().most(state, ())


def test_the_meter_trusts_the_servers_count_and_bounds_the_rest_by_bytes() -> None:
    state = AttemptState("r1/1", messages=conversation([1]))
    unmeasured = context.Meter().most(state, ())
    state.measured = (40, 3)
    newest = "看" * 100
    state.messages.append(Message.say("user", newest))
    most = context.Meter().most(state, ())
    assert most >= 40 + len(newest.encode())
    assert unmeasured >= sum(len(m.text.encode()) for m in conversation([1]))


def test_the_answer_leaves_room_for_the_question() -> None:
    assert context.most_output(None) == context.most_output(1_000_000) == context.MAX_OUTPUT
    assert context.most_output(8192) == 2048
    assert context.most_output(100) == context.LEAST_OUTPUT
