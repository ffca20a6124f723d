"""Request bodies of the Messages protocol: valid for whatever conversation, and each the prefix of the next."""

from __future__ import annotations

import json
import re
import string
import types
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import typing_extensions as typing_ext
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.messages import (
    Image,
    Message,
    ModelRequest,
    Opaque,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from harness_tui.domain.task import Options
from harness_tui.models.anthropic.wire import body_of, error_of, messages_of

# -- the vendor's own types as a checker --------------------------------------------------------------------------


@cache
def _fields(kind: Any) -> dict[str, Any]:
    return typing_ext.get_type_hints(kind, include_extras=True)


def conforms(value: Any, kind: Any) -> bool:
    """Whether JSON is of a type of the SDK: all required keys, no others than its own."""
    origin = get_origin(kind)
    if typing_ext.is_typeddict(kind):
        fields = _fields(kind)
        needed = {name for name, field in fields.items() if get_origin(field) is typing_ext.Required}
        return (
            isinstance(value, dict)
            and needed <= value.keys() <= fields.keys()
            and all(conforms(value[name], fields[name]) for name in value)
        )
    if origin in (typing_ext.Required, typing_ext.Annotated):
        return conforms(value, get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return any(conforms(value, one) for one in get_args(kind))
    if origin in (Literal, typing_ext.Literal):
        return value in get_args(kind)
    if origin is dict:
        return isinstance(value, dict)
    if isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping):
        return isinstance(value, list) and all(conforms(item, get_args(kind)[0]) for item in value)
    if kind in (str, int, bool, type(None)):
        return type(value) is kind
    return False


def is_valid(body: dict[str, Any]) -> bool:
    return conforms(body, MessageCreateParamsStreaming)


def test_the_checker_refuses_what_the_types_do_not_know() -> None:
    body = body_of(ModelRequest((Message.say("user", "u"),)), "m")
    assert is_valid(body)
    assert not is_valid(body | {"seed": 1})
    assert not is_valid({name: value for name, value in body.items() if name != "max_tokens"})
    assert not is_valid(body | {"messages": [{"role": "user", "content": [{"type": "text", "text": "u", "x": 1}]}]})
    assert not is_valid(body | {"messages": [{"role": "tool", "content": []}]})


# -- any conversation --------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.sampled_from(["toolu_1", "call|2", "日本", "", "a.b", "x" * 80])
NAMES = st.text(string.ascii_letters + "_. ", max_size=8)
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def _numbered(messages: list[Message]) -> tuple[Message, ...]:
    """With the ids of calls made unique, as every adapter guarantees."""
    counted = 0
    out = []
    for message in messages:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                counted += 1
                part = ToolCall(f"{part.id}{counted}", part.name, part.arguments, part.error, part.raw)
            elif isinstance(part, ToolResult):
                part = ToolResult(f"{part.id}{max(1, counted - len(part.text) % 3)}", part.name, part.text, part.ok)
            parts.append(part)
        out.append(Message(message.role, tuple(parts)))
    return tuple(out)


CALLS = st.builds(
    ToolCall, IDS, NAMES, st.dictionaries(TEXTS, TEXTS, max_size=2), st.sampled_from(["", "no JSON"]), TEXTS
)
RESULTS = st.builds(ToolResult, IDS, NAMES, TEXTS, st.booleans())
IMAGES = st.builds(Image, st.sampled_from(["image/png", "image/bmp"]), st.just("aGk="))
OPAQUE = st.sampled_from(
    [
        Opaque("anthropic", "tiny", {"content": [SIGNED, {"type": "text", "text": "So."}]}),
        Opaque("anthropic", "other", {"content": [SIGNED]}),
        Opaque("gemini", "tiny", {"x": 1}),
    ]
)
ASSISTANT: st.SearchStrategy[Part] = st.one_of(st.builds(Text, TEXTS), st.builds(Reasoning, TEXTS), CALLS, OPAQUE)
HEARD: st.SearchStrategy[Part] = st.one_of(st.builds(Text, TEXTS), RESULTS, IMAGES)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    roles: list[Role] = draw(st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), max_size=8))
    said = [
        Message(role, tuple(draw(st.lists(ASSISTANT if role == "assistant" else HEARD, max_size=4)))) for role in roles
    ]
    return _numbered(said)


def _kinds(turn: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in turn["content"] if block["type"] == kind]


