"""What each provider really says of an error, as data: its ruling, and what is read of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.models.error_body import Reported, read
from harness_tui.models.retry import rule

from .provider_errors import RETRY_43, anthropic, gemini, info, openai, quota

NOON = datetime(2026, 11, 21, 20, tzinfo=UTC).timestamp()
"""Noon in Los Angeles."""


RULINGS: list[tuple[str, int, Any]] = [
    # -- OpenAI
    ("retry", 429, openai("Rate limit reached for gpt-x on requests per min.", "rate_limit_exceeded")),
    ("retry", 429, openai("Slow down", "slow_down")),
    ("retry", 500, openai("The server had an error while processing your request.", kind="server_error")),
    (
        "spent",
        429,
        openai("You exceeded your current quota.", "insufficient_quota", kind="insufficient_quota"),
    ),
    ("spent", 429, openai("Credit balance exhausted.", "credit_balance_exhausted")),
    ("spent", 429, openai("No.", "organization_usage_limit_exceeded")),
    ("spent", 429, openai("Billing hard limit has been reached", "billing_hard_limit_reached")),
    (
        "context",
        400,
        openai(
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130012 tokens.",
            "context_length_exceeded",
            "messages",
        ),
    ),
    ("context", 400, openai("Your input exceeds the context window of this model.")),
    ("context", 400, openai("Input tokens exceed the configured limit of 272000 tokens.")),
    (
        "context",
        429,
        openai("Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 35000."),
    ),
    ("auth", 401, openai("Incorrect API key provided: sk-ab***cd.", "invalid_api_key")),
    ("refused", 403, openai("Country not supported", "unsupported_country_region_territory")),
    ("refused", 403, openai("Project `p` does not have access to model `m`", "model_not_found")),
    ("refused", 404, openai("The model `m` does not exist", "model_not_found")),
    # -- vLLM
    (
        "context",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    (
        "context",
        400,
        openai(
            "The decoder prompt (length 5000) is longer than the maximum model length of 4096.", kind="BadRequestError"
        ),
    ),
    (
        "context",
        400,
        openai(
            "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 4096 "
            "tokens and your request has 300 input tokens (8192 > 4096 - 300).",
            kind="BadRequestError",
        ),
    ),
    ("auth", 401, {"error": "Unauthorized"}),
    # -- llama.cpp
    (
        "context",
        400,
        {
            "error": {
                "code": 400,
                "message": "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9412,
                "n_ctx": 8192,
            }
        },
    ),
    ("retry", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
    ("auth", 401, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}),
    # -- Ollama
    ("refused", 404, openai('model "tiny" not found, try pulling it first', kind="api_error")),
    (
        "refused",
        400,
        openai('"registry.ollama.ai/library/tiny:latest" does not support tools', kind="api_error"),
    ),
    ("context", 400, openai("the input length exceeds the context length", kind="api_error")),
    # -- LM Studio
    (
        "context",
        400,
        {
            "error": "Trying to keep the first 5012 tokens when context the overflows. However, the model is loaded "
            "with context length of only 4096 tokens, which is not enough."
        },
    ),
    # -- OpenRouter
    ("spent", 402, {"error": {"code": 402, "message": "Insufficient credits. Add more and retry."}}),
    ("spent", 403, {"error": {"code": 403, "message": "Key limit exceeded (total limit)."}}),
    (
        "refused",
        403,
        {"error": {"code": 403, "message": "Flagged", "metadata": {"reasons": ["violence"], "flagged_input": "..."}}},
    ),
    (
        "context",
        400,
        {
            "error": {
                "code": 400,
                "message": "This endpoint's maximum context length is 131072 tokens. However, you requested 150000.",
            }
        },
    ),
    (
        "context",
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {
                    "raw": json.dumps(anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000")),
                    "provider_name": "Anthropic",
                },
            }
        },
    ),
    # -- Anthropic
    ("retry", 529, anthropic("overloaded_error", "Overloaded")),
    (
        "spent",
        429,
        anthropic("rate_limit_error", "Spend limit", details={"error_code": "enforced_spend_limit_reached"}),
    ),
    ("spent", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the API.")),
    ("spent", 402, anthropic("billing_error", "Pay")),
    (
        "context",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    ),
    (
        "context",
        400,
        anthropic(
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or "
            "`max_tokens` and try again",
        ),
    ),
    ("context", 413, anthropic("request_too_large", "Request exceeds the maximum size")),
    ("auth", 401, anthropic("authentication_error", "invalid x-api-key")),
    ("auth", 403, anthropic("permission_error", "Your API key does not have permission")),
    ("refused", 404, anthropic("not_found_error", "model: claude-none")),
    # -- Gemini
    ("retry", 503, gemini(503, "UNAVAILABLE", "The model is overloaded.")),
    ("spent", 429, gemini(429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap.")),
    (
        "auth",
        400,
        gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID")),
    ),
    ("auth", 403, gemini(403, "PERMISSION_DENIED", "Your API key was reported as leaked.")),
    (
        "context",
        400,
        gemini(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
    ),
    ("refused", 400, gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")),
    # -- others
    (
        "auth",
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***cd."},
    ),
    ("context", 400, {"detail": json.dumps(openai("prompt too long", "context_length_exceeded"))}),
    ("context", 413, "<html><title>413 Request Entity Too Large</title></html>"),
    ("refused", 403, "<!doctype html><title>Attention Required!</title>"),
    ("retry", 502, "<html><body>Bad gateway</body></html>"),
    ("retry", 503, ""),
]

_DAILY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
WAITS: list[tuple[Any, str, float]] = [
    (openai("Rate limit reached", "rate_limit_exceeded"), "7", 7),
    (anthropic("rate_limit_error", "This request would exceed your rate limit."), "12", 12),
    (gemini(429, "RESOURCE_EXHAUSTED", "Quota", quota("GenerateRequestsPerMinutePerProject"), RETRY_43), "", 43),
    (gemini(429, "RESOURCE_EXHAUSTED", "Quota", _DAILY, RETRY_43), "", 12 * 3600),
    ([gemini(429, "RESOURCE_EXHAUSTED", "Quota", RETRY_43)], "", 43),  # its compatible endpoint: a list
]


@pytest.mark.parametrize(("kind", "status", "body"), RULINGS)
def test_each_providers_errors_have_their_ruling(kind: str, status: int, body: Any) -> None:
    assert rule(status, read(body), {}, lambda: NOON) == (kind, None)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):  # as the SDK and a stream hand it over
        assert rule(status, read(body["error"]), {}, lambda: NOON) == (kind, None)
    if body and not isinstance(body, str):
        assert read(json.dumps(body)) == read(body)


@pytest.mark.parametrize(("body", "header", "seconds"), WAITS)
def test_a_limit_is_waited_for_as_long_as_the_provider_says(body: Any, header: str, seconds: float) -> None:
    headers = {"retry-after": header} if header else {}
    assert rule(429, read(body), headers, lambda: NOON) == ("retry", seconds)


def test_what_is_read_of_a_relayed_error_names_the_provider_and_keeps_both_codes() -> None:
    raw = json.dumps(openai("Unsupported parameter: 'seed'", "unsupported_parameter", "seed"))
    metadata = {"raw": raw, "provider_name": "Somebody"}
    told = read({"error": {"code": 400, "message": "Provider returned error", "metadata": metadata}})
    assert told.message == "Somebody: Unsupported parameter: 'seed'"
    assert (told.parameter, told.status) == ("seed", 400)
    assert "unsupported_parameter" in told.codes


def test_a_page_is_named_by_its_title_and_a_request_by_its_id() -> None:
    assert read("<html><head><title>\n Sign &amp; in </title>") == Reported(
        (), 'an HTML page titled "Sign & in"', page=True
    )
    assert read(anthropic("api_error", "x")).request == "req_011"


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "details", "detail", "metadata", "raw", "loc", "retryDelay"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(NESTED | st.binary(max_size=60), st.integers(200, 599))
def test_no_body_whatever_breaks_the_ruling(body: Any, status: int) -> None:
    told = read(body)
    assert all(isinstance(code, str) for code in told.codes)
    assert isinstance(told.message, str)
    rule(status, told, {}, lambda: NOON)


def test_errors_nested_without_end_are_not_followed() -> None:
    body: Any = {"message": "deep"}
    for _ in range(100_000):
        body = {"error": body}
    assert read(body) == Reported()
