"""The Responses adapter against real loopback sockets: what servers answer, in all its forms."""

from __future__ import annotations

import asyncio
import contextlib
import json
from itertools import pairwise
from typing import Any

import pytest

from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import (
    Answer,
    Delta,
    Dropped,
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
from harness_tui.models import openai_responses
from harness_tui.models.api import ApiKind

from .conversation import ASK, KEY, run
from .endpoint_server import STREAM, EndpointServer, serving, sse, status
from .responses_events import FORMS, USAGE, call, created, ended, message, reasoning, refusal, streamed

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

API = "openai-responses"
LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {"place": {"type": "string"}}})
TURN = [
    reasoning("I should look\ntwice. 二度見る。", "gAAAA-secret"),
    message("我来看看 ▲ 🗳", phase="commentary"),
    call("look", '{"place":"Oslo 北"}', "call_1"),
    call("look", '{"place": "東京"}', "call_2"),
]
"""One answer with everything in it."""

TURN_PARTS = (
    Reasoning("I should look\ntwice. 二度見る。"),
    Text("我来看看 ▲ 🗳"),
    ToolCall("call_1", "look", {"place": "Oslo 北"}),
    ToolCall("call_2", "look", {"place": "東京"}),
)


async def answer_to(*events: Any, request: ModelRequest = ASK, **more: Any) -> Answer:
    async with serving(sse(*events)) as server:
        return (await run(server, request, api=API, **more))[1]


async def error_of(*answer: Any) -> ModelError:
    async with serving(list(answer)) as server:
        with pytest.raises(ModelError) as caught:
            await run(server, api=API)
    assert KEY not in str(caught.value)
    return caught.value


def neutral(answer: Answer) -> tuple[Any, ...]:
    return tuple(part for part in answer.parts if not isinstance(part, Opaque))


def told(deltas: list[Delta], kind: str) -> str:
    return "".join(delta.text for delta in deltas if delta.kind == kind)


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


async def test_heartbeats_between_numbered_events_and_a_missing_last_line_do_no_harm() -> None:
    events = [f"id: {n}\ndata: {json.dumps(e)}" for n, e in enumerate(streamed(TURN))]
    raw = "\n\n: ping\n\n\n".join(events).encode()
    async with serving([STREAM, raw], [STREAM, raw[:-1]]) as server:
        (_, answer), (_, cut) = await run(server, api=API), await run(server, api=API)
    assert neutral(answer) == TURN_PARTS
    assert (answer.stop, cut.stop) == ("tool_calls", "cut")


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


async def test_without_its_end_an_answer_is_cut_and_has_no_calls() -> None:
    events = streamed(TURN)[:-1]
    for tail in ([], [...]):
        async with serving([*sse(*events), *tail]) as server:
            _, answer = await run(server, api=API)
        assert (answer.stop, answer.message.text, answer.message.calls) == ("cut", "我来看看 ▲ 🗳", ())
        assert not any(isinstance(part, Opaque) for part in answer.parts)
        assert not answer.usage_reported
    assert (await answer_to(*events, ended(TURN, "cancelled"))).stop == "cut"


async def test_a_stream_that_ends_before_anything_of_an_answer_is_worth_another_try() -> None:
    for tail in ([], [...]):
        error = await error_of(*sse(*created()), *tail)
        assert (error.kind, error.spent) == ("retry", 0)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("max_output_tokens", "length"), (None, "length"), ("content_filter", "filtered"), ("steered", "other")],
)
async def test_why_a_response_is_incomplete_is_told(reason: str | None, stop: str) -> None:
    details = {"incomplete_details": reason and {"reason": reason}}
    answer = await answer_to(*streamed([message("Hi")], "incomplete", **details))
    assert (answer.stop, answer.message.text) == (stop, "Hi")
    # vLLM sends `response.completed` for a response whose status is incomplete.
    named = ended([message("Hi")], "incomplete", **details) | {"type": "response.completed"}
    assert (await answer_to(named)).stop == stop


