"""The chat-completions wire as pure functions: what goes out comes back the same, however it is cut into pieces."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.messages import (
    Answer,
    Image,
    Message,
    ModelRequest,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from harness_tui.domain.task import Options
from harness_tui.models.assembly import parse_arguments
from harness_tui.models.estimate import request_tokens, text_tokens
from harness_tui.models.openai.chat_stream import ChatAssembly
from harness_tui.models.openai.chat_wire import body_of, messages_of

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(TEXTS, JSON, max_size=4)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), max_size=4).map(
    lambda calls: tuple(ToolCall(f"id{n}", name, arguments) for n, (name, arguments) in enumerate(calls))
)


@st.composite
def assistants(draw: st.DrawFn) -> Message:
    text = draw(TEXTS)
    return Message("assistant", (*((Text(text),) if text else ()), *draw(CALLS)))


@st.composite
def streamed(draw: st.DrawFn, wire: dict[str, Any]) -> list[dict[str, Any]]:
    """One assistant message of the wire as a server might cut it: deltas of any size, several calls interleaved."""
    deltas: list[dict[str, Any]] = []
    for piece in _pieces(draw, wire["content"] or ""):
        deltas.append({"content": piece})
    tracks = []
    for index, call in enumerate(wire.get("tool_calls") or ()):
        function = call["function"]
        head = {"index": index, "id": call["id"], "type": "function", "function": {"name": function["name"]}}
        tail = [{"index": index, "function": {"arguments": p}} for p in _pieces(draw, function["arguments"])]
        tracks.append([head, *tail])
    while any(tracks):
        together = draw(st.lists(st.sampled_from([t for t in tracks if t]), min_size=1, max_size=3))
        deltas.append({"tool_calls": [track.pop(0) for track in together if track]})
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def assembled(chunks: list[Any], request: ModelRequest | None = None) -> Answer:
    assembly = ChatAssembly(request or ModelRequest(()), "tiny")
    for chunk in chunks:
        list(assembly.feed(chunk))
    return assembly.answer()


@given(st.data(), assistants())
def test_an_answer_streamed_in_any_pieces_is_the_message_that_was_sent(data: st.DataObject, message: Message) -> None:
    (wire,) = messages_of([message], "tiny")
    answer = assembled(data.draw(streamed(json.loads(json.dumps(wire)))))
    assert answer.message == message
    assert answer.stop == ("tool_calls" if message.calls else "end")


@given(st.data(), assistants())
def test_without_its_finish_reason_an_answer_is_cut_and_has_no_calls(data: st.DataObject, message: Message) -> None:
    (wire,) = messages_of([message], "tiny")
    answer = assembled(data.draw(streamed(wire))[:-1])
    assert answer.stop == "cut"
    assert not answer.message.calls
    assert answer.message.text == message.text


@given(
    st.lists(JSON | st.fixed_dictionaries({"choices": st.lists(st.fixed_dictionaries({"delta": JSON}))}), max_size=5)
)
def test_no_chunk_whatever_breaks_the_assembly(chunks: list[Any]) -> None:
    answer = assembled(chunks)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer


@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_arguments_are_an_object_or_an_error_and_can_always_be_stored(raw: str) -> None:
    arguments, error = parse_arguments(raw)
    assert isinstance(arguments, dict)
    assert not (arguments and error)
    msgspec.json.encode(ToolCall("a", "b", arguments, error))


@given(TEXTS)
def test_unparsable_arguments_go_back_as_json_that_carries_them(raw: str) -> None:
    message = Message("assistant", (ToolCall("a", "look", {}, "the arguments are not JSON", raw),))
    (wire,) = messages_of([message], "tiny")
    assert json.loads(wire["tool_calls"][0]["function"]["arguments"]) == {"unparsable_arguments": raw}


def test_each_role_has_its_form() -> None:
    parts: tuple[Part, ...] = (
        Reasoning("hm"),
        Text("I look."),
        ToolCall("a", "look"),
        Opaque("gemini", "tiny", {"x": 1}),
    )
    messages = [
        Message.say("system", "s"),
        Message.say("user", "u"),
        Message("assistant", parts),
        Message("tool", (ToolResult("a", "look", "seen"), ToolResult("b", "go", "no", ok=False), Text("signed in"))),
        Message("assistant", (Reasoning("only thoughts"),)),
    ]
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    assert messages_of(messages, "tiny") == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
        {"role": "tool", "tool_call_id": "b", "content": "no"},
        {"role": "user", "content": "signed in"},
        {"role": "assistant", "content": ""},
    ]


OPAQUE = st.sampled_from(
    [
        Opaque("openai-chat", "tiny", {"message": {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}}),
        Opaque("openai-chat", "tiny", {"reasoning": "reasoning_content"}),
        Opaque("openai-chat", "tiny", {"call": "id0", "extra": {"extra_content": {"google": {}}}}),
        Opaque("openai-chat", "other", {"message": {"reasoning_details": []}}),
        Opaque("anthropic", "tiny", {"content": [{"type": "thinking"}]}),
    ]
)
IMAGES = st.just(Image("image/png", "iVBORw0KGgo="))
SAID = st.lists(TEXTS.map(Text) | IMAGES, max_size=3).map(tuple)
RESULTS = st.lists(
    st.builds(ToolResult, NAMES, NAMES, TEXTS, st.booleans()) | TEXTS.map(Text) | IMAGES, min_size=1
).map(tuple)


@st.composite
def thinkers(draw: st.DrawFn) -> Message:
    parts = draw(st.lists(TEXTS.map(Reasoning) | TEXTS.map(Text) | OPAQUE | IMAGES, max_size=4))
    unparsed = draw(st.lists(TEXTS.map(lambda raw: ToolCall("idx", "look", {}, "no JSON", raw)), max_size=1))
    return Message("assistant", (*parts, *draw(CALLS), *unparsed))


TALK = st.lists(
    thinkers()
    | TEXTS.map(lambda text: Message.say("system", text))
    | SAID.map(lambda parts: Message("user", parts))
    | RESULTS.map(lambda parts: Message("tool", parts)),
    max_size=5,
)
OPTIONS = st.builds(
    Options,
    seed=st.none() | st.integers(0, 9),
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 99),
    effort=st.sampled_from(["", "low", "high"]),
    parallel_tools=st.none() | st.booleans(),
)
TOOLS = st.lists(st.builds(ToolSpec, NAMES, TEXTS, st.just({"type": "object", "properties": {}})), max_size=3).map(
    tuple
)


@given(TALK, TALK, TOOLS)
def test_consecutive_requests_share_a_byte_exact_prefix(
    history: list[Message], more: list[Message], tools: Any
) -> None:
    """Everything up to the end of the shorter conversation, tools included, whatever order they are given in."""

    def body(messages: list[Message], specs: tuple[ToolSpec, ...]) -> tuple[str, str]:
        made = body_of(ModelRequest(tuple(messages), specs), "tiny")
        return json.dumps(made.get("tools")), json.dumps(made["messages"])

    (before_tools, before), (after_tools, after) = body(history, tools), body([*history, *more], tools)
    assert before_tools == after_tools
    assert after.startswith(before[:-1])


@given(TALK, TOOLS, OPTIONS, st.none() | st.integers(1, 99), st.sampled_from(["max_tokens", "max_completion_tokens"]))
def test_every_body_is_one_the_vendors_own_types_allow(
    messages: list[Message], tools: tuple[ToolSpec, ...], options: Options, limit: int | None, field: str
) -> None:
    body = body_of(ModelRequest(tuple(messages), tools, limit), "tiny", options, max_field=field)
    wire = json.loads(json.dumps(body))
    assert validated(wire) == bare(body)


def bare(value: Any) -> Any:
    """A body without what a compatible server gave and gets back, of which the vendor's types know nothing."""
    if isinstance(value, dict):
        own = ("reasoning_details", "reasoning_content", "extra_content")
        return {key: bare(inner) for key, inner in value.items() if key not in own}
    return [bare(item) for item in value] if isinstance(value, list) else value


