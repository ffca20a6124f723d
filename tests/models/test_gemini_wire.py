"""Request bodies of Gemini: valid for whatever conversation, each the prefix of the next, signed parts as they came."""

from __future__ import annotations

import json
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given
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
from harness_tui.models.gemini.wire import OPTIONAL, body_of, contents_of, error_of, model_line, model_path

from .gemini_events import SIGNATURE, assembled, call, event, faults

ASK = Message.say("user", "u")


def test_the_model_of_the_request_refuses_what_the_reference_does_not_know() -> None:
    body = body_of(ModelRequest((ASK,)), "m")
    assert body == {"contents": [{"role": "user", "parts": [{"text": "u"}]}]}
    assert not faults(body)
    assert faults(body | {"model": "m"})
    assert faults({"contents": []})
    for parts in ([], [{}], [{"text": ""}], [{"text": "a", "x": 1}], [{"text": "a", "inlineData": {}}], [call("f")]):
        assert faults({"contents": [{"role": "user", "parts": parts}]})
    asked = [body["contents"][0], {"role": "model", "parts": [call("f")]}]
    assert faults({"contents": asked})
    assert faults({"contents": [*asked, body["contents"][0]]})
    answer = {"functionResponse": {"name": "f", "response": {}}}
    assert not faults({"contents": [*asked, {"role": "user", "parts": [answer]}]})
    assert faults({"contents": [*asked, {"role": "user", "parts": [answer, {"text": "a"}]}]})
    assert faults({"contents": [*asked, {"role": "user", "parts": [answer, answer]}]})


# -- any conversation --------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.sampled_from(["call_1", "toolu|2", "日本", "", "x" * 80])
NAMES = st.text(string.ascii_letters + "_. 票", max_size=80)
ARGUMENTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=2)
CALLS = st.builds(ToolCall, IDS, NAMES, ARGUMENTS, st.sampled_from(["", "no JSON"]), TEXTS)
RESULTS = st.builds(ToolResult, IDS, NAMES, TEXTS, st.booleans())
IMAGES = st.builds(Image, st.sampled_from(["image/png", "image/bmp"]), st.just("aGk="))
FOREIGN = st.sampled_from(
    [Opaque("anthropic", "tiny", {"content": []}), Opaque("gemini", "old", {"parts": [{"x": 1}]})]
)
ASSISTANT: st.SearchStrategy[Part] = st.one_of(st.builds(Text, TEXTS), st.builds(Reasoning, TEXTS), CALLS, FOREIGN)
HEARD: st.SearchStrategy[Part] = st.one_of(st.builds(Text, TEXTS), RESULTS, IMAGES)
SENT = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.builds(lambda text: {"text": text, "thoughtSignature": SIGNATURE}, TEXTS),
    st.builds(lambda text: {"text": text, "thought": True}, TEXTS),
    st.builds(call, st.sampled_from(["look", "go.to"]), st.none() | ARGUMENTS, IDS, st.sampled_from(["", SIGNATURE])),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}}),
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    role: Role = draw(st.sampled_from(["system", "user", "assistant", "tool"]))
    if role == "assistant" and draw(st.booleans()):
        return assembled(event(*draw(st.lists(SENT, max_size=4)), finish="STOP")).message
    return Message(role, tuple(draw(st.lists(ASSISTANT if role == "assistant" else HEARD, max_size=4))))


SPECS = st.lists(
    st.builds(
        ToolSpec, st.sampled_from(["look", "go", "b"]), TEXTS, st.just({"$schema": "x", "additionalProperties": False})
    ),
    max_size=3,
    unique_by=lambda spec: spec.name,
)
OPTIONS = st.builds(
    Options,
    seed=st.none() | st.integers(0, 2**31 - 1),
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 9),
    effort=st.sampled_from(["", "minimal", "low", "medium", "high", "xhigh"]),
)


@given(
    st.lists(messages(), max_size=6),
    SPECS,
    OPTIONS,
    st.none() | st.integers(-1, 99),
    st.sets(st.sampled_from(sorted(OPTIONAL))),
)
def test_any_conversation_is_a_valid_request(
    said: list[Message], specs: list[ToolSpec], options: Options, limit: int | None, dropped: set[str]
) -> None:
    body = body_of(ModelRequest(tuple(said), tuple(specs), limit), "tiny", options, dropped)
    assert faults(json.loads(msgspec.json.encode(body))) == []
    names = [tool["name"] for tool in body.get("tools", [{"functionDeclarations": []}])[0]["functionDeclarations"]]
    assert names == sorted(names)
    assert not {f"generationConfig.{name}" for name in body.get("generationConfig", {})} & dropped


@given(st.lists(messages(), max_size=6))
def test_own_signed_answers_are_sent_as_they_came_and_to_no_other_model(said: list[Message]) -> None:
    opaque = [part for message in said for part in message.parts if isinstance(part, Opaque)]
    own = [part.raw["parts"] for part in opaque if (part.family, part.model) == ("gemini", "tiny")]
    sent = [turn["parts"] for turn in contents_of(said, "models/tiny-latest") if turn["role"] == "model"]
    flat = [part for parts in sent for part in parts]
    for parts in own:
        assert any(flat[i : i + len(parts)] == parts for i in range(len(flat)))
    assert SIGNATURE not in json.dumps(contents_of(said, "another"))


# -- one conversation --------------------------------------------------------------------------------------------


