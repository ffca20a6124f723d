"""The Responses family: api.openai.com, where tools and reasoning go together, and the servers that speak like it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from ...domain.errors import ModelError
from ...domain.messages import Answer, ModelRequest
from ..error_body import read
from ..family import Assembly, Refused
from .chat import OpenAIFamily
from .responses_stream import ENDS, ResponsesAssembly
from .responses_wire import body_of


class OpenAIResponses(OpenAIFamily):
    """One model behind a Responses endpoint that need not remember anything."""

    api = "openai-responses"
    path = "/responses"
    searches = True
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

    def ends(self, event: Any) -> bool:
        return isinstance(event, dict) and event.get("type") in ENDS

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