@settings(deadline=None)
@given(conversations(), st.booleans())
def test_any_conversation_gives_a_valid_body(messages: tuple[Message, ...], tools: bool) -> None:
    specs = (ToolSpec("look", "Looks.", {"type": "object", "properties": {}}),) if tools else ()
    body = body_of(ModelRequest(messages, specs), "tiny")
    assert is_valid(body)
    turns = body["messages"]
    assert [turn["role"] for turn in turns] == [("user", "assistant")[n % 2] for n in range(len(turns))]
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        assert turn["content"]
        assert all(block["text"].strip() for block in _kinds(turn, "text"))
        calls = [block["id"] for block in _kinds(turn, "tool_use")]
        assert all(re.fullmatch("[a-zA-Z0-9_-]+", ident) for ident in calls)
        answered = after["content"][: len(calls)] if after else []
        assert sorted(block.get("tool_use_id", "") for block in answered) == sorted(calls)
        assert after is None or len(_kinds(after, "tool_result")) == len(calls)
    assert not _kinds(turns[0], "tool_result")
    if turns[-1]["role"] == "assistant" and "Opaque" not in repr(messages):
        last = turns[-1]["content"][-1]
        assert last["text"] == last["text"].rstrip()


@st.composite
def tool_loops(draw: st.DrawFn) -> list[tuple[Message, ...]]:
    """Requests of one conversation: each what was said until then."""
    said = [Message.say("system", "s"), Message.say("user", "u")]
    requests = [tuple(said)]
    for turn in range(draw(st.integers(1, 4))):
        calls = tuple(ToolCall(f"t{turn}_{n}", "look", {"n": n}) for n in range(draw(st.integers(1, 3))))
        signed = (Opaque("anthropic", "tiny", {"content": [SIGNED, *_uses(calls)]}),) if draw(st.booleans()) else ()
        said.append(Message("assistant", (Reasoning("hm"), Text(draw(TEXTS)), *calls, *signed)))
        said += [Message("tool", (ToolResult(call.id, "look", draw(TEXTS)),)) for call in draw(st.permutations(calls))]
        said += [Message.say("user", draw(TEXTS))] if draw(st.booleans()) else []
        requests.append(tuple(said))
    return requests


def _uses(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in calls]


@settings(deadline=None)
@given(tool_loops())
def test_consecutive_requests_share_a_byte_exact_prefix(requests: list[tuple[Message, ...]]) -> None:
    specs = tuple(ToolSpec(name, "", {"type": "object"}) for name in ("b", "a"))
    bodies = [body_of(ModelRequest(messages, specs), "tiny") for messages in requests]
    for before, after in pairwise(bodies):
        for name in ("tools", "system"):
            assert json.dumps(before[name]) == json.dumps(after[name])
        assert json.dumps(after["messages"]).startswith(json.dumps(before["messages"])[:-1])


# -- each thing in its form --------------------------------------------------------------------------------------

ASK = (Message.say("system", "Be brief."), Message.say("user", "Hello"))
SPECS = (ToolSpec("b", "B.", {"type": "object"}), ToolSpec("a", "A.", {"properties": {"x": {}}}))
CACHE = {"type": "ephemeral"}


def test_a_plain_request() -> None:
    assert body_of(ModelRequest(ASK), "m") == {
        "model": "m",
        "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHE}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "max_tokens": 8192,
        "stream": True,
        "cache_control": CACHE,
    }


def test_tools_are_sorted_and_the_last_one_ends_what_every_conversation_shares() -> None:
    body = body_of(ModelRequest(ASK, SPECS), "m")
    assert body["tools"] == [
        {"name": "a", "description": "A.", "input_schema": {"type": "object", "properties": {"x": {}}}},
        {"name": "b", "description": "B.", "input_schema": {"type": "object"}, "cache_control": CACHE},
    ]
    assert json.dumps(body).count("cache_control") == 3
    assert "cache_control" not in json.dumps(body_of(ModelRequest(ASK, SPECS), "m", cache=False))


@pytest.mark.parametrize(
    ("room", "wanted", "sent"), [(None, None, 8192), (None, 20_000, 20_000), (50, None, 50), (50, 20, 20), (0, None, 1)]
)
def test_the_limit_is_what_was_wanted_within_what_the_budget_holds(
    room: int | None, wanted: int | None, sent: int
) -> None:
    assert body_of(ModelRequest(ASK, max_output=room), "m", Options(max_tokens=wanted))["max_tokens"] == sent


