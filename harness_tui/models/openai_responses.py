"""The Responses family: api.openai.com, where tools and reasoning go together, and the servers that speak like it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from ..domain.errors import ModelError
from ..domain.messages import Answer, ModelRequest
from .family import Assembly, Broken, Refused
from .openai_chat import OpenAIFamily
from .responses_stream import ENDS, ResponsesAssembly
from .responses_wire import body_of

LINGER = 0.5
"""Seconds a finished stream may take to close, so that its connection can be used again."""

_ABSENT = (404, 405, 501)


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
            if error.status in _ABSENT and not _about_content(error):
                raise ModelError(
                    f"{self.at.shown} has no /responses (HTTP {error.status}).",
                    "Give --api openai-chat, which most servers speak; or check that --url is the base of the API "
                    "(it usually ends in /v1).",
                    kind="refused",
                    status=error.status,
                ) from None
            raise

    async def observe(self, request: ModelRequest, answer: Answer) -> tuple[str, ...]:
        seed = self.options.seed
        if seed is None or seed == self._seed_told:
            return ()
        self._seed_told = seed
        return (f"The Responses API has no seed; seed {seed} was not sent.",)


def _about_content(error: Refused) -> bool:
    """Whether a 404 is about the model or an item of the conversation, not about the path."""
    return error.status == 404 and any(word in str(error.body).lower() for word in ("model", "item with id"))