async def test_a_call_cut_by_the_output_limit_is_an_error() -> None:
    details = {"incomplete_details": {"reason": "max_output_tokens"}}
    for raw in ("", '{"pla'):
        answer = await answer_to(*streamed([reasoning("", "gA"), call("wipe", raw)], "incomplete", **details))
        assert answer.stop == "length"
        assert answer.message.calls[0].error
        assert not any(isinstance(part, Opaque) for part in answer.parts)


async def test_a_refusal_is_told_as_text_and_as_refusal() -> None:
    async with serving(sse(*streamed([refusal("I cannot.")]))) as server:
        deltas, answer = await run(server, api=API)
    assert (answer.message.text, answer.stop, told(deltas, "text")) == ("I cannot.", "refusal", "I cannot.")


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


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([ended([], "failed", error={"code": "server_error", "message": "Oh no"})], "retry"),
        ([ended([], "failed", error={"code": "invalid_prompt", "message": "Oh no"})], "refused"),
        ([{"type": "error", "code": "rate_limit_exceeded", "message": "Oh no", "param": None}], "retry"),
        ([{"type": "error", "error": {"type": "server_error", "message": "Oh no"}}], "retry"),
        ([{"error": {"type": "server_error", "message": "Oh no"}}], "retry"),
        ([{"error": "Oh no"}], "retry"),
        ([ended([], "failed") | {"type": "response.failed"}], "retry"),
    ],
)
async def test_an_error_after_http_200_is_an_error_of_its_kind(events: list[Any], kind: str) -> None:
    error = await error_of(*sse(*created(), *events))
    assert (error.kind, error.status, error.spent) == (kind, 200, 0)
    assert "Oh no" in str(error) or "no reason" in str(error)


async def test_what_a_failed_answer_cost_is_told() -> None:
    failed = ended([], "failed", error={"code": "server_error", "message": "Oh no"}, usage=USAGE)
    assert (await error_of(*sse(*streamed(TURN)[:-1], failed))).spent == 160


@pytest.mark.parametrize("code", [404, 405, 501])
async def test_a_server_without_responses_is_told_apart_and_the_way_out_is_named(code: int) -> None:
    for body in ({"detail": "Not Found"}, b"404 page not found", b"<html>no</html>"):
        error = await error_of(*status(code, body))
        assert (error.kind, error.status) == ("refused", code)
        assert "/responses" in error.what
        assert "--api openai-chat" in error.next_step


async def test_a_server_without_responses_that_says_so_with_status_200_is_told_apart() -> None:
    error = await error_of(*status(200, {"error": "Unexpected endpoint or method. (POST /v1/responses)"}))
    assert "has no /responses" in error.what
    assert "--api openai-chat" in error.next_step


async def test_a_server_that_does_not_stream_is_read_as_well() -> None:
    async with serving(status(200, ended(TURN, usage=USAGE)["response"])) as server:
        deltas, answer = await run(server, api=API)
    assert neutral(answer) == TURN_PARTS
    assert told(deltas, "text") == "我来看看 ▲ 🗳"
    failed = ended([], "failed", error={"code": "invalid_prompt", "message": "Oh no"})["response"]
    for body in (failed, {"error": {"code": "invalid_prompt", "message": "Oh no"}}):
        error = await error_of(*status(200, body))
        assert (error.kind, "Oh no" in str(error)) == ("refused", True)
    assert "application/json" in str(await error_of(*status(200, {"status": "fine"})))


async def test_an_unknown_model_or_item_is_not_taken_for_a_missing_path() -> None:
    for told_of in ("The model `tiny` does not exist", "Item with id 'rs_1' not found."):
        error = await error_of(*status(404, {"error": {"message": told_of, "code": None}}))
        assert "openai-chat" not in str(error)
        assert told_of.rstrip(".") in str(error)


