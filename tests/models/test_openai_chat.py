"""The chat-completions adapter against real loopback sockets: what servers send, well and badly."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import pytest

from harness_tui.domain.errors import CredentialError, ModelError
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
from harness_tui.domain.task import ModelSpec
from harness_tui.models.api import ApiKind, from_spec

from .endpoint_server import STREAM, EndpointServer, call_piece, chunk, serving, sse, status, usage

ASK = ModelRequest((Message.say("system", "Be brief."), Message.say("user", "Hello")))
KEY = "sk-canary-1234567890"
pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


async def run(server: EndpointServer, request: ModelRequest = ASK, key: str = KEY) -> tuple[list[Delta], Answer]:
    model = ApiKind.build(server.url, "tiny", key, key_source="OPENAI_API_KEY")
    try:
        items = [item async for item in model.stream(request)]
    finally:
        await model.close()
    *deltas, answer = items
    assert isinstance(answer, Answer)
    assert all(isinstance(item, Delta) for item in deltas)
    return deltas, answer  # type: ignore[return-value]


async def answer_to(*events: Any, request: ModelRequest = ASK) -> Answer:
    async with serving(sse(*events, "[DONE]")) as server:
        return (await run(server, request))[1]


async def error_of(*answer: Any, key: str = KEY) -> ModelError:
    async with serving(list(answer)) as server:
        with pytest.raises(ModelError) as caught:
            await run(server, key=key)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    return caught.value


# -- answers -------------------------------------------------------------------------------------------------------


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
    request = ModelRequest(ASK.messages, specs, max_output=50, seed=7, temperature=0.0)
    async with serving(sse(chunk("stop", content="ok"), "[DONE]")) as server:
        await run(server, request)
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


# -- streams that end badly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [[], [b"data: [DONE]\n\n"], [...]], ids=["closed", "done", "reset"])
async def test_a_stream_without_a_finish_reason_is_cut_and_keeps_no_half_call(ending: list[Any]) -> None:
    begun = sse(chunk(content="I will"), chunk(tool_calls=[call_piece(0, "{}", id="a", name="wipe")]))
    async with serving([*begun, *ending]) as server:
        deltas, answer = await run(server)
    assert len(deltas) == 2
    assert answer.stop == "cut"
    assert answer.parts == (Text("I will"),)
    assert answer.usage.output > 0
    assert not answer.usage_reported


async def test_a_chunked_body_that_breaks_off_is_cut_as_well() -> None:
    event = sse(chunk(content="half"))[1]
    head = STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked")
    async with serving([head + f"{len(event):x}\r\n".encode() + event + b"\r\n"]) as server:
        _, answer = await run(server)
    assert (answer.message.text, answer.stop) == ("half", "cut")


async def test_a_stream_closed_before_anything_is_worth_a_retry() -> None:
    error = await error_of(STREAM)
    assert (error.kind, error.spent) == ("retry", 0)
    assert "closed the stream before it answered" in error.what


async def test_an_error_object_inside_the_stream_is_an_error_with_what_was_spent() -> None:
    overloaded = {"error": {"message": "busy", "type": "server_error", "code": "overloaded"}}
    error = await error_of(*sse(chunk(content="Once upon a time"), overloaded))
    assert (error.kind, error.status) == ("retry", 200)
    assert error.spent > 0
    assert "an error inside its answer): busy." in error.what
    refused = await error_of(*sse({"error": {"message": "no such tool", "type": "invalid_request_error"}}))
    assert refused.kind == "refused"
    numbered = await error_of(*sse({"error": {"message": "slow", "code": 429}}))
    assert (numbered.kind, numbered.status) == ("retry", 429)


async def test_broken_json_inside_the_stream_is_broken() -> None:
    error = await error_of(*sse(chunk(content="ok"), '{"choices": [{"del'))
    assert (error.kind, error.exit_code) == ("broken", 5)
    assert error.what.endswith("sent broken JSON.")
    assert error.spent > 0


async def test_bytes_that_are_no_utf8_are_broken() -> None:
    error = await error_of(STREAM, b'data: {"a": "\xff\xfe"}\n\n')
    assert error.kind == "broken"


@pytest.mark.parametrize(
    ("body", "kind"), [(b"<html>proxy</html>", "text/html"), ({"choices": []}, "application/json")]
)
async def test_an_answer_that_is_no_event_stream_is_named(body: Any, kind: str) -> None:
    error = await error_of(*status(200, body))
    assert error.kind == "broken"
    assert f"answered with {kind} instead of an event stream" in error.what


async def test_a_watcher_that_leaves_early_closes_the_connection() -> None:
    async with serving([*sse(chunk(content="a")), asyncio.Event()]) as server:
        model = ApiKind.build(server.url, "tiny")
        async with aclosing(model.stream(ASK)) as items:  # type: ignore[type-var]
            assert await anext(items) == Delta("a")
        await asyncio.wait_for(server.closed.wait(), 10)
        await model.close()


# -- refusals ------------------------------------------------------------------------------------------------------


async def test_a_refused_key_names_its_source_and_never_the_key() -> None:
    body = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    error = await error_of(*status(401, body))
    assert (error.kind, error.exit_code, error.status) == ("auth", 7, 401)
    assert "OPENAI_API_KEY" in error.next_step
    assert "[the key]" in error.what
    assert "127.0.0.1" in error.what


async def test_a_missing_key_says_what_to_set() -> None:
    error = await error_of(*status(401, {"error": "unauthorized"}), key="")
    assert "asks for a key" in error.what
    assert error.next_step.startswith("Set OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("code", "body", "headers", "kind"),
    [
        (429, {"error": {"message": "slow down"}}, {"Retry-After": "7"}, "retry"),
        (429, {"error": {"code": "insufficient_quota"}}, {"Retry-After": "7"}, "refused"),
        (429, {"error": {"code": "project_spend_limit_exceeded"}}, {}, "refused"),
        (402, {"error": {"message": "pay"}}, {}, "refused"),
        (403, {"error": {"message": "no"}}, {}, "auth"),
        (400, {"error": {"message": "bad"}}, {}, "refused"),
        (400, {"error": {"message": "bad"}}, {"x_should_retry": "true"}, "retry"),
        (404, {"error": {"message": "no such model"}}, {}, "refused"),
        (408, {}, {}, "retry"),
        (409, {}, {}, "retry"),
        (413, {}, {}, "refused"),
        (500, b"<html>oops</html>", {}, "retry"),
        (500, {"error": "x"}, {"x_should_retry": "false"}, "refused"),
        (503, b"", {}, "retry"),
        (529, {"error": {"type": "overloaded_error"}}, {}, "retry"),
    ],
)
async def test_each_status_has_its_ruling(code: int, body: Any, headers: dict[str, str], kind: str) -> None:
    error = await error_of(*status(code, body, **headers))
    assert (error.kind, error.status) == (kind, code)
    assert f"HTTP {code}" in error.what
    assert error.what.endswith(".")
    assert error.next_step


async def test_retry_after_is_read_in_seconds_milliseconds_and_as_a_date() -> None:
    told = {"error": {"message": "slow"}}
    assert (await error_of(*status(429, told, Retry_After="7"))).retry_after == 7
    assert (await error_of(*status(429, told, retry_after_ms="1500", Retry_After="9"))).retry_after == 1.5
    # The server's clock is 50 years off: only the distance to its own Date counts.
    dates = {"Retry_After": formatdate(90.0, usegmt=True), "Date": formatdate(60.0, usegmt=True)}
    assert (await error_of(*status(429, told, **dates))).retry_after == 30
    assert (await error_of(*status(429, told, Retry_After="soon"))).retry_after is None


async def test_a_huge_hostile_error_body_becomes_one_short_safe_line() -> None:
    body = {"error": {"message": "\x1b]52;c;AAAA\x07" + "x" * 2_000_000}}
    error = await error_of(*status(500, body))
    assert len(error.what) < 500
    assert error.what.isprintable()
    page = await error_of(*status(502, b"<!doctype html><html>" + b"y" * 100_000))
    assert "it answered with an HTML page" in page.what


async def test_nothing_listening_is_a_retry_with_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = ApiKind.build(f"http://user:hunter2@127.0.0.1:{port}", "tiny")
    with pytest.raises(ModelError) as caught:
        _ = [item async for item in model.stream(ASK)]
    await model.close()
    assert caught.value.kind == "retry"
    assert str(caught.value) == (
        f"Nothing listens at http://127.0.0.1:{port}/v1. Start the model server, or check --url."
    )


async def test_a_connection_reset_before_an_answer_is_a_retry() -> None:
    error = await error_of(...)
    assert error.kind == "retry"
    assert "broke the connection before it answered" in error.what


async def test_an_unknown_host_is_named() -> None:
    model = ApiKind.build("http://no-such-host.invalid/v1", "tiny")
    with pytest.raises(ModelError) as caught:
        _ = [item async for item in model.stream(ASK)]
    await model.close()
    assert "host name of http://no-such-host.invalid/v1 is not known" in caught.value.what


async def test_silence_is_a_timeout_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness_tui.models.failures.IDLE_TIMEOUT", 0.2)
    error = await error_of(asyncio.Event())
    assert error.kind == "retry"
    assert "sent nothing for" in error.what
    async with serving([*sse(chunk(content="half")), asyncio.Event()]) as server:
        _, answer = await run(server)
    assert answer.stop == "cut"


# -- building --------------------------------------------------------------------------------------------------------


class OneSecret:
    def secret(self, handle: str) -> str:
        assert handle == "env:MY_KEY"
        return f" {KEY}\n"

    def credential(self, handle: str) -> Any:
        raise NotImplementedError


async def test_a_spec_is_built_with_the_key_its_handle_names() -> None:
    async with serving(status(401, {})) as server:
        spec = ModelSpec("openai-chat", "tiny", server.url, "env:MY_KEY")
        model = from_spec(spec, OneSecret())
        assert (model.name, model.label) == ("tiny", "tiny at 127.0.0.1")
        assert KEY not in repr(vars(model))
        with pytest.raises(ModelError, match="came from MY_KEY"):
            _ = [item async for item in model.stream(ASK)]
        await model.close()
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(CredentialError, match="MY_KEY") as caught:
        ApiKind.build("localhost:1", "tiny", key, key_source="MY_KEY")
    assert key not in str(caught.value)
