"""The Messages adapter's headers, what it leaves out, and endpoints that refuse, break off or talk nonsense."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import pytest

from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Delta, ModelRequest, ToolSpec
from harness_tui.domain.task import Options
from harness_tui.models.api import ApiKind
from harness_tui.models.family import Refused

from .anthropic_events import finish, start, text
from .conversation import ASK, KEY, run
from .endpoint_server import EndpointServer, named_sse, serving, sse, status

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

OK = named_sse(start(), *text(0, "ok"), *finish())
TOOLS = ModelRequest(ASK.messages, (ToolSpec("look", "Looks.", {"type": "object"}),))


def refusing(code: int, kind: str, message: str, **headers: str) -> list[bytes]:
    """An error as Anthropic sends it."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return status(code, body, **headers)


async def answer_from(server: EndpointServer, request: ModelRequest = ASK, **more: Any) -> Answer:
    return (await run(server, request, api="anthropic", **more))[1]


async def error_of(answer: list[Any], key: str = KEY) -> ModelError:
    async with serving(answer) as server:
        with pytest.raises(ModelError) as caught:
            await run(server, api="anthropic", key=key)
    assert KEY not in str(caught.value)
    return caught.value


# -- headers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def _strange_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-strange-key")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "strange-token")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(
        "ANTHROPIC_CUSTOM_HEADERS", "X-Strange: strange\nAuthorization: strange\nanthropic-version: 1999"
    )


@pytest.mark.usefixtures("_strange_environment")
async def test_the_key_travels_under_both_names_and_nothing_of_the_environment_does() -> None:
    async with serving(OK) as server:
        await answer_from(server)
    (seen,) = server.seen
    assert seen.path == "/v1/messages"
    assert (seen.headers["authorization"], seen.headers["x-api-key"]) == (f"Bearer {KEY}", KEY)
    assert seen.headers["anthropic-version"] == "2026-10-21"
    assert "strange" not in repr(seen)


@pytest.mark.usefixtures("_strange_environment")
async def test_without_a_key_none_is_sent() -> None:
    async with serving(OK) as server:
        await answer_from(server, key="")
    (seen,) = server.seen
    assert not {"authorization", "x-api-key"} & seen.headers.keys()
    assert "strange" not in repr(seen)


async def test_another_version_of_the_api_is_a_header() -> None:
    async with serving(OK) as server:
        await answer_from(server, options=Options(version="2023-06-01", temperature=0.5))
    assert server.seen[0].headers["anthropic-version"] == "2023-06-01"
    assert server.seen[0].body["temperature"] == 0.5


@pytest.mark.parametrize("path", ["", "/v1", "/v1/messages", "/anthropic", "/anthropic/v1/"])
async def test_the_base_may_be_given_with_or_without_its_version(path: str) -> None:
    async with serving(OK) as server:
        model = ApiKind.build(f"http://127.0.0.1:{server.port}{path}", "tiny", KEY, "anthropic")
        _ = [item async for item in model.stream(ASK)]
        await model.close()
    assert server.seen[0].path == ("/anthropic" if "anthropic" in path else "") + "/v1/messages"


# -- what cannot be sent -----------------------------------------------------------------------------------------


async def test_an_option_that_cannot_be_sent_is_said_once() -> None:
    async with serving(OK) as server:
        model = ApiKind.build(server.url, "tiny", KEY, "anthropic", options=Options(seed=1))
        warm = model.with_temperature(0.3)  # type: ignore[attr-defined]
        notes = [[item async for item in one.stream(ASK)][-1].notes for one in (model, model, warm, warm)]
        await model.close()
        await warm.close()
    seed = "seed was not sent: this protocol has none."
    sampling = "temperature was not sent: version 2026-10-21 of the API takes no sampling parameters."
    assert notes == [(seed,), (), (seed, sampling), ()]


@pytest.mark.parametrize(
    ("told", "gone"),
    [
        ("cache_control: Extra inputs are not permitted", "cache_control"),
        ("tools.0.custom.cache_control: Extra inputs are not permitted", "cache_control"),
        ("thinking.type: Input tag 'adaptive' found does not match", "thinking"),
        ("output_config.effort: not supported by this model", "output_config"),
        ("tool_choice.auto.disable_parallel_tool_use: Extra inputs are not permitted", "tool_choice"),
    ],
)
async def test_a_refused_parameter_is_left_out_from_then_on_and_said(told: str, gone: str) -> None:
    options = Options(effort="low", parallel_tools=False)
    async with serving(refusing(400, "invalid_request_error", told), OK, OK) as server:
        model = ApiKind.build(server.url, "tiny", KEY, "anthropic", options=options)
        answers = [[item async for item in model.stream(TOOLS)][-1] for _ in range(2)]
        await model.close()
    first, second, third = (repr(seen.body) for seen in server.seen)
    assert gone in first
    assert gone not in second
    assert second == third
    assert f"refused the parameter {gone}; it is left out from now on." in answers[0].notes[0]
    assert not answers[1].notes


async def test_a_compatible_servers_own_form_of_that_refusal_is_read() -> None:
    for where in (["cache_control"], ["tools", 0, "cache_control"]):
        detail = {"detail": [{"type": "extra_forbidden", "loc": ["body", *where], "msg": "Extra inputs"}]}
        async with serving(status(422, detail), OK) as server:
            answer = await answer_from(server, TOOLS)
        assert "refused the parameter cache_control" in answer.notes[0]
        assert "cache_control" not in repr(server.seen[1].body)


