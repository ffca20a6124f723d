"""The chat-completions family: OpenAI and every server that speaks like it (Ollama, vLLM, llama.cpp, gateways)."""

from __future__ import annotations

import importlib
from typing import Any

import msgspec

from ...domain.messages import ModelRequest
from ..assembly import items_of, object_of
from ..family import Assembly, Refused
from ..sdk import SdkFamily
from .chat_stream import ChatAssembly
from .chat_wire import body_of

OPENAI_HOST = "api.openai.com"


class OpenAIFamily(SdkFamily):
    """What the two OpenAI protocols share: the SDK and its headers."""

    def connect(self) -> Any:
        self.sdk = importlib.import_module("openai")
        return self.sdk.AsyncOpenAI(
            base_url=self.at.url,
            api_key=self.at.key or "none",
            max_retries=0,
            timeout=self.timeout(),
            http_client=self.http_client(),
        )

    def headers(self) -> dict[str, Any]:
        """Left out: a key we do not have, and the names of an OpenAI account elsewhere."""
        names = [] if self.at.key else ["Authorization"]
        if self.at.host != OPENAI_HOST:
            names += ["OpenAI-Organization", "OpenAI-Project"]
        return dict.fromkeys(names, self.sdk.Omit())


class OpenAIChat(OpenAIFamily):
    """One model behind a chat-completions endpoint."""

    api = "openai-chat"
    path = "/chat/completions"
    optional = frozenset(
        {
            "max_tokens",
            "max_completion_tokens",
            "parallel_tool_calls",
            "reasoning_effort",
            "seed",
            "stream_options",
            "temperature",
        }
    )

    def body(self, request: ModelRequest) -> dict[str, Any]:
        newer = self.at.host == OPENAI_HOST or "max_tokens" in self.dropped
        return body_of(request, self.name, self.options, max_field="max_completion_tokens" if newer else "max_tokens")

    def whole(self, text: str) -> Any:
        try:
            answer = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(answer, dict):
            return None
        if answer.get("error"):
            raise Refused(200, {}, answer["error"])
        return answer if any(object_of(choice, "message") for choice in items_of(answer.get("choices"))) else None

    def assembly(self, request: ModelRequest) -> Assembly:
        return ChatAssembly(request, self.name)
