"""The Responses adapter against real loopback sockets: refusals, faults and streams that break."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from harness_tui.domain.messages import (
    Answer,
    Dropped,
    Opaque,
    Text,
)
from harness_tui.domain.task import Options
from harness_tui.models import sdk
from harness_tui.models.api import ApiKind

from .conversation import ASK, KEY, run
from .endpoint_server import STREAM, EndpointServer, serving, sse, status
from .responses_conversation import API, TURN, TURN_PARTS, answer_to, error_of, neutral, told
from .responses_events import USAGE, call, created, ended, message, reasoning, refusal, streamed

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


async def test_heartbeats_between_numbered_events_and_a_missing_last_line_do_no_harm() -> None:
    events = [f"id: {n}\ndata: {json.dumps(e)}" for n, e in enumerate(streamed(TURN))]
    raw = "\n\n: ping\n\n\n".join(events).encode()
    async with serving([STREAM, raw], [STREAM, raw[:-1]]) as server:
        (_, answer), (_, cut) = await run(server, api=API), await run(server, api=API)
    assert neutral(answer) == TURN_PARTS
    assert (answer.stop, cut.stop) == ("tool_calls", "cut")


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
    monkeypatch.setattr(sdk, "LINGER", 0.01)
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
