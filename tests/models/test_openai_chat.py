"""The chat-completions adapter against real loopback sockets: what servers answer, in all its forms."""

from __future__ import annotations

import json
from typing import Any

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
    ToolSpec,
    Usage,
)
from harness_tui.domain.task import Options
from harness_tui.models.api import ApiKind

from .conversation import ASK, KEY, answer_to, run
from .endpoint_server import STREAM, call_piece, chunk, serving, sse, usage

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


async def test_a_normal_stream_gives_deltas_then_one_answer_with_usage() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 1}}
    events = sse(chunk(role="assistant", content=""), chunk(content="Hi "), chunk(content="there"), chunk("stop"))
    async with serving([*events, *sse(usage(12, 4, **details), "[DONE]")[1:]]) as server:
        deltas, answer = await run(server)
    assert deltas == [Delta("Hi "), Delta("there")]
    assert answer == Answer((Text("Hi there"),), Usage(12, 4, cache_read=3, reasoning=1), "end", "tiny", True)
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_sampling_limit_and_sorted_tools_reach_the_wire() -> None:
    specs = (ToolSpec("b", "B.", {"type": "object"}), ToolSpec("a", "A.", {"type": "object"}))
    request = ModelRequest(ASK.messages, specs, max_output=50)
    async with serving(sse(chunk("stop", content="ok"), "[DONE]")) as server:
        await run(server, request, options=Options(seed=7, temperature=0.0))
    body = server.seen[0].body
    assert (body["max_tokens"], body["seed"], body["temperature"]) == (50, 7, 0.0)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["a", "b"]
    assert body["tools"][0] == {
        "type": "function",
        "function": {"name": "a", "description": "A.", "parameters": {"type": "object"}},
    }