def refused(parameter: str, told_of: str = "Unsupported parameter") -> list[bytes]:
    error = {"message": told_of, "type": "invalid_request_error", "param": parameter, "code": "unsupported_value"}
    return status(400, {"error": error})


async def test_encrypted_reasoning_that_a_model_cannot_give_is_not_asked_for_again() -> None:
    unable = refused("include", "Encrypted content is not supported with this model.")
    async with serving(unable, sse(*streamed([message("ok")]))) as server:
        _, answer = await run(server, api=API)
    assert answer.message.text == "ok"
    assert "include" not in server.seen[1].body
    assert [drop.parameter for drop in answer.dropped] == ["include"]


@pytest.mark.parametrize("named", ["param", "message"])
async def test_a_refused_summary_does_not_cost_the_effort(named: str) -> None:
    unable = {
        "param": refused("reasoning.summary", "Your organization must be verified to generate reasoning summaries."),
        "message": refused("", "Unknown parameter: 'reasoning.summary'."),
    }[named]
    async with serving(unable, sse(*streamed([message("ok")]))) as server:
        _, answer = await run(server, api=API, options=Options(effort="high"))
        await run(server, api=API, options=Options(effort="high"), dropped=["reasoning.summary"])
    assert [seen.body["reasoning"] for seen in server.seen[1:]] == [{"effort": "high"}] * 2
    assert answer.dropped == (Dropped(f"{API} {server.url} tiny", "reasoning.summary"),)
    assert "reasoning.summary" in answer.notes[0]


async def test_a_seed_is_not_lost_in_silence_and_told_once() -> None:
    async with serving(sse(*streamed([message("ok")]))) as server:
        model = ApiKind.build(server.url, "tiny", KEY, API, options=Options(seed=7))
        other = model.with_seed(8)  # type: ignore[attr-defined]
        notes = [await _notes(m) for m in (model, model, other, other)]
    assert notes == [("The Responses API has no seed; seed 7 was not sent.",), (), (notes[2][0],), ()]
    assert "seed 8" in notes[2][0]
    assert all("seed" not in seen.body for seen in server.seen)


async def _notes(model: Any) -> tuple[str, ...]:
    items = [item async for item in model.stream(ASK)]
    await model.close()
    assert isinstance(items[-1], Answer)
    return items[-1].notes


async def test_an_answer_is_not_held_up_by_a_connection_that_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_responses, "LINGER", 0.01)
    server: EndpointServer
    async with serving([*sse(*streamed([message("ok")])), asyncio.Event()]) as server:
        _, answer = await run(server, api=API)
        await server.closed.wait()
    assert (answer.message.text, answer.stop) == ("ok", "end")


async def test_a_connection_is_used_again() -> None:
    body = b"".join(sse(*streamed([message("ok")]), "[DONE]")[1:])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    connections: list[asyncio.StreamWriter] = []

    async def keep_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                writer.write(head + b"%x\r\n%s\r\n" % (len(body), body))
                await writer.drain()
                writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(keep_alive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    model = ApiKind.build(f"http://127.0.0.1:{port}/v1", "tiny", KEY, API)
    for _ in range(3):
        assert [item async for item in model.stream(ASK)]
    await model.close()
    server.close()
    assert len(connections) == 1


async def test_odd_and_unknown_events_are_ignored() -> None:
    noise: list[Any] = [
        "[]",
        '"text"',
        "null",
        "7",
        {},
        {"type": None},
        {"type": "keepalive"},
        {"type": "response.steer.accepted", "response": None},
        {"type": "response.shell_call_command.delta", "delta": "rm", "output_index": 0},
        {"type": "response.output_text.annotation.added", "annotation": {}, "output_index": 0},
    ]
    events = [event for pair in zip(noise, streamed([message("ok")]), strict=False) for event in pair]
    events += streamed([message("ok")])[len(noise) :]
    answer = await answer_to(*events, ended([message("ok")], usage=USAGE))
    assert answer.parts == (Text("ok"),)


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
