"""The Responses adapter against real loopback sockets: what servers answer, in all its forms."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from harness_tui.domain.messages import (
    Answer,
    Delta,
    Image,
    Message,
    ModelRequest,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from harness_tui.domain.task import Options
from harness_tui.models.api import ApiKind

from .conversation import ASK, KEY, run
from .endpoint_server import STREAM, serving, sse
from .responses_conversation import API, TURN, TURN_PARTS, answer_to, neutral, told
from .responses_events import FORMS, USAGE, call, created, ended, message, reasoning, streamed

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {"place": {"type": "string"}}})


async def test_a_normal_stream_gives_deltas_then_one_answer_with_usage() -> None:
    async with serving(sse(*streamed([message("Hi there")]))) as server:
        deltas, answer = await run(server, api=API)
    assert deltas == [Delta("Hi "), Delta("the"), Delta("re")]
    usage = Usage(120, 40, cache_read=64, cache_write=16, reasoning=25)
    assert answer == Answer((Text("Hi there"),), usage, "end", "tiny", True)
    (seen,) = server.seen
    assert seen.path == "/v1/responses"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "tiny",
        "instructions": "Be brief.",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
    }


async def test_options_limit_pictures_and_sorted_flat_tools_reach_the_wire() -> None:
    specs = (LOOK, ToolSpec("go", "Goes.", {"type": "object"}))
    asked = Message("user", (Text("What is this?"), Image("image/png", "iVBORw0=")))
    options = Options(temperature=0.0, max_tokens=90, effort="low", parallel_tools=False)
    async with serving(sse(*streamed([message("ok")]))) as server:
        await run(server, ModelRequest((asked,), specs, max_output=50), api=API, options=options)
    body = server.seen[0].body
    assert (body["max_output_tokens"], body["temperature"], body["parallel_tool_calls"]) == (50, 0.0, False)
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["tools"][0] == {
        "type": "function",
        "name": "go",
        "description": "Goes.",
        "parameters": {"type": "object"},
        "strict": False,
    }
    assert body["tools"][1]["name"] == "look"
    assert "instructions" not in body
    assert body["input"][0]["content"][1] == {
        "type": "input_image",
        "detail": "auto",
        "image_url": "data:image/png;base64,iVBORw0=",
    }


@pytest.mark.parametrize("form", FORMS)
async def test_however_a_server_sends_an_answer_it_is_the_same_and_nothing_is_told_twice(form: str) -> None:
    async with serving(sse(*FORMS[form](streamed(TURN)))) as server:
        deltas, answer = await run(server, api=API)
    assert neutral(answer) == TURN_PARTS
    assert (answer.stop, answer.usage_reported) == ("tool_calls", True)
    assert told(deltas, "text") == "我来看看 ▲ 🗳"
    assert told(deltas, "reasoning") == "I should look\ntwice. 二度見る。"
    assert told(deltas, "tool") == '{"place":"Oslo 北"}{"place": "東京"}'


@pytest.mark.parametrize(
    "form", sorted(form for form in FORMS if not form.startswith(("an id", "as llama", "no marks")))
)
async def test_items_with_encrypted_reasoning_are_kept_whole_if_the_server_sent_them_whole(form: str) -> None:
    kept = [part for part in (await answer_to(*FORMS[form](streamed(TURN)))).parts if isinstance(part, Opaque)]
    (opaque,) = kept
    assert (opaque.family, opaque.model) == (API, "tiny")
    sent = [{key: value for key, value in item.items() if value is not None} for item in opaque.raw["output"]]
    assert sent == TURN


async def test_every_split_of_a_recorded_stream_gives_the_identical_answer() -> None:
    import httpx2

    item = {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"a":"北"}'}
    events = [
        {"type": "response.output_text.delta", "delta": "東"},
        {"type": "response.output_text.delta", "delta": "▲🗳"},
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"usage": {"input_tokens": 1}}},
    ]
    raw = b"".join(sse(*events)[1:])
    cuts = iter(range(len(raw)))

    class Pieces(httpx2.AsyncByteStream):
        async def __aiter__(self) -> Any:
            at = next(cuts)
            yield raw[:at]
            yield raw[at:]

    def answering(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Pieces())

    model = ApiKind.build("http://127.0.0.1:9/v1", "tiny", KEY, API, transport=httpx2.MockTransport(answering))
    try:
        ends = [[item async for item in model.stream(ASK)] for _ in raw]
    finally:
        await model.close()
    whole = ends[0]
    assert isinstance(whole[-1], Answer)
    assert neutral(whole[-1]) == (Text("東▲🗳"), ToolCall("c", "look", {"a": "北"}))
    assert all(end == whole for end in ends)


@pytest.mark.parametrize("named", [True, False])
async def test_a_stream_in_shreds_or_in_one_piece_with_or_without_event_names_is_the_same(named: bool) -> None:
    events = streamed(TURN)
    name = "event: {}\r\ndata: {}\r\n\r\n" if named else ": ping\n\ndata:{1}\n\n"
    raw = "".join(name.format(e["type"], json.dumps(e, ensure_ascii=False)) for e in events).encode()
    async with serving([STREAM, raw], [STREAM, *(raw[i : i + 5] for i in range(0, len(raw), 5))]) as server:
        (_, one), (_, other) = await run(server, api=API), await run(server, api=API)
    assert one == other
    assert neutral(one) == TURN_PARTS


async def test_a_tool_loop_sends_encrypted_reasoning_back_as_it_came_and_only_ever_appends() -> None:
    turns = [
        TURN,
        [reasoning("", "gAAAA-second", "rs_2"), call("look", "{}", "call_3")],
        [reasoning("Enough.", "gAAAA-third", "rs_3"), message("東京 it is.", "msg_9", phase="final_answer")],
        [message("Goodbye.", "msg_10")],
    ]
    talk: tuple[Message, ...] = ASK.messages
    async with serving(*(sse(*streamed(turn)) for turn in turns)) as server:
        for number in range(len(turns)):
            _, answer = await run(server, ModelRequest(talk, (LOOK,)), api=API)
            results = tuple(ToolResult(c.id, c.name, f"seen {number} ▲") for c in answer.message.calls)
            talk = (*talk, answer.message, Message("tool", results) if results else Message.say("user", "Thanks"))
        await run(server, ModelRequest(talk, (LOOK,)), api=API)
    sent = [json.dumps(seen.body) for seen in server.seen]
    assert all(after.startswith(before.removesuffix("]}")) for before, after in pairwise(sent))
    items = server.seen[-1].body["input"]
    assert [(item["type"], item.get("call_id", item.get("id", ""))) for item in items] == [
        ("message", ""),
        ("reasoning", "rs_1"),
        ("message", "msg_1"),
        ("function_call", "call_1"),
        ("function_call", "call_2"),
        ("function_call_output", "call_1"),
        ("function_call_output", "call_2"),
        ("reasoning", "rs_2"),
        ("function_call", "call_3"),
        ("function_call_output", "call_3"),
        ("reasoning", "rs_3"),
        ("message", "msg_9"),
        ("message", ""),
        ("message", ""),
        ("message", ""),
    ]
    assert items[1] == TURN[0]
    assert items[2] == TURN[1]
    assert items[3] == {key: value for key, value in TURN[2].items() if key != "status"}
    assert items[4]["arguments"] == '{"place": "東京"}'
    assert items[-2] == {"type": "message", "role": "assistant", "content": "Goodbye."}


@pytest.mark.parametrize("raw", ["{not json", "[1]", '"text"', "7", '{"a":"\\ud800"}'])
async def test_arguments_that_are_no_json_object_become_an_error_with_what_was_sent(raw: str) -> None:
    answer = await answer_to(*streamed([reasoning("", "gA"), call("look", raw)]))
    (made,) = answer.message.calls
    assert (made.arguments, made.raw) == ({}, raw)
    assert made.error.startswith("the arguments ")
    async with serving(sse(*streamed([message("ok")]))) as server:
        await run(server, ModelRequest((answer.message,)), api=API)
    back = server.seen[0].body["input"][1]
    assert (back["call_id"], json.loads(back["arguments"])) == ("call_1", {"unparsable_arguments": raw})


@pytest.mark.parametrize("raw", ["", "null", "  "])
async def test_no_arguments_at_all_is_a_call_without_arguments(raw: str) -> None:
    answer = await answer_to(*streamed([call("look", raw)]))
    assert answer.parts == (ToolCall("call_1", "look"),)
    assert answer.stop == "tool_calls"


async def test_arguments_sent_as_an_object_are_understood() -> None:
    wire = {**call("look", ""), "arguments": {"place": "東京"}}
    answer = await answer_to(*created(), {"type": "response.output_item.done", "item": wire}, ended([wire]))
    assert answer.message.calls == (ToolCall("call_1", "look", {"place": "東京"}),)


async def test_a_reused_call_id_is_made_new_and_its_item_goes_back_under_the_new_one() -> None:
    history = (
        Message("assistant", (ToolCall("call_1", "look"),)),
        Message("tool", (ToolResult("call_1", "look", ""),)),
    )
    answer = await answer_to(*streamed([reasoning("", "gA"), call("look", "{}")]), request=ModelRequest(history))
    (made,) = answer.message.calls
    assert made.id == "call_1_2_0"
    async with serving(sse(*streamed([message("ok")]))) as server:
        await run(server, ModelRequest((answer.message,)), api=API)
    assert [item.get("call_id") for item in server.seen[0].body["input"]] == [None, "call_1_2_0"]


async def test_thoughts_in_the_open_are_kept_and_sent_back() -> None:
    thinking = reasoning(content=[{"type": "reasoning_text", "text": "Hm 嗯"}])
    async with serving(sse(*streamed([thinking, message("42")])), sse(*streamed([message("ok")]))) as server:
        deltas, answer = await run(server, api=API)
        await run(server, ModelRequest((answer.message,)), api=API)
    assert told(deltas, "reasoning") == "Hm 嗯"
    assert neutral(answer) == (Reasoning("Hm 嗯"), Text("42"))
    assert server.seen[1].body["input"][0]["content"] == thinking["content"]


async def test_reasoning_that_only_its_server_could_find_is_not_sent_back() -> None:
    answer = await answer_to(*streamed([reasoning("Sum"), message("42")]))
    assert answer.parts == (Reasoning("Sum"), Text("42"))


@pytest.mark.parametrize("cost", [0, 0.00123, 2])
async def test_a_cost_named_by_a_gateway_is_taken(cost: float) -> None:
    answer = await answer_to(*streamed([message("a")], usage={**USAGE, "cost": cost}))
    assert (answer.usd, answer.mark) == (round(cost * 1e9), "reported")


@pytest.mark.parametrize("cost", [-1, "0.1", None, True, float("nan"), float("inf"), {}])
async def test_a_cost_that_is_no_amount_is_ignored(cost: Any) -> None:
    answer = await answer_to(*streamed([message("a")], usage={**USAGE, "cost": cost}))
    assert (answer.usd, answer.mark) == (None, "unknown")
    assert answer.usage_reported


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 0, "output_tokens": 0}, {"input_tokens": "many"}])
async def test_a_server_without_usage_gets_an_estimate_and_says_so(usage: Any) -> None:
    answer = await answer_to(*streamed([message("abcdefgh")], usage=usage))
    assert not answer.usage_reported
    assert answer.usage.output == 2
    assert answer.usage.input >= 4


async def test_items_of_tools_the_server_runs_itself_go_back_as_they_came() -> None:
    search = {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "北"},
    }
    answer = await answer_to(*streamed([search, message("found")]))
    async with serving(sse(*streamed([message("ok")]))) as server:
        await run(server, ModelRequest((answer.message,)), api=API)
    assert server.seen[0].body["input"] == [search, message("found")]