def validated(body: dict[str, Any]) -> Any:
    """The body as the vendor's types read it; what they leave lazy is read through. ValueError."""

    def through(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: through(inner) for key, inner in value.items()}
        return value if isinstance(value, str) or not isinstance(value, Iterable) else [through(item) for item in value]

    return through(vendor().validate_python(body))


@cache
def vendor() -> Any:
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
    from pydantic import TypeAdapter

    return TypeAdapter(CompletionCreateParamsStreaming)


def test_the_vendors_types_would_refuse_a_wrong_body() -> None:
    body = body_of(ModelRequest((Message.say("user", "u"),)), "tiny")
    nobody = {"role": "user", "content": [{"type": "picture"}]}
    for wrong in ({"messages": [{"role": "user"}]}, {"messages": [nobody]}, {"stream": "yes"}, {"reasoning_effort": 7}):
        with pytest.raises(ValueError):
            validated(body | wrong)


def test_the_limit_has_the_name_the_server_knows() -> None:
    request = ModelRequest((Message.say("user", "u"),), max_output=9)
    assert body_of(request, "m")["max_tokens"] == 9
    assert body_of(request, "m", max_field="max_completion_tokens")["max_completion_tokens"] == 9
    assert "tools" not in body_of(request, "m")


@given(TEXTS, TEXTS)
def test_estimates_grow_with_the_text(one: str, two: str) -> None:
    assert 0 <= text_tokens(one) <= text_tokens(one + two) <= text_tokens(one) + text_tokens(two)


def test_an_estimate_counts_messages_calls_and_tools() -> None:
    bare = ModelRequest((Message.say("user", "12345678"),))
    assert request_tokens(bare) == 6
    assert text_tokens("投票") == 2
    opaque = Message("assistant", (ToolCall("a", "look", {"x": 1}), Opaque("f", "m", {"k": "v"})))
    full = ModelRequest((*bare.messages, opaque), (ToolSpec("look", "Looks.", {"type": "object"}),))
    assert request_tokens(full) > request_tokens(bare) + 10
