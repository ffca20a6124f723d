"""The chat-completions adapter against endpoints that refuse, break off, fall silent or talk nonsense."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import pytest

from harness_tui.domain.errors import CredentialError, ModelError
from harness_tui.domain.messages import (
    Delta,
    Text,
)
from harness_tui.domain.task import ModelSpec
from harness_tui.models.api import ApiKind, from_spec

from .conversation import ASK, KEY, error_of, run
from .endpoint_server import STREAM, call_piece, chunk, serving, sse, status

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


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
    ("body", "type", "kind"),
    [
        (b"<html><title>Sign in &amp; go</title>proxy</html>", "text/html", "refused"),
        ({"choices": []}, "application/json", "broken"),
    ],
)
async def test_an_answer_that_is_no_event_stream_is_named(body: Any, type: str, kind: str) -> None:
    error = await error_of(*status(200, body))
    assert error.kind == kind
    assert f"answered with {type} instead of an event stream" in error.what
    assert ("Sign in & go" in error.what) == (kind == "refused")


async def test_a_watcher_that_leaves_early_closes_the_connection() -> None:
    async with serving([*sse(chunk(content="a")), asyncio.Event()]) as server:
        model = ApiKind.build(server.url, "tiny")
        async with aclosing(model.stream(ASK)) as items:  # type: ignore[type-var]
            assert await anext(items) == Delta("a")
        await asyncio.wait_for(server.closed.wait(), 60)
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
        (429, {"error": {"code": "insufficient_quota"}}, {"Retry-After": "7"}, "spent"),
        (429, {"error": {"code": "project_spend_limit_exceeded"}}, {}, "spent"),
        (402, {"error": {"message": "pay"}}, {}, "spent"),
        (403, {"error": {"message": "no"}}, {}, "auth"),
        (400, {"error": {"message": "bad"}}, {}, "refused"),
        (400, {"error": {"message": "bad"}}, {"x_should_retry": "true"}, "retry"),
        (404, {"error": {"message": "no such model"}}, {}, "refused"),
        (408, {}, {}, "retry"),
        (409, {}, {}, "retry"),
        (413, {}, {}, "context"),
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
    def secret(self, handle: str, origin: str = "") -> str:
        assert (handle, origin[:17]) == ("env:MY_KEY", "http://127.0.0.1:")
        return f" {KEY}\n"

    def credential(self, handle: str, origin: str = "") -> Any:
        raise NotImplementedError

    def where(self, name: str) -> Any:
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
