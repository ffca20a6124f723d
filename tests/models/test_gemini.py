"""The Gemini adapter against real loopback sockets: requests as they go out, streams in all their forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import httpx2
import msgspec
import pytest

from harness_tui.domain.messages import (
    Answer,
    Delta,
    Dropped,
    Message,
    ModelRequest,
    Opaque,
    Reasoning,
    Text,
    ToolResult,
    ToolSpec,
    Usage,
)
from harness_tui.domain.task import Options
from harness_tui.models.api import ApiKind

from .conversation import ASK, KEY, run
from .endpoint_server import STREAM, EndpointServer, serving, sse, status
from .gemini_events import SIGNATURE, assembled, call, event, faults, usage

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

TOOLS = (ToolSpec("look", "Looks.", {"type": "object"}), ToolSpec("go", "Goes.", {"type": "object"}))


async def ask(server: EndpointServer, request: ModelRequest = ASK, **more: Any) -> tuple[list[Delta], Answer]:
    return await run(server, request, api="gemini", **more)


async def answer_to(*pieces: Any) -> Answer:
    async with serving(list(pieces)) as server:
        return (await ask(server))[1]


# -- requests --------------------------------------------------------------------------------------------------------


async def test_a_normal_stream_gives_deltas_then_one_answer_with_usage() -> None:
    counts = usage(
        12, 3, cachedContentTokenCount=5, thoughtsTokenCount=4, toolUsePromptTokenCount=2, totalTokenCount=21
    )
    first = event({"text": "Hm.", "thought": True}, usageMetadata=usage(12, 1))
    async with serving(
        sse(first, event({"text": "Hi "}), event({"text": "投票"}, finish="STOP", usageMetadata=counts))
    ) as server:
        deltas, answer = await ask(server, options=Options(seed=7, temperature=0.5, max_tokens=9, effort="high"))
    assert deltas == [Delta("Hm.", "reasoning"), Delta("Hi "), Delta("投票")]
    assert answer == Answer((Reasoning("Hm."), Text("Hi 投票")), Usage(14, 7, cache_read=5, reasoning=4), "end", "tiny")
    (seen,) = server.seen
    assert seen.path == "/v1/models/tiny:streamGenerateContent?alt=sse"
    assert seen.headers["x-goog-api-key"] == KEY
    assert "authorization" not in seen.headers
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "generationConfig": {
            "maxOutputTokens": 9,
            "temperature": 0.5,
            "seed": 7,
            "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True},
        },
    }


@pytest.mark.parametrize(
    ("base", "model", "path"),
    [
        ("", "gemini-x", "/v1beta/models/gemini-x"),
        ("/v1beta", "models/gemini-x", "/v1beta/models/gemini-x"),
        ("/proxy/v1beta?tenant=a", "tunedModels/my model?", "/proxy/v1beta/tunedModels/my%20model%3F"),
        ("/v1", "publishers/google/models/gemini@001", "/v1/publishers/google/models/gemini%40001"),
    ],
)
async def test_the_model_is_named_in_the_path_however_it_was_given(base: str, model: str, path: str) -> None:
    async with serving(sse(event({"text": "ok"}, finish="STOP"))) as server:
        built = ApiKind.build(f"127.0.0.1:{server.port}{base}", model, "", "gemini")
        _ = [item async for item in built.stream(ASK)]
        await built.close()
    query = "tenant=a&alt=sse" if "tenant" in base else "alt=sse"
    assert server.seen[0].path == f"{path}:streamGenerateContent?{query}"
    assert "x-goog-api-key" not in server.seen[0].headers


async def test_fields_of_ones_own_lie_beside_those_of_the_options() -> None:
    extra = {"generationConfig": {"topK": 4, "temperature": 1.0}, "safetySettings": []}
    async with serving(sse(event({"text": "ok"}, finish="STOP"))) as server:
        await ask(server, ModelRequest(ASK.messages, max_output=50), options=Options(temperature=0.0, extra=extra))
    body = server.seen[0].body
    assert body["generationConfig"] == {"maxOutputTokens": 50, "temperature": 1.0, "topK": 4}
    assert body["safetySettings"] == []


async def test_a_parameter_the_model_refuses_is_left_out_once_and_remembered() -> None:
    refusal = {"code": 400, "message": "Thinking level is not supported for this model.", "status": "INVALID_ARGUMENT"}
    async with serving(status(400, {"error": refusal}), sse(event({"text": "ok"}, finish="STOP"))) as server:
        _, answer = await ask(server, options=Options(effort="low", seed=1))
    first, second = (seen.body["generationConfig"] for seen in server.seen)
    assert first.keys() == {"seed", "thinkingConfig"}
    assert second == {"seed": 1}
    assert answer.dropped == (Dropped(f"gemini {server.url} tiny", "generationConfig.thinkingConfig"),)
    assert "refused the parameter generationConfig.thinkingConfig" in answer.notes[0]


# -- a run with tools ------------------------------------------------------------------------------------------------


STEPS: list[list[dict[str, Any]]] = [
    [
        event({"text": "Ich schaue ", "thought": True}),
        event({"text": "Ich "}, {"text": "schaue 👀"}),
        event(call("look", {"Ort": "Оslo 投票"}, signature=SIGNATURE), call("look", {"Ort": "b"})),
        event({"text": "", "thoughtSignature": "dGhlIGxhc3Q="}, finish="STOP", usageMetadata=usage(9, 9)),
    ],
    [
        event(call("go", {"n": 1.5, "deep": {"a": [None, True]}}, "id-1", "c2lnMQ=="), usageMetadata=usage(20, 1)),
        event(call("go", {}, "id-2", "c2lnMg=="), call("look"), finish="STOP"),
    ],
    [event({"text": "Fer"}), event({"text": "tig."}, {"thoughtSignature": "ZW5k"}, finish="STOP")],
]


async def test_a_loop_of_tools_sends_every_part_back_as_it_came() -> None:
    said = [*ASK.messages]
    async with serving(*(sse(*step) for step in STEPS), sse(event({"text": "x"}, finish="STOP"))) as server:
        for _ in STEPS:
            _, answer = await ask(server, ModelRequest(tuple(said), TOOLS))
            stored = msgspec.json.decode(msgspec.json.encode(answer.message), type=Message)
            results = tuple(ToolResult(c.id, c.name, f"seen {c.id}") for c in answer.message.calls)
            said += [stored, Message("tool", results) if results else Message.say("user", "and now?")]
        await ask(server, ModelRequest(tuple(said), TOOLS))
    came = [[p for one in step for p in one["candidates"][0]["content"]["parts"]] for step in STEPS]
    contents = server.seen[-1].body["contents"]
    assert [turn["parts"] for turn in contents if turn["role"] == "model"] == came
    assert contents[2]["parts"] == [
        {"functionResponse": {"name": "look", "response": {"result": "seen call_2_0"}}},
        {"functionResponse": {"name": "look", "response": {"result": "seen call_2_1"}}},
    ]
    assert [part["functionResponse"].get("id") for part in contents[4]["parts"]] == ["id-1", "id-2", None]
    assert all(not faults(seen.body) for seen in server.seen)
    raw = [seen.raw for seen in server.seen]
    for before, after in pairwise(raw):
        assert after.startswith(before.removesuffix(b"]}]}"))


async def test_signatures_do_not_travel_to_another_model() -> None:
    answer = assembled(*STEPS[0])
    said = ModelRequest((*ASK.messages, answer.message, Message("tool", (ToolResult("call_1_0", "look", "ok"),))))
    async with serving(sse(event({"text": "ok"}, finish="STOP"))) as server:
        other = ApiKind.build(server.url, "other", "", "gemini")
        _ = [item async for item in other.stream(said)]
        await other.close()
    assert "thoughtSignature" not in json.dumps(server.seen[0].body)
    assert server.seen[0].body["contents"][1]["parts"] == [
        {"text": "Ich schaue 👀"},
        {"functionCall": {"id": "call_1_0", "name": "look", "args": {"Ort": "Оslo 投票"}}},
        {"functionCall": {"id": "call_1_1", "name": "look", "args": {"Ort": "b"}}},
    ]


# -- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_every_split_of_a_recorded_stream_gives_the_same_answer(end: str) -> None:
    events = [
        event({"text": "投", "thought": True}),
        event({"text": "票👀"}, call("go", {"n": "票"}, "x", "cw==")),
        event({"text": "", "thoughtSignature": "dA=="}, finish="STOP", usageMetadata=usage(9, 9)),
    ]
    datas = [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in events]
    raw = end.join([": keep-alive", "", *(line for data in datas for line in (f"data: {data}", ""))]).encode()
    expected = assembled(*events, request=ASK)
    assert expected.message.calls
    assert isinstance(expected.parts[-1], Opaque)
    sent: list[list[bytes]] = [[bytes([byte]) for byte in raw], *([raw[:at], raw[at:]] for at in range(1, len(raw)))]

    async def pieces() -> AsyncIterator[bytes]:
        for piece in sent[0]:
            yield piece

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=pieces())

    model = ApiKind.build("http://nowhere.invalid", "tiny", "", "gemini", transport=httpx2.MockTransport(answer))
    while sent:
        items = [item async for item in model.stream(ASK)]
        assert items[-1] == expected
        del sent[0]
    await model.close()
    async with serving([STREAM, *(bytes([byte]) for byte in raw)]) as server:
        assert (await ask(server))[1] == expected


async def test_the_last_event_needs_no_blank_line_and_several_may_come_at_once() -> None:
    raw = b"".join(sse(event({"text": "a"}), event({"text": "b"}), event({"text": "c"}, finish="STOP"))[1:])
    for ending in (raw.rstrip(b"\n"), raw.removesuffix(b"\n"), raw + b"data: [DONE]\n\n"):
        answer = await answer_to(STREAM, ending)
        assert (answer.message.text, answer.stop) == ("abc", "end")


@pytest.mark.parametrize("many", [True, False])
async def test_a_proxy_that_does_not_stream_is_understood(many: bool) -> None:
    whole = event({"text": "Hi"}, call("look"), finish="STOP")
    answer = await answer_to(*status(200, [event({"text": "Oh "}), whole] if many else whole))
    assert answer.message.text == ("Oh Hi" if many else "Hi")
    assert answer.stop == "tool_calls"
    raw = json.dumps([event({"text": "Oh "}), whole], indent=1).encode()
    assert (await answer_to(STREAM, raw)).message.text == "Oh Hi"


async def test_a_surrogate_pair_split_over_chunks_is_joined_and_a_lone_half_is_replaced() -> None:
    def escaped(text: str) -> str:
        return json.dumps(event({"text": "@"})).replace("@", text)

    answer = await answer_to(*sse(escaped("\\ud83d"), escaped("\\ude00 \\ud800."), event(finish="STOP")))
    assert answer.parts == (Text("😀 �."),)


async def test_a_watcher_that_leaves_early_closes_the_connection() -> None:
    async with serving([*sse(event({"text": "a"})), asyncio.Event()]) as server:
        model = ApiKind.build(server.url, "tiny", "", "gemini")
        async with aclosing(model.stream(ASK)) as items:  # type: ignore[type-var]
            assert await anext(items) == Delta("a")
        await asyncio.wait_for(server.closed.wait(), 60)
        await model.close()
