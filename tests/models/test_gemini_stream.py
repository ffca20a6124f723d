"""Streamed responses of Gemini as pure values: parts, stop reasons and usage of an Answer, whatever was sent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.messages import Answer, Message, ModelRequest, Opaque, Text, ToolCall, Usage

from .gemini_events import SIGNATURE, assembled, call, event, usage


def test_parallel_calls_keep_their_order_and_each_its_signature() -> None:
    sent = [{"text": "I look."}, call("a", {"n": 1}, "x", "czE="), call("b", None, "x", "czI=")]
    answer = assembled(event(sent[0]), event(*sent[1:], finish="STOP"))
    assert answer.parts[:3] == (Text("I look."), ToolCall("x", "a", {"n": 1}), ToolCall("x_1_0", "b"))
    assert answer.parts[3:] == (Opaque("gemini", "tiny", {"parts": sent}),)
    assert answer.stop == "tool_calls"


def test_what_the_neutral_parts_say_in_full_is_not_kept_twice() -> None:
    answer = assembled(
        event({"text": "a"}), event({"text": "b"}, call("go", {"n": 1}, "x"), {"text": ""}, finish="STOP")
    )
    assert answer.parts == (Text("ab"), ToolCall("x", "go", {"n": 1}))


def test_a_call_with_an_id_of_an_earlier_turn_gets_a_new_one() -> None:
    request = ModelRequest((Message("assistant", (ToolCall("x", "look"),)),))
    made = [assembled(event(call("go", {}, "x"), call("go"), finish="STOP"), request=request) for _ in range(2)]
    assert [c.id for c in made[0].message.calls] == ["x_1_0", "call_1_0"]
    assert made[0] == made[1]


@pytest.mark.parametrize("args", [[1], "text", 7, {"a": "\ud800"}, float("nan")])
def test_arguments_that_are_no_object_become_an_error(args: Any) -> None:
    (made,) = assembled(
        event({"functionCall": {"name": "go", "args": args}, "thoughtSignature": "cw=="}, finish="STOP")
    ).message.calls
    assert (made.arguments, made.raw) == ({}, json.dumps(args))
    assert made.error.startswith("the arguments ")


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("MAX_TOKENS", "length"),
        *((reason, "filtered") for reason in ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT")),
        *((reason, "filtered") for reason in ("SPII", "MODEL_ARMOR", "IMAGE_SAFETY")),
        *((reason, "other") for reason in ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")),
        *((reason, "other") for reason in ("MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "OTHER", "NEW_IN_2027")),
    ],
)
def test_finish_reasons_are_normalised_and_named(reason: str, stop: str) -> None:
    ended = event({"text": "a"}, finish=reason)
    ended["candidates"][0]["finishMessage"] = "Because of this."
    answer = assembled(ended)
    assert (answer.message.text, answer.stop) == ("a", stop)
    named = () if stop == "length" else (f"The provider ended the answer with {reason}: Because of this.",)
    assert answer.notes == named


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("STOP", True),
        ("FUNCTION_CALL", True),
        ("MAX_TOKENS", True),
        ("NEW", True),
        ("SAFETY", False),
        ("TOO_MANY_TOOL_CALLS", False),
    ],
)
def test_calls_of_an_answer_the_provider_finds_fault_with_are_not_made(reason: str, kept: bool) -> None:
    answer = assembled(event({"text": "a"}, call("wipe", {}, "x", SIGNATURE), finish=reason))
    assert bool(answer.message.calls) is kept
    assert any(isinstance(part, Opaque) for part in answer.parts) is kept


def test_a_blocked_prompt_is_filtered_and_says_why() -> None:
    answer = assembled({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage(7, 0)})
    assert (answer.parts, answer.stop, answer.usage) == ((), "filtered", Usage(7))
    assert answer.notes == ("The prompt was blocked, SAFETY.",)


def test_without_a_finish_reason_an_answer_is_cut_and_has_no_calls() -> None:
    answer = assembled(event({"text": "I will"}, call("wipe", {}, "x", SIGNATURE)))
    assert (answer.parts, answer.stop) == ((Text("I will"),), "cut")
    assert not answer.usage_reported
    assert answer.usage.output > 0


def test_the_last_usage_counts_and_another_candidate_does_not() -> None:
    other = event({"text": "no"})
    other["candidates"][0]["index"] = 1
    late = event({"text": "a"}, finish="STOP", usageMetadata=usage(5, 1))
    answer = assembled(late, other, {"usageMetadata": usage(5, 8, thoughtsTokenCount=2)}, {"usageMetadata": {}})
    assert (answer.message.text, answer.usage, answer.usage_reported) == ("a", Usage(5, 10, reasoning=2), True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FUNCTIONS = JSON | st.fixed_dictionaries({"name": JSON, "args": JSON})
PARTS = st.fixed_dictionaries(
    {}, optional={"text": JSON, "thought": JSON, "thoughtSignature": JSON, "functionCall": FUNCTIONS}
)
CONTENT = st.fixed_dictionaries({"parts": st.lists(PARTS | JSON, max_size=3)})
CANDIDATES = st.fixed_dictionaries({"content": CONTENT, "finishReason": JSON | st.just("STOP")})
EVENTS = st.fixed_dictionaries({"candidates": st.lists(CANDIDATES, max_size=2), "usageMetadata": JSON})


@given(st.lists(JSON | EVENTS, max_size=4))
def test_no_event_whatever_breaks_the_assembly_and_every_answer_can_be_stored(events: list[Any]) -> None:
    answer = assembled(*events)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