def test_sampling_is_sent_to_older_versions_only_and_a_seed_never() -> None:
    sampled = Options(seed=7, temperature=0.0)
    assert not {"seed", "temperature"} & body_of(ModelRequest(ASK), "m", sampled).keys()
    for version, effort, sent in (("2026-10-21", "", False), ("2023-06-01", "", True), ("2023-06-01", "low", False)):
        options = Options(seed=7, temperature=0.0, version=version, effort=effort)
        body = body_of(ModelRequest(ASK), "m", options)
        assert ("temperature" in body) is sent
        assert "seed" not in body


def test_effort_turns_thinking_on() -> None:
    body = body_of(ModelRequest(ASK), "m", Options(effort="xhigh"))
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "xhigh"})
    assert is_valid(body)


def test_calls_one_at_a_time_are_asked_for_only_where_there_are_tools() -> None:
    one = Options(parallel_tools=False)
    body = body_of(ModelRequest(ASK, SPECS), "m", one)
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert is_valid(body)
    assert "tool_choice" not in body_of(ModelRequest(ASK), "m", one)
    assert "tool_choice" not in body_of(ModelRequest(ASK, SPECS), "m", Options(parallel_tools=True))


def test_results_of_one_turn_come_first_in_one_message_and_failures_say_so() -> None:
    calls = (ToolCall("a", "look", {"x": 1}), ToolCall("b", "go", {}, "the arguments are not JSON", "{no"))
    messages = [
        Message.say("user", "u"),
        Message("assistant", (Reasoning("hm"), Text("I look. \n"), *calls)),
        Message("tool", (ToolResult("b", "go", "no", ok=False), Text("signed in"))),
        Message("tool", (ToolResult("a", "look", ""), Image("image/png", "aGk="))),
        Message.say("user", "go on"),
    ]
    _, assistant, user = messages_of(messages, "m")
    assert assistant["content"] == [
        {"type": "text", "text": "I look. \n"},
        {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "go", "input": {"unparsable_arguments": "{no"}},
    ]
    assert user["content"] == [
        {"type": "tool_result", "tool_use_id": "b", "content": "no", "is_error": True},
        {"type": "tool_result", "tool_use_id": "a", "content": "(nothing)"},
        {"type": "text", "text": "signed in"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "text", "text": "go on"},
    ]


def test_the_opaque_part_of_the_same_model_line_is_sent_instead_of_the_neutral_ones() -> None:
    message = Message("assistant", (Reasoning("hm"), Text("no"), Opaque("anthropic", "tiny", {"content": [SIGNED]})))
    (_, same), (_, foreign) = (messages_of([ASK[1], message], model) for model in ("tiny-20261021", "other"))
    assert same["content"] == [SIGNED]
    assert foreign["content"] == [{"type": "text", "text": "no"}]


def test_an_answer_to_go_on_with_does_not_end_in_white_space_and_an_empty_one_is_left_out() -> None:
    assert messages_of([ASK[1], Message.say("assistant", "So \n")], "m")[1]["content"][0]["text"] == "So"
    for empty in ((), (Text(" "),), (Reasoning("only thoughts"),)):
        assert messages_of([ASK[1], Message("assistant", empty)], "m") == messages_of([ASK[1]], "m")


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("tools.0.custom.cache_control: Extra inputs are not permitted", "cache_control"),
        ("cache_control: Extra inputs are not permitted", "cache_control"),
        ("output_config.effort: Input should be 'low'", "output_config"),
        ("messages.1.content.0: Invalid `signature` in `thinking` block", "messages"),
        ("prompt is too long: 210000 tokens > 200000 maximum", None),
        ("Overloaded", None),
    ],
)
def test_the_parameter_an_error_names_is_found(message: str, named: str | None) -> None:
    error = {"type": "invalid_request_error", "message": message}
    found = error_of({"type": "error", "error": error, "request_id": "req_1"})
    assert {key: value for key, value in found.items() if key != "param"} == error
    assert found.get("param") == named


@pytest.mark.parametrize("body", ["<html>", {"detail": "Not Found"}, {"error": "unauthorized"}, None, [1]])
def test_an_error_body_of_another_form_is_kept(body: Any) -> None:
    assert error_of(body) == body
