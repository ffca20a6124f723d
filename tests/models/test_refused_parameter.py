"""Which parameter a 400 of each provider refuses, and when it refuses none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness_tui.models.family import Refused
from harness_tui.models.parameters import refused_parameter

from .provider_errors import anthropic, gemini, info, openai

BODY = {
    "model": "m",
    "messages": [],
    "tools": [],
    "max_tokens": 9,
    "parallel_tool_calls": False,
    "reasoning_effort": "high",
    "seed": 7,
    "stream_options": {"include_usage": True},
    "temperature": 0.2,
}
OPTIONAL = frozenset(BODY) - {"model", "messages", "tools"}


def pydantic(kind: str, *loc: str | int) -> Any:
    return {"detail": [{"type": kind, "loc": ["body", *loc], "msg": "Extra inputs are not permitted", "input": 7}]}


REFUSALS: list[tuple[str, int, Any]] = [
    # -- OpenAI
    (
        "max_tokens",
        400,
        openai(
            "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens' instead.",
            "unsupported_parameter",
            "max_tokens",
        ),
    ),
    (
        "temperature",
        400,
        openai(
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) is supported.",
            "unsupported_value",
            "temperature",
        ),
    ),
    ("seed", 400, openai("Unrecognized request argument supplied: seed")),
    (
        "reasoning_effort",
        400,
        openai(
            "Function tools with reasoning_effort are not supported for m in /v1/chat/completions.",
            None,
            "reasoning_effort",
        ),
    ),
    (
        "",
        400,
        openai("max_tokens is too large: 200000. This model supports at most 16384.", "invalid_value", "max_tokens"),
    ),
    ("", 400, openai("Invalid 'messages[0].content': the word seed in it", "invalid_type", "messages[0].content")),
    ("", 400, openai("Invalid type for 'tools[0].function': temperature", "invalid_type", "tools[0].function")),
    ("", 404, openai("temperature", None, "temperature")),
    ("", 400, openai("temperature and seed are wrong")),
    ("", 400, openai("prompt is too long; lower max_tokens", "context_length_exceeded")),
    # -- vLLM
    (
        "seed",
        400,
        {"object": "error", "message": "[{'type': 'int_type', 'loc': ('body', 'seed'), 'input': 7}]", "code": 400},
    ),
    ("", 400, openai('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')),
    ("", 400, openai("max_tokens must be at least 1, got -904.", kind="BadRequestError")),
    (
        "",
        400,
        openai(
            "'max_tokens' is too large: 8192. This model's maximum context length is 4096 tokens", None, "max_tokens"
        ),
    ),
    # -- servers on FastAPI (Mistral and others)
    ("parallel_tool_calls", 422, pydantic("extra_forbidden", "parallel_tool_calls")),
    ("", 422, pydantic("string_type", "messages", 0, "content")),
    ("stream_options", 400, {"message": "stream_options: Extra inputs are not permitted", "type": "invalid_request"}),
    # -- Ollama
    ("reasoning_effort", 400, openai('"tiny" does not support thinking', kind="api_error")),
    ("reasoning_effort", 400, openai('invalid reasoning value: \'xhigh\' (must be "high", "low")', kind="api_error")),
    ("", 400, openai('"tiny" does not support tools', kind="api_error")),
    # -- OpenRouter, with the provider's words inside
    (
        "temperature",
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": json.dumps(openai("Unsupported value: 'temperature'", None, "temperature"))},
            }
        },
    ),
    # -- Anthropic
    ("temperature", 400, anthropic("invalid_request_error", "`temperature` is deprecated for this model.")),
    ("temperature", 400, anthropic("invalid_request_error", "temperature: Extra inputs are not permitted")),
    ("", 400, anthropic("invalid_request_error", "messages.1.temperature: Extra inputs are not permitted")),
    ("", 400, anthropic("invalid_request_error", "max_tokens: 300000 > 128000, which is the maximum allowed")),
    # -- Gemini
    (
        "seed",
        400,
        gemini(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'),
    ),
    ("", 400, gemini(400, "INVALID_ARGUMENT", "API key not valid; seed", info("API_KEY_INVALID"))),
    # -- nothing to read
    ("", 400, ""),
    ("", 400, None),
    ("", 400, "<html><title>temperature</title></html>"),
]


@pytest.mark.parametrize(("parameter", "status", "body"), REFUSALS)
def test_a_refused_parameter_is_found_only_where_the_server_means_it(parameter: str, status: int, body: Any) -> None:
    assert refused_parameter(Refused(status, {}, body), BODY, OPTIONAL) == parameter
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        assert refused_parameter(Refused(status, {}, body["error"]), BODY, OPTIONAL) == parameter
