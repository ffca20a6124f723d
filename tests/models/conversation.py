"""Ask a loopback endpoint once, as the engine would, and hand back what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Delta, Message, ModelRequest
from harness_tui.models.api import ApiKind

from .endpoint_server import EndpointServer, serving, sse

ASK = ModelRequest((Message.say("system", "Be brief."), Message.say("user", "Hello")))
KEY = "sk-canary-1234567890"


async def run(
    server: EndpointServer, request: ModelRequest = ASK, key: str = KEY, api: str | None = None, **more: Any
) -> tuple[list[Delta], Answer]:
    """The deltas and the answer of one call; `more` goes to `ApiKind.build` (options, dropped, price)."""
    source = "OPENAI_API_KEY" if key else "no key"
    model = ApiKind.build(server.url, "tiny", key, api, key_source=source, **more)
    try:
        items = [item async for item in model.stream(request)]
    finally:
        await model.close()
    *deltas, answer = items
    assert isinstance(answer, Answer)
    assert all(isinstance(item, Delta) for item in deltas)
    return deltas, answer  # type: ignore[return-value]


async def answer_to(*events: Any, request: ModelRequest = ASK) -> Answer:
    async with serving(sse(*events, "[DONE]")) as server:
        return (await run(server, request))[1]


async def error_of(*answer: Any, key: str = KEY) -> ModelError:
    async with serving(list(answer)) as server:
        with pytest.raises(ModelError) as caught:
            await run(server, key=key)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    return caught.value
