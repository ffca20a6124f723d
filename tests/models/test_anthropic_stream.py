"""The Messages adapter against real loopback sockets: what Anthropic and servers like it answer, in all its forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from harness_tui.domain.messages import (
    Answer,
    Delta,
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

from .anthropic_events import PING, block, finish, start, text, thinking, tool_use
from .conversation import ASK, run
from .endpoint_server import STREAM, named_sse, serving, sse, status

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

TOOLS = (ToolSpec("look", "Looks.", {"type": "object"}), ToolSpec("go", "Goes.", {"type": "object"}))

RECORDED = [
    start(20, cache_read_input_tokens=100, cache_creation_input_tokens=30),
    PING,
    *thinking(0, "Zwei ", "Städte: 東京…"),
    *text(1, "投票所 ", "▲ 🗳"),
    *tool_use(2, "toolu_1", "look", "", '{"place": "東', '京", "note": "a\\', '"b\\u6771\\n"}'),
    *tool_use(3, "toolu_2", "go", '{"n"', ": 1", "2}"),
    *finish("tool_use", 40, output_tokens_details={"thinking_tokens": 17}),
]
"""A turn as the vendor streams it."""

CALLS = (ToolCall("toolu_1", "look", {"place": "東京", "note": 'a"b東\n'}), ToolCall("toolu_2", "go", {"n": 12}))
SENT_BACK = [
    {"type": "thinking", "thinking": "Zwei Städte: 東京…", "signature": "c2ln"},
    {"type": "text", "text": "投票所 ▲ 🗳"},
    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"place": "東京", "note": 'a"b東\n'}},
    {"type": "tool_use", "id": "toolu_2", "name": "go", "input": {"n": 12}},
]
ANSWER = Answer(
    (
        Reasoning("Zwei Städte: 東京…"),
        Text("投票所 ▲ 🗳"),
        *CALLS,
        Opaque("anthropic", "tiny", {"content": SENT_BACK}),
    ),
    Usage(150, 40, cache_read=100, cache_write=30, reasoning=17),
    "tool_calls",
    "tiny",
)


async def answer_to(*events: Any, request: ModelRequest = ASK, **more: Any) -> Answer:
    async with serving(named_sse(*events)) as server:
        return (await run(server, request, api="anthropic", **more))[1]


# -- a normal turn -----------------------------------------------------------------------------------------------


async def test_a_recorded_turn_gives_deltas_then_the_whole_answer() -> None:
    async with serving(named_sse(*RECORDED)) as server:
        deltas, answer = await run(server, api="anthropic")
    assert deltas[:4] == [
        Delta("Zwei ", "reasoning"),
        Delta("Städte: 東京…", "reasoning"),
        Delta("投票所 "),
        Delta("▲ 🗳"),
    ]
    assert "".join(delta.text for delta in deltas if delta.kind == "tool").endswith('{"n": 12}')
    assert answer == ANSWER


async def test_a_turn_that_comes_byte_by_byte_is_the_same() -> None:
    raw = b"".join(named_sse(*RECORDED)[1:])
    async with serving([STREAM, *(raw[i : i + 1] for i in range(len(raw)))]) as server:
        assert (await run(server, api="anthropic"))[1] == ANSWER


SHORT = [
    start(),
    *text(0, "票 🗳"),
    *tool_use(1, "t", "go", '{"a": "東', "\\u6771\\", 'n"}'),
    *finish("tool_use"),
]


class Cut(httpx2.AsyncBaseTransport):
    """Answers with a short turn in two pieces, cut at `at`."""

    at = 0
    raw = b"".join(named_sse(*SHORT)[1:])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield self.raw[: self.at]
            yield self.raw[self.at :]

        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=pieces())


async def test_wherever_the_stream_is_cut_in_two_the_answer_is_identical() -> None:
    parts = (Text("票 🗳"), ToolCall("t", "go", {"a": "東東\n"}))
    transport = Cut()
    model = ApiKind.build("http://example.invalid", "tiny", "k", "anthropic", transport=transport)
    for transport.at in range(len(Cut.raw)):
        *_, answer = [item async for item in model.stream(ASK)]
        assert answer == Answer(parts, Usage(12, 9), "tool_calls", "tiny"), transport.at
    await model.close()


async def test_all_events_in_one_piece_and_with_crlf_are_the_same() -> None:
    raw = b"".join(named_sse(*RECORDED)[1:])
    async with serving([STREAM + raw], [STREAM + raw.replace(b"\n", b"\r\n")]) as server:
        for _ in range(2):
            assert (await run(server, api="anthropic"))[1] == ANSWER


async def test_a_server_that_names_no_events_is_read_by_their_type() -> None:
    async with serving(sse(*RECORDED, "[DONE]"), sse(*RECORDED[:-1], "[DONE]")) as server:
        for _ in range(2):
            assert (await run(server, api="anthropic"))[1] == ANSWER


async def test_an_end_without_its_blank_line_is_read_and_half_an_event_is_a_cut() -> None:
    *whole, ending, _ = named_sse(*RECORDED)
    async with serving([*whole, ending.rstrip()], [*whole, ending[:-9]], [*whole, "data: 票".encode()[:-1]]) as server:
        assert (await run(server, api="anthropic"))[1] == ANSWER
        for _ in range(2):
            assert (await run(server, api="anthropic"))[1].stop == "cut"


async def test_what_comes_after_the_last_event_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness_tui.models.sdk.LINGER", 0.01)
    async with serving(*([*named_sse(*RECORDED), rest] for rest in (..., b"nonsense\n\n", asyncio.Event()))) as server:
        for _ in range(3):
            assert (await run(server, api="anthropic"))[1] == ANSWER


async def test_a_tool_loop_of_three_turns_sends_signed_thinking_back_as_it_came() -> None:
    messages = ASK.messages
    turns = [
        [start(), *thinking(0, f"Step {n}", signature=f"sig{n}"), *tool_use(1, f"t{n}", "look"), *finish("tool_use")]
        for n in range(2)
    ]
    async with serving(
        *(named_sse(*turn) for turn in turns), named_sse(start(), *text(0, "done"), *finish())
    ) as server:
        for _ in range(3):
            answer = (await run(server, ModelRequest(messages, TOOLS), api="anthropic", options=Options(effort="low")))[
                1
            ]
            results = [Message("tool", (ToolResult(call.id, call.name, "seen 票"),)) for call in answer.message.calls]
            messages = (*messages, answer.message, *results)
    assert (answer.message.text, answer.stop) == ("done", "end")
    last = server.seen[-1].body["messages"]
    assert [turn["role"] for turn in last] == ["user", "assistant", "user", "assistant", "user"]
    for n, turn in enumerate(last[1::2]):
        assert turn["content"] == [
            {"type": "thinking", "thinking": f"Step {n}", "signature": f"sig{n}"},
            {"type": "tool_use", "id": f"t{n}", "name": "look", "input": {}},
        ]
    assert last[4]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": "seen 票"}]


# -- blocks ------------------------------------------------------------------------------------------------------


async def test_an_answer_without_signatures_needs_no_opaque_part() -> None:
    answer = await answer_to(start(), *thinking(0, "Hm.", signature=""), *text(1, "ok"), *finish())
    assert answer.parts == (Reasoning("Hm."), Text("ok"))


async def test_redacted_thinking_and_hidden_thinking_come_back_in_their_places() -> None:
    redacted = {"type": "redacted_thinking", "data": "ZW5j"}
    events = [*block(0, **redacted), *thinking(1, signature="s"), *text(2, ""), *tool_use(3, "t", "go")]
    answer = await answer_to(start(), *events, *finish("tool_use"))
    call, opaque = answer.parts
    assert call == ToolCall("t", "go")
    assert isinstance(opaque, Opaque)
    assert [wire["type"] for wire in opaque.raw["content"]] == ["redacted_thinking", "thinking", "tool_use"]
    assert opaque.raw["content"][0] == redacted


async def test_blocks_of_the_servers_own_tools_and_citations_are_kept() -> None:
    use = block(
        0,
        {"type": "input_json_delta", "partial_json": '{"query": "票"}'},
        type="server_tool_use",
        id="srvtoolu_1",
        name="web_search",
        input={},
    )
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    citation = {
        "type": "web_search_result_location",
        "url": "u",
        "title": "t",
        "cited_text": "c",
        "encrypted_index": "e",
    }
    cited = [{"type": "text_delta", "text": "So."}, {"type": "citations_delta", "citation": citation}]
    answer = await answer_to(
        start(), *use, *block(1, **found), *block(2, *cited, type="text", text=""), *finish("pause_turn")
    )
    said, opaque = answer.parts
    assert (answer.stop, said) == ("paused", Text("So."))
    assert isinstance(opaque, Opaque)
    assert opaque.raw["content"] == [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "票"}},
        found,
        {"type": "text", "text": "So.", "citations": [citation]},
    ]


@pytest.mark.parametrize("raw", ["{not json", "[1]", '"text"', '{"a":"\\ud800"}', "[" * 3000])
async def test_input_that_is_no_json_object_becomes_an_error_with_what_was_sent(raw: str) -> None:
    answer = await answer_to(start(), *tool_use(0, "t", "look", raw), *finish("tool_use"))
    (call,) = answer.message.calls
    assert (call.arguments, call.raw) == ({}, raw)
    assert call.error.startswith("the arguments ")


async def test_input_may_come_whole_in_the_start_of_its_block_or_not_at_all() -> None:
    events = [*tool_use(0, "a", "look", input={"n": 1}), *tool_use(1, "b", "go")]
    answer = await answer_to(start(), *events, *finish("end_turn"))
    assert answer.message.calls == (ToolCall("a", "look", {"n": 1}), ToolCall("b", "go"))
    assert answer.stop == "tool_calls"


async def test_missing_and_reused_ids_become_unique() -> None:
    history = ModelRequest((*ASK.messages, Message("assistant", (ToolCall("t", "look"),))))
    events = [*tool_use(0, "t", "look"), *tool_use(1, "", "go"), *tool_use(2, "", "go"), *thinking(3, "x")]
    answer = await answer_to(start(), *events, *finish("tool_use"), request=history)
    assert [call.id for call in answer.message.calls] == ["t_3_0", "call_3_0", "call_3_1"]
    opaque = answer.parts[-1]
    assert isinstance(opaque, Opaque)
    assert [wire["id"] for wire in opaque.raw["content"][:2]] == ["t_3_0", "call_3_0"]


async def test_servers_that_number_every_block_zero_still_give_separate_blocks() -> None:
    answer = await answer_to(start(), *text(0, "a"), *tool_use(0, "t", "go", "{}"), *finish("tool_use"))
    assert answer.parts == (Text("a"), ToolCall("t", "go"))


async def test_text_in_the_start_of_a_block_and_deltas_without_a_start_are_read() -> None:
    loose = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": " there"}}
    answer = await answer_to(start(), *block(0, type="text", text="Hi"), loose, *finish())
    assert answer.message.text == "Hi there"
    assert (await answer_to(loose, *finish())).message.text == " there"


async def test_a_surrogate_pair_split_over_deltas_is_joined() -> None:
    halves = [
        json.dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": half}})
        for half in ("\ud83d", "\ude00")
    ]
    async with serving(sse(start(), *halves, *finish())) as server:
        assert (await run(server, api="anthropic"))[1].message.text == "😀"


async def test_unknown_events_deltas_and_nonsense_are_ignored() -> None:
    noise: list[Any] = [
        {"type": "message_annotated", "note": 1},
        {"type": "content_block_start", "index": 5, "content_block": {}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "sound_delta", "sound": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "delta": None},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "message_delta", "delta": None, "usage": None},
    ]
    answer = await answer_to(start(), b"data: []\n\ndata: null\n\n: hello\n\n", *noise, *text(0, "ok"), *finish())
    assert (answer.parts, answer.stop) == ((Text("ok"),), "end")


# -- how it ended ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "paused"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_full"),
        ("tired", "other"),
        (None, "cut"),
    ],
)
async def test_stop_reasons_are_normalised(reason: str | None, stop: str) -> None:
    assert (await answer_to(start(), *text(0, "a"), *finish(reason))).stop == stop


async def test_a_refusal_names_its_category_and_keeps_no_call() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "This looks like an attack."}
    events = [*thinking(0, "x"), *tool_use(1, "t", "go", '{"a": ')]
    answer = await answer_to(start(), *events, *finish("refusal", details=details))
    assert answer.notes == ("The provider's reason: cyber: This looks like an attack.",)
    assert answer.parts == (Reasoning("x"),)


@pytest.mark.parametrize("stop", ["max_tokens", "model_context_window_exceeded"])
async def test_a_call_cut_by_a_limit_before_its_arguments_is_an_error(stop: str) -> None:
    answer = await answer_to(start(), *tool_use(0, "a", "look"), *tool_use(1, "b", "wipe"), *finish(stop))
    first, second = answer.message.calls
    assert not first.error
    assert second.error == "the output limit cut the call before its arguments"


@pytest.mark.parametrize("ending", [[], [b"event: message_stop\ndata: {}\n\n"], [...]], ids=["closed", "stop", "reset"])
async def test_a_stream_without_a_stop_reason_is_cut_and_keeps_no_half_call(ending: list[Any]) -> None:
    begun = named_sse(start(), *text(0, "I will"), *thinking(1, "x"), *tool_use(2, "t", "wipe", "{}"))
    async with serving([*begun, *ending]) as server:
        _, answer = await run(server, api="anthropic")
    assert answer.stop == "cut"
    assert answer.parts == (Text("I will"), Reasoning("x"))
    assert answer.usage.input == 12
    assert answer.usage.output > 2
    assert not answer.usage_reported


async def test_an_answer_that_does_not_stream_is_the_same_turn() -> None:
    message = {"type": "message", "role": "assistant", "content": SENT_BACK, "stop_reason": "tool_use"}
    usage = {"input_tokens": 20, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30, "output_tokens": 40}
    thought = {"output_tokens_details": {"thinking_tokens": 17}}
    async with serving(status(200, {**message, "usage": usage | thought})) as server:
        assert (await run(server, api="anthropic"))[1] == ANSWER