def test_each_part_has_its_form() -> None:
    said = [
        Message.say("system", "s"),
        Message("user", (Text("u"), Image("image/png", "aGk="), Image("image/bmp", "aGk="))),
        Message.say("user", "more"),
        Message(
            "assistant", (Reasoning("hm"), Text("I look."), ToolCall("a", "look", {"x": 1}), ToolCall("b", "go it"))
        ),
        Message("tool", (ToolResult("b", "go it", "no", ok=False), ToolResult("z", "x", "lost"), Text("signed in"))),
        Message("tool", (ToolResult("a", "look", "投票"),)),
        Message("assistant", (Reasoning("only thoughts"),)),
        Message("assistant", (ToolCall("c", "look", {}, "no JSON", "{x"),)),
    ]
    specs = (ToolSpec("b", "B.", {"type": "object", "$schema": "x"}), ToolSpec("a", "", {"properties": {}}))
    assert body_of(ModelRequest(tuple(said), specs, 50), "m", Options(7, 0.0, 60, "low")) == {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "a", "description": "a", "parametersJsonSchema": {"type": "object", "properties": {}}},
                    {"name": "b", "description": "B.", "parametersJsonSchema": {"type": "object", "$schema": "x"}},
                ]
            }
        ],
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "u"},
                    {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                    {"text": "(a picture of type image/bmp, which cannot be shown)"},
                    {"text": "more"},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "I look."},
                    {"functionCall": {"id": "a", "name": "look", "args": {"x": 1}}},
                    {"functionCall": {"id": "b", "name": "go_it", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "a", "name": "look", "response": {"result": "投票"}}},
                    {"functionResponse": {"id": "b", "name": "go_it", "response": {"error": "no"}}},
                ],
            },
            {"role": "user", "parts": [{"text": "lost"}, {"text": "signed in"}]},
            {
                "role": "model",
                "parts": [{"functionCall": {"id": "c", "name": "look", "args": {"unparsable_arguments": "{x"}}}],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c", "name": "look", "response": {"error": "This call has no result."}}}
                ],
            },
        ],
        "generationConfig": {
            "maxOutputTokens": 50,
            "temperature": 0.0,
            "seed": 7,
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        },
    }


@pytest.mark.parametrize("ident", ["", "own_id"])
def test_a_response_has_the_id_the_call_has_on_the_wire(ident: str) -> None:
    answer = assembled(event(call("look", {}, ident, SIGNATURE), finish="STOP"))
    (made,) = answer.message.calls
    contents = contents_of([ASK, answer.message, Message("tool", (ToolResult(made.id, "look", "ok"),))], "tiny")
    told = {"name": "look", "response": {"result": "ok"}}
    assert contents[-1]["parts"] == [{"functionResponse": told | ({"id": ident} if ident else {})}]


@given(st.lists(st.tuples(st.lists(SENT, min_size=1, max_size=3), TEXTS), max_size=4))
def test_consecutive_requests_of_one_run_share_a_byte_exact_prefix(steps: list[tuple[list[Any], str]]) -> None:
    said = [Message.say("system", "s"), Message.say("user", "u")]
    specs = (ToolSpec("go", "Go.", {"type": "object"}), ToolSpec("look", "Look.", {"type": "object"}))
    before, limit = b"", 1000
    for parts, text in steps:
        request = ModelRequest(tuple(said), specs, limit)
        body = msgspec.json.encode(body_of(request, "tiny"))
        end = body.rindex(b']}],"generationConfig"')  # in the last turn there is still room
        assert body.startswith(before)
        before, limit = body[:end], limit - 1
        answer = assembled(event(*parts, finish="STOP"), request=request)
        results = tuple(ToolResult(c.id, c.name, text) for c in answer.message.calls)
        said += [answer.message, Message("tool", results) if results else Message.say("user", "go on")]


# -- names and errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path", "line"),
    [
        ("gemini-x-preview", "models/gemini-x-preview", "gemini-x"),
        ("models/gemini-x-001", "models/gemini-x-001", "gemini-x"),
        ("tunedModels/mine", "tunedModels/mine", "mine"),
        ("publishers/google/models/gemini-x", "publishers/google/models/gemini-x", "gemini-x"),
        ("projects/p/locations/l/publishers/google/models/g", "projects/p/locations/l/publishers/google/models/g", "g"),
    ],
)
def test_a_model_is_named_in_any_usual_way(name: str, path: str, line: str) -> None:
    assert (model_path(name), model_line(name)) == (path, line)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("Thinking level is not supported for this model.", "thinkingConfig"),
        ("Unknown name \"thinkingLevel\" at 'generation_config.thinking_config': Cannot find field.", "thinkingConfig"),
        (
            "Invalid value at 'generation_config.thinking_config.thinking_level' (x.ThinkingLevel), \"MAX\"",
            "thinkingConfig",
        ),
        ("Invalid value at 'generation_config.seed' (TYPE_INT32), 9999999999", "seed"),
        ("Unable to submit request because temperature is not supported", "temperature"),
        ("seed and temperature cannot be set together", ""),
        ("maxOutputTokens must be positive", ""),
    ],
)
def test_an_error_tells_the_parameter_it_names(message: str, named: str) -> None:
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    told = error_of([{"error": error}])
    assert told == error | ({"param": f"generationConfig.{named}"} if named else {})
    assert error_of({"error": error}) == told


BODIES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["error", "message", "a"]), inner, max_size=2)
    ),
)


@given(BODIES)
def test_no_error_body_breaks_the_reader(body: Any) -> None:
    error_of(body)