async def test_words_about_a_message_cost_no_parameter() -> None:
    told = "messages.1.content.0: Invalid `signature` in `thinking` block"
    async with serving(refusing(400, "invalid_request_error", told)) as server:
        with pytest.raises(ModelError, match="Invalid `signature`"):
            await answer_from(server, options=Options(effort="low"))
    assert len(server.seen) == 1


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "ruling"),
    [
        (400, "invalid_request_error", "refused"),
        (401, "authentication_error", "auth"),
        (403, "permission_error", "auth"),
        (404, "not_found_error", "refused"),
        (429, "rate_limit_error", "retry"),
        (500, "api_error", "retry"),
        (529, "overloaded_error", "retry"),
    ],
)
async def test_each_status_has_its_ruling(code: int, kind: str, ruling: str) -> None:
    error = await error_of(refusing(code, kind, f"No: {KEY}"))
    assert (error.kind, error.status) == (ruling, code)
    assert "[the key]" in error.what


async def test_retry_after_is_read_in_seconds_milliseconds_and_as_a_date() -> None:
    limited = (429, "rate_limit_error", "slow")
    assert (await error_of(refusing(*limited, retry_after="7"))).retry_after == 7
    assert (await error_of(refusing(*limited, retry_after_ms="1500", retry_after="9"))).retry_after == 1.5
    dates = {"retry_after": formatdate(90.0, usegmt=True), "Date": formatdate(60.0, usegmt=True)}
    assert (await error_of(refusing(*limited, **dates))).retry_after == 30


async def test_a_refusal_carries_the_error_object_with_its_details_and_the_request_id() -> None:
    inner = {"type": "rate_limit_error", "message": "spent", "details": {"error_code": "enforced_spend_limit_reached"}}
    body = {"type": "error", "error": inner, "request_id": "req_9"}
    async with serving(status(429, body, request_id="req_9", x_should_retry="false")) as server:
        model: Any = ApiKind.build(server.url, "tiny", KEY, "anthropic")
        await model._open()
        with pytest.raises(Refused) as caught:
            async with aclosing(model.events(model.body(ASK))) as events:
                _ = [event async for event in events]
        await model.close()
    assert (caught.value.status, caught.value.body) == (429, inner)
    assert (caught.value.headers["request-id"], caught.value.headers["x-should-retry"]) == ("req_9", "false")


@pytest.mark.parametrize("form", [named_sse, sse], ids=["named", "unnamed"])
async def test_an_overload_after_status_200_is_worth_a_retry_and_counts_what_was_spent(form: Any) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}
    error = await error_of(form(start(500), *text(0, "Once upon a time"), overloaded))
    assert (error.kind, error.status) == ("retry", 200)
    assert error.spent >= 504
    assert "an error inside its answer): Overloaded." in error.what
    early = await error_of(form(overloaded))
    assert (early.kind, early.spent) == ("retry", 0)
    assert (await error_of(status(200, overloaded))).kind == "retry"


async def test_an_error_inside_the_stream_may_be_one_that_no_retry_mends() -> None:
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    assert (await error_of(named_sse(start(), refused))).kind == "refused"
    gateway = await error_of(sse(start(), {"error": {"message": "upstream", "code": 502}}))
    assert (gateway.kind, gateway.status) == ("retry", 502)


async def test_html_huge_bodies_and_answers_that_are_no_stream_become_one_short_sentence() -> None:
    page = await error_of(status(502, b"<!doctype html><html>" + b"y" * 100_000))
    assert "it answered with an HTML page" in page.what
    huge = await error_of(refusing(500, "api_error", "\x1b]52;c;AAAA\x07" + "x" * 2_000_000))
    assert len(huge.what) < 500
    assert huge.what.isprintable()
    assert "instead of an event stream" in (await error_of(status(200, b"<html>proxy</html>"))).what


async def test_nothing_but_pings_is_no_answer() -> None:
    error = await error_of(named_sse({"type": "ping"}))
    assert error.kind == "retry"
    assert "closed the stream before it answered" in error.what


@pytest.mark.parametrize("junk", [b"event: message_delta\ndata: {oops\n\n", b'data: {"a": "\xff"}\n\n'])
async def test_broken_json_and_bytes_that_are_no_utf8_are_broken(junk: bytes) -> None:
    error = await error_of(named_sse(start(), *text(0, "ok"), junk))
    assert (error.kind, error.exit_code) == ("broken", 5)
    assert error.spent > 0


async def test_a_reset_before_an_answer_is_a_retry() -> None:
    assert (await error_of([...])).kind == "retry"


async def test_a_watcher_that_leaves_early_closes_the_connection() -> None:
    async with serving([*named_sse(start(), *text(0, "a")[:-1]), asyncio.Event()]) as server:
        model = ApiKind.build(server.url, "tiny", KEY, "anthropic")
        async with aclosing(model.stream(ASK)) as items:  # type: ignore[type-var]
            assert await anext(items) == Delta("a")
        await asyncio.wait_for(server.closed.wait(), 60)
        await model.close()
