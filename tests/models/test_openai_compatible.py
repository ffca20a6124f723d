"""What compatible servers and gateways add to chat-completions: pictures, kept reasoning, costs, whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness_tui.domain.messages import (
    Answer,
    Delta,
    Dropped,
    Image,
    Message,
    ModelRequest,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from harness_tui.domain.task import Options
from harness_tui.models.api import ApiKind

from .conversation import ASK, answer_to, error_of, run
from .endpoint_server import call_piece, chunk, serving, sse, status, usage
from .provider_errors import openai

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

LOOK = call_piece(0, "{}", id="a", name="look")


async def sent(*messages: Message, model: str = "tiny") -> list[dict[str, Any]]:
    """The messages of a request as they came over the wire."""
    async with serving(sse(chunk("stop", content="ok"))) as server:
        built = ApiKind.build(server.url, model, "")
        _ = [item async for item in built.stream(ModelRequest(messages))]
        await built.close()
    found: list[dict[str, Any]] = server.seen[0].body["messages"]
    return found


# -- pictures --------------------------------------------------------------------------------------------------------


async def test_pictures_travel_as_data_urls_also_those_of_a_tools_result() -> None:
    dot = Image("image/png", "iVBORw0KGgo=")
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    wire = await sent(
        Message("user", (Text("What is it?"), dot)),
        Message("assistant", (ToolCall("a", "shot"),)),
        Message("tool", (ToolResult("a", "shot", "taken"), dot)),
    )
    assert wire[0] == {"role": "user", "content": [{"type": "text", "text": "What is it?"}, url]}
    assert wire[2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "taken"},
        {"role": "user", "content": [url]},
    ]


# -- reasoning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_reasoning_that_led_to_a_call_goes_back_in_its_own_field_to_the_same_model_only(field: str) -> None:
    answer = await answer_to(
        chunk(**{field: "Let me "}), chunk(**{field: "look."}), chunk("tool_calls", tool_calls=[LOOK])
    )
    assert answer.parts[0] == Reasoning("Let me look.")
    (same,) = await sent(answer.message)
    assert same[field] == "Let me look."
    assert set(same) == {"role", "content", "tool_calls", field}
    (foreign,) = await sent(answer.message, model="other")
    assert set(foreign) == {"role", "content", "tool_calls"}


async def test_typed_reasoning_is_joined_from_its_fragments_and_sent_back_in_order() -> None:
    def piece(text: str, **more: Any) -> dict[str, Any]:
        return {"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0, **more}

    secret = {"type": "reasoning.encrypted", "data": "AbC=", "id": "rs_1", "format": "openai-responses-v1", "index": 1}
    answer = await answer_to(
        chunk(reasoning="Hm", reasoning_details=[piece("Hm")]),
        chunk(reasoning=", yes", reasoning_details=[piece(", yes"), piece("", signature="sig")]),
        chunk(reasoning_details=[secret, {**secret, "id": "rs_2", "data": "dEf="}]),
        chunk("tool_calls", tool_calls=[LOOK]),
    )
    assert answer.parts[0] == Reasoning("Hm, yes")
    (wire,) = await sent(answer.message)
    assert wire["reasoning_details"] == [
        piece("Hm, yes", signature="sig"),
        secret,
        {**secret, "id": "rs_2", "data": "dEf="},
    ]
    assert "reasoning" not in wire


async def test_an_answer_of_nothing_but_reasoning_is_that_reasoning_and_says_so() -> None:
    answer = await answer_to(chunk(reasoning="It is 42."), chunk("stop", content=" \n"))
    assert (answer.parts, answer.stop) == ((Text("It is 42."),), "end")
    assert answer.notes == ("The model gave nothing but its reasoning; it is taken as the answer.",)


@pytest.mark.parametrize("finish", ["length", None])
async def test_reasoning_that_was_cut_short_is_no_answer(finish: str | None) -> None:
    answer = await answer_to(chunk(finish, reasoning="First I"))
    assert answer.parts == (Reasoning("First I"),)
    assert answer.notes == ()


# -- calls -----------------------------------------------------------------------------------------------------------


async def test_unknown_keys_of_every_parallel_call_and_its_function_come_back_where_they_were() -> None:
    pieces = [
        call_piece(0, "{}", id="a", name="look", extra_content={"google": {"thought_signature": "s\ud800"}}),
        call_piece(1, '{"n":', id="b", name="go"),
        {"index": 1, "function": {"arguments": "1}", "thought": "x"}, "signature": "t"},
    ]
    answer = await answer_to(json.dumps(chunk(tool_calls=pieces)), chunk("tool_calls"))
    assert answer.message.calls == (ToolCall("a", "look"), ToolCall("b", "go", {"n": 1}))
    (wire,) = await sent(answer.message)
    one, two = wire["tool_calls"]
    assert one["extra_content"] == {"google": {"thought_signature": "s�"}}
    assert (two["signature"], two["function"]) == ("t", {"name": "go", "arguments": '{"n":1}', "thought": "x"})


@pytest.mark.parametrize("finish", ["content_filter", "refusal"])
async def test_a_call_the_server_broke_off_by_its_rules_is_no_call(finish: str) -> None:
    answer = await answer_to(chunk(content="I "), chunk(finish, tool_calls=[LOOK]))
    assert answer.parts == (Text("I "),)
    assert answer.stop == ("filtered" if finish == "content_filter" else "refusal")


@pytest.mark.parametrize("finish", ["model_context_window_exceeded", "context_length_exceeded", "model_length"])
async def test_a_full_window_has_its_own_stop(finish: str) -> None:
    assert (await answer_to(chunk(finish, content="a"))).stop == "context_full"


async def test_several_deltas_in_one_chunk_are_all_seen() -> None:
    second = {"index": 0, "delta": {"content": "b", "tool_calls": [LOOK]}, "finish_reason": "tool_calls"}
    answer = await answer_to({"choices": [*chunk(content="a")["choices"], second]})
    assert (answer.message.text, answer.message.calls) == ("ab", (ToolCall("a", "look"),))


async def test_an_error_inside_a_choice_is_an_error() -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "upstream"}}
    error = await error_of(*sse(chunk(content="Once"), {"choices": [choice]}))
    assert (error.kind, error.status) == ("retry", 502)
    assert error.spent > 0


# -- money -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "usd"),
    [
        ({"cost": 0.00012345}, 123_450),
        ({"cost": 0}, 0),
        ({"cost": 1e-12}, 1),
        ({"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}, 2_100_000),
        ({"cost": 0.0001, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.002}}, 100_000),
    ],
)
async def test_a_cost_the_server_names_is_the_cost(more: dict[str, Any], usd: int) -> None:
    answer = await answer_to(chunk("stop", content="a"), usage(3, 1, **more))
    assert (answer.usd, answer.mark) == (usd, "reported")


@pytest.mark.parametrize("cost", ["-0.1", "NaN", "Infinity", "1e300", '"0.1"', "true", "null", "{}"])
async def test_a_cost_that_is_none_is_not_believed(cost: str) -> None:
    async with serving(
        sse(
            chunk("stop", content="a"),
            '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"cost":@}}'.replace("@", cost),
        )
    ) as server:
        _, answer = await run(server, price=lambda: None)
    assert (answer.usd, answer.mark) == (None, "unknown")
    assert answer.usage == Usage(3, 1)


# -- answers that are not streamed -----------------------------------------------------------------------------------


async def test_a_server_that_does_not_stream_is_understood() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"x":1}'}}
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "tool_calls": [call]}
    whole = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    async with serving(status(200, whole)) as server:
        deltas, answer = await run(server)
    assert Delta("Hi") in deltas
    assert (answer.message.text, answer.message.calls) == ("Hi", (ToolCall("a", "look", {"x": 1}),))
    assert (answer.stop, answer.usage) == ("tool_calls", Usage(7, 2))


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"choices": [{"text": "old"}]}', b"null"])
async def test_other_json_instead_of_a_stream_is_named(body: bytes) -> None:
    error = await error_of(*status(200, body))
    assert error.kind == "broken"
    assert "answered with application/json instead of an event stream" in error.what


async def test_an_error_object_with_status_200_is_an_error() -> None:
    error = await error_of(*status(200, {"error": {"message": "prompt is too long", "code": 400}}))
    assert (error.kind, error.status) == ("context", 400)


# -- parameters ------------------------------------------------------------------------------------------------------


async def test_a_refused_name_of_the_limit_is_replaced_by_the_newer_one_and_remembered() -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    no = status(400, openai(words, "unsupported_parameter", "max_tokens"))
    async with serving(no, sse(chunk("stop", content="ok"))) as server:
        model = ApiKind.build(server.url, "tiny", "", options=Options(max_tokens=9, parallel_tools=False))
        request = ModelRequest(ASK.messages, (ToolSpec("look", "Looks.", {"type": "object"}),))
        answers = [item for _ in range(2) async for item in model.stream(request) if isinstance(item, Answer)]
        await model.close()
    limits = [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in (s.body for s in server.seen)]
    assert limits == [(9, None), (None, 9), (None, 9)]
    assert all(seen.body["parallel_tool_calls"] is False for seen in server.seen)
    assert answers[0].dropped == (Dropped(f"openai-chat {server.url} tiny", "max_tokens"),)
    assert "refused the parameter max_tokens" in answers[0].notes[0]
    assert answers[1].dropped == ()


async def test_a_limit_whose_value_is_refused_is_never_given_up() -> None:
    words = "max_tokens is too large: 200000. This model supports at most 16384 completion tokens."
    async with serving(status(400, openai(words, "invalid_value", "max_tokens"))) as server:
        model = ApiKind.build(server.url, "tiny", "", options=Options(max_tokens=200_000))
        with pytest.raises(Exception, match="supports at most 16384"):
            _ = [item async for item in model.stream(ASK)]
        await model.close()
    assert len(server.seen) == 1