async def test_no_key_sends_no_authorization_and_foreign_hosts_get_no_organization(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    async with serving(sse(chunk("stop", content="ok"))) as server:
        await run(server, key="")
    headers = server.seen[0].headers
    assert not {"authorization", "openai-organization", "openai-project"} & headers.keys()


async def test_tool_call_fragments_are_merged_by_index_across_chunks() -> None:
    async with serving(
        sse(
            chunk(tool_calls=[call_piece(0, "", id="a", name="look", type="function")]),
            chunk(tool_calls=[call_piece(0, '{"pl'), call_piece(1, "{", id="b", name="go")]),
            chunk(tool_calls=[call_piece(1, '"n":1}'), call_piece(0, 'ace":"Оsло"}')]),
            chunk("tool_calls", tool_calls=None),
            usage(9, 9),
            "[DONE]",
        )
    ) as server:
        deltas, answer = await run(server)
    assert answer.message.calls == (ToolCall("a", "look", {"place": "Оsло"}), ToolCall("b", "go", {"n": 1}))
    assert answer.stop == "tool_calls"
    assert {delta.kind for delta in deltas} == {"tool"}


async def test_text_split_inside_a_utf8_character_arrives_whole() -> None:
    raw = b"".join(sse(chunk(content="投票 ▲ 🗳"), chunk("stop"), "[DONE]")[1:])
    async with serving([STREAM, *(raw[i : i + 1] for i in range(len(raw)))]) as server:
        _, answer = await run(server)
    assert answer.message.text == "投票 ▲ 🗳"


async def test_a_surrogate_pair_split_over_chunks_is_joined_and_a_lone_half_is_replaced() -> None:
    def escaped(text: str) -> str:
        return json.dumps(chunk(content="@")).replace("@", text)

    answer = await answer_to(escaped("\\ud83d"), escaped("\\ude00 \\ud800."), chunk("stop"))
    assert answer.message.text == "😀 �."


@pytest.mark.parametrize("empty", [[], None])
async def test_empty_or_null_tool_calls_are_no_calls(empty: Any) -> None:
    answer = await answer_to(chunk(content="done", tool_calls=empty), chunk("stop", tool_calls=empty))
    assert answer.parts == (Text("done"),)
    assert answer.stop == "end"


@pytest.mark.parametrize("raw", ["{not json", "[1]", '"text"', "7", '{"a":"\\ud800"}', "[" * 3000])
async def test_arguments_that_are_no_json_object_become_an_error_with_what_was_sent(raw: str) -> None:
    answer = await answer_to(chunk(tool_calls=[call_piece(0, raw, id="a", name="look")]), chunk("tool_calls"))
    (call,) = answer.message.calls
    assert call.arguments == {}
    assert call.error.startswith("the arguments ")
    assert call.raw == raw


@pytest.mark.parametrize("raw", ["", "null", None, "  "])
async def test_no_arguments_at_all_is_a_call_without_arguments(raw: str | None) -> None:
    answer = await answer_to(chunk(tool_calls=[call_piece(0, raw, id="a", name="look")]), chunk("tool_calls"))
    assert answer.message.calls == (ToolCall("a", "look"),)


async def test_missing_repeated_and_reused_ids_become_unique_and_deterministic() -> None:
    history = (Message("assistant", (ToolCall("call_0", "look"),)),)
    events = [
        chunk(tool_calls=[call_piece(0, "{}", name="a"), call_piece(1, "{}", name="b", id="")]),
        chunk(tool_calls=[call_piece(2, "{}", name="c", id="call_0"), call_piece(3, "{}", name="d", id="x")]),
        chunk(tool_calls=[call_piece(4, "{}", name="e", id="x")]),
        chunk("tool_calls"),
    ]
    first = await answer_to(*events, request=ModelRequest(history))
    ids = [call.id for call in first.message.calls]
    assert ids == ["call_1_0", "call_1_1", "call_0_1_0", "x", "x_1_0"]
    assert [call.id for call in (await answer_to(*events, request=ModelRequest(history))).message.calls] == ids


async def test_servers_that_number_all_calls_zero_or_not_at_all_still_give_separate_calls() -> None:
    for index in (0, None):
        answer = await answer_to(
            chunk(tool_calls=[call_piece(index, '{"n":1}', id="a", name="go")]),
            chunk("stop", tool_calls=[call_piece(index, '{"n":2}', id="b", name="go")]),
        )
        assert [call.arguments for call in answer.message.calls] == [{"n": 1}, {"n": 2}]
        assert answer.stop == "tool_calls"


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_reasoning_becomes_its_own_part(field: str) -> None:
    answer = await answer_to(chunk(**{field: "Let me "}), chunk(**{field: "see."}), chunk("stop", content="42"))
    assert answer.parts == (Reasoning("Let me see."), Text("42"))


async def test_unknown_keys_of_a_call_are_kept_and_sent_back_to_the_same_model_only() -> None:
    piece = call_piece(0, "{}", id="a", name="look", extra_content={"google": {"thought_signature": "abc"}})
    answer = await answer_to(chunk(tool_calls=[piece]), chunk("tool_calls"))
    assert any(isinstance(part, Opaque) for part in answer.parts)
    async with serving(sse(chunk("stop", content="ok"))) as server:
        await run(server, ModelRequest((answer.message,)))
        other = ApiKind.build(server.url, "other", "")
        _ = [item async for item in other.stream(ModelRequest((answer.message,)))]
        await other.close()
    same, foreign = (seen.body["messages"][0]["tool_calls"][0] for seen in server.seen)
    assert same["extra_content"] == {"google": {"thought_signature": "abc"}}
    assert "extra_content" not in foreign


async def test_a_server_without_usage_gets_an_estimate_and_says_so() -> None:
    answer = await answer_to(chunk("stop", content="abcdefgh"))
    assert not answer.usage_reported
    assert answer.usage.output == 2
    assert answer.usage.input >= 4


@pytest.mark.parametrize(
    ("finish", "stop"), [("length", "length"), ("content_filter", "filtered"), ("eos", "other"), ("error", "cut")]
)
async def test_finish_reasons_are_normalised(finish: str, stop: str) -> None:
    assert (await answer_to(chunk(finish, content="a"))).stop == stop


async def test_a_refusal_is_told_as_text_and_as_filtered() -> None:
    answer = await answer_to(chunk(refusal="I cannot."), chunk("stop"))
    assert (answer.message.text, answer.stop) == ("I cannot.", "filtered")


async def test_a_call_cut_by_the_output_limit_before_its_arguments_is_an_error() -> None:
    answer = await answer_to(chunk(tool_calls=[call_piece(0, "", id="a", name="wipe")]), chunk("length"))
    assert answer.message.calls[0].error


async def test_odd_chunks_are_ignored() -> None:
    noise = [
        "[]",
        '"text"',
        "null",
        "7",
        '{"choices":null}',
        '{"choices":[null,{"delta":null}]}',
        '{"choices":{"a":1}}',
    ]
    answer = await answer_to(
        *noise, chunk("stop", content="ok"), {"choices": [{"index": 1, "delta": {"content": "no"}}]}
    )
    assert answer.message.text == "ok"
