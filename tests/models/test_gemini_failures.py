"""The Gemini adapter against endpoints that refuse, break off, fall silent or talk nonsense."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Message, ModelRequest, Text, ToolCall, ToolResult
from harness_tui.models.api import ApiKind

from .conversation import ASK, KEY, run
from .endpoint_server import STREAM, serving, sse, status
from .gemini_events import SIGNATURE, call, event, faults

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}


def refusal(code: int, state: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": state, "details": list(details)}}


async def error_of(*answer: Any, key: str = KEY) -> ModelError:
    async with serving(list(answer)) as server:
        with pytest.raises(ModelError) as caught:
            await run(server, key=key, api="gemini")
    assert KEY not in f"{caught.value}{caught.value!r}"
    return caught.value


# -- refusals --------------------------------------------------------------------------------------------------------


async def test_the_wait_of_an_exhausted_quota_is_the_servers_own() -> None:
    error = await error_of(*status(429, refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", RETRY_INFO)))
    assert (error.kind, error.retry_after, error.status) == ("retry", 37.0, 429)
    assert "Quota exceeded" in error.what


async def test_a_quota_of_the_day_ends_at_midnight() -> None:
    daily = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaMetric": "requests"}
    details = ({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [daily]}, RETRY_INFO)
    error = await error_of(*status(429, [refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", *details)]))
    assert error.kind == "retry"
    assert "The day's quota" in error.what


async def test_a_key_that_is_not_valid_is_refused_by_name_and_never_shown() -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    message = f"API key not valid: {KEY}. Please pass a valid API key."
    error = await error_of(*status(400, refusal(400, "INVALID_ARGUMENT", message, reason)))
    assert (error.kind, error.exit_code, error.status) == ("auth", 7, 400)
    assert "OPENAI_API_KEY" in error.next_step
    assert "[the key]" in error.what


async def test_a_missing_key_says_what_to_set() -> None:
    told = refusal(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")
    error = await error_of(*status(403, told), key="")
    assert error.kind == "auth"
    assert "GEMINI_API_KEY" in error.next_step


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (400, refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received."), "refused"),
        (400, refusal(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number (8)."), "context"),
        (404, refusal(404, "NOT_FOUND", "models/tiny is not found for API version v1beta."), "refused"),
        (500, refusal(500, "INTERNAL", "An internal error has occurred."), "retry"),
        (503, refusal(503, "UNAVAILABLE", "The model is overloaded."), "retry"),
        (504, b"<html>gateway</html>", "retry"),
        (302, b"", "refused"),
        (418, b"x" * 2_000_000, "refused"),
        (500, b"[]", "retry"),
        (500, b"[" * 5000, "retry"),
        (500, b"\xff\xfe", "retry"),
    ],
)
async def test_each_refusal_has_its_ruling_and_a_short_sentence(code: int, body: Any, kind: str) -> None:
    error = await error_of(*status(code, body))
    assert (error.kind, error.status) == (kind, code)
    assert len(error.what) < 600


async def test_an_error_inside_the_stream_is_an_error_with_what_was_spent() -> None:
    busy = refusal(503, "UNAVAILABLE", "The model is overloaded.")
    error = await error_of(*sse(event({"text": "Once upon a time"}), busy))
    assert (error.kind, error.status) == ("retry", 503)
    assert error.spent > 0
    bare = await error_of(*sse(event({"text": "Once"})), json.dumps(busy, indent=2).encode())
    assert (bare.kind, bare.status) == ("retry", 503)
    alone = await error_of(*status(200, [refusal(429, "RESOURCE_EXHAUSTED", "Slow down.", RETRY_INFO)]))
    assert (alone.kind, alone.retry_after) == ("retry", 37.0)


async def test_calls_of_another_model_are_told_as_text_to_a_model_that_wants_them_signed() -> None:
    own = Message("assistant", (ToolCall("a", "look", {"x": "投"}), ToolCall("b", "go")))
    results = Message("tool", (ToolResult("a", "look", "ok"), ToolResult("b", "go", "no", ok=False), Text("signed in")))
    said = ModelRequest((*ASK.messages, own, results))
    told = "Function call `look` in the 2. content block is missing a `thought_signature`."
    signed = sse(event(call("go", {}, "x", SIGNATURE), finish="STOP"))
    async with serving(status(400, refusal(400, "INVALID_ARGUMENT", told)), signed) as server:
        model = ApiKind.build(server.url, "tiny", "", "gemini")
        answers = [[item async for item in model.stream(said)][-1] for _ in range(2)]
        await model.close()
    assert len(server.seen) == 3
    notes = [answer.notes for answer in answers if isinstance(answer, Answer)]
    assert notes == [(f"{server.url} takes no unsigned calls: those of other models are told as text.",), ()]
    assert not any(faults(seen.body) for seen in server.seen)
    assert server.seen[1].raw == server.seen[2].raw
    assert server.seen[1].body["contents"][1:] == [
        {"role": "model", "parts": [{"text": '(called look with {"x": "投"})'}, {"text": "(called go with {})"}]},
        {
            "role": "user",
            "parts": [
                {"text": '(look gave {"result": "ok"})'},
                {"text": '(go gave {"error": "no"})'},
                {"text": "signed in"},
            ],
        },
    ]


# -- answers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [[], [b'data: {"candidates": [{"con'], [...]], ids=["closed", "half", "reset"])
async def test_a_stream_without_a_finish_reason_is_cut_and_keeps_no_call(ending: list[Any]) -> None:
    begun = sse(event({"text": "I will"}), event(call("wipe", {}, "x", SIGNATURE)))
    async with serving([*begun, *ending]) as server:
        _, answer = await run(server, api="gemini")
    assert (answer.parts, answer.stop) == ((Text("I will"),), "cut")


async def test_a_stream_closed_before_anything_is_worth_a_retry() -> None:
    for nothing in ([STREAM], [STREAM, b": ping\n\n"], [STREAM, b'data: {"responseId": "x"}\n\n'], [...]):
        error = await error_of(*nothing)
        assert (error.kind, error.spent) == ("retry", 0)


@pytest.mark.parametrize("data", [b'{"candidates": [{"con', b"\xff", b"[" * 100_000], ids=["half", "no utf-8", "deep"])
async def test_broken_json_inside_the_stream_is_broken(data: bytes) -> None:
    error = await error_of(*sse(event({"text": "ok"})), b"data: " + data + b"\n\n")
    assert (error.kind, error.exit_code) == ("broken", 5)
    assert error.what.endswith("sent broken JSON.")
    assert error.spent > 0


@pytest.mark.parametrize(
    ("body", "kind"), [(b"<html><title>Sign in</title></html>", "text/html"), ({"choices": []}, "application/json")]
)
async def test_an_answer_that_is_no_event_stream_is_named(body: Any, kind: str) -> None:
    error = await error_of(*status(200, body))
    assert error.kind in ("broken", "refused")
    assert f"answered with {kind} instead of an event stream" in error.what


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(sse(event({"text": "ok"}, finish="STOP"))) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        model = ApiKind.build("http://models.invalid", "tiny", "", "gemini")
        *_, answer = [item async for item in model.stream(ASK)]
        await model.close()
    assert isinstance(answer, Answer)
    assert answer.message.text == "ok"
    assert server.seen[0].path == "http://models.invalid/v1beta/models/tiny:streamGenerateContent?alt=sse"


async def test_nothing_listening_is_said() -> None:
    async with serving([]) as server:
        pass
    model = ApiKind.build(server.url, "tiny", KEY, "gemini")
    with pytest.raises(ModelError, match="Nothing listens at"):
        _ = [item async for item in model.stream(ASK)]
    await model.close()


async def test_silence_is_a_timeout_or_cuts_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness_tui.models.failures.IDLE_TIMEOUT", 0.2)
    error = await error_of(asyncio.Event())
    assert error.kind == "retry"
    assert "sent nothing for" in error.what
    async with serving([*sse(event({"text": "half"})), asyncio.Event()]) as server:
        _, answer = await run(server, api="gemini")
    assert (answer.message.text, answer.stop) == ("half", "cut")
