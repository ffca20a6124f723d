"""The Responses family: api.openai.com, where tools and reasoning go together, and the servers that speak like it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ..domain.errors import ModelError
from ..domain.messages import Answer, ModelRequest
from .error_body import read
from .family import Assembly, Broken, Refused
from .openai_chat import OpenAIFamily
from .responses_stream import ENDS, ResponsesAssembly
from .responses_wire import body_of
from .sse import Reader

LINGER = 0.5
"""Seconds a finished stream may take to close, so that its connection can be used again."""


class OpenAIResponses(OpenAIFamily):
    """One model behind a Responses endpoint that need not remember anything."""

    api = "openai-responses"
    path = "/responses"
    optional = frozenset(
        {
            "include",
            "max_output_tokens",
            "parallel_tool_calls",
            "reasoning",
            "reasoning.summary",
            "store",
            "temperature",
        }
    )
    _seed_told: int | None = None

    def body(self, request: ModelRequest) -> dict[str, Any]:
        return body_of(request, self.name, self.options, summary="reasoning.summary" not in self.dropped)

    def assembly(self, request: ModelRequest) -> Assembly:
        return ResponsesAssembly(request, self.name)

    async def events(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        try:
            async with contextlib.aclosing(super().events(body)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, dict) and event.get("type") in ENDS:
                        with contextlib.suppress(TimeoutError, Broken, Refused, ValueError):
                            async with asyncio.timeout(LINGER):
                                await anext(events, None)
                        return
        except Refused as error:
            if _absent(error):
                base = "" if self.at.versioned else f", or try --url {self.at.shown.rstrip('/')}/v1"
                raise ModelError(
                    f"{self.at.shown} has no /responses (HTTP {error.status}).",
                    f"Give --api openai-chat, which most servers speak{base}.",
                    kind="refused",
                    status=error.status,
                ) from None
            raise

    async def chunks(self, stream: Any) -> AsyncIterator[Any]:
        """The stream's events. The SDK's own reader stumbles over heartbeats and loses an end without a blank line."""
        reader = Reader()
        async for raw in stream.response.aiter_bytes():
            for data in reader.feed(raw):
                if data not in ("", "[DONE]"):
                    yield json.loads(data)
        for data in reader.end():
            try:
                last = json.loads(data)
            except ValueError:
                return  # half an event: the answer is cut
            yield last

    def whole(self, text: str) -> Any:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, dict) and (error := found.get("error")) and found.get("object") != "response":
                raise Refused(200, {}, error)
            if isinstance(found, dict) and isinstance(found.get("output"), list):
                return {"type": "response.completed", "response": found}
        return None

    async def observe(self, request: ModelRequest, answer: Answer) -> tuple[str, ...]:
        seed = self.options.seed
        if seed is None or seed == self._seed_told:
            return ()
        self._seed_told = seed
        return (f"The Responses API has no seed; seed {seed} was not sent.",)


def _absent(error: Refused) -> bool:
    """Whether a refusal is about the path, not about the model or an item of the conversation."""
    told = read(error.body)
    if error.status == 200:
        return told.message.startswith("Unexpected endpoint")  # LM Studio
    about = () if told.page else ("model", "item with id")
    return error.status in (404, 405, 501) and not any(word in told.message.lower() for word in about)
