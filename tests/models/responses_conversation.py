"""Ask a loopback Responses endpoint once, and what came of it in neutral terms."""

from __future__ import annotations

from typing import Any

import pytest

from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Delta, ModelRequest, Opaque, Reasoning, Text, ToolCall

from .conversation import ASK, KEY, run
from .endpoint_server import serving, sse
from .responses_events import call, message, reasoning

API = "openai-responses"
TURN = [
    reasoning("I should look\ntwice. 二度見る。", "gAAAA-secret"),
    message("我来看看 ▲ 🗳", phase="commentary"),
    call("look", '{"place":"Oslo 北"}', "call_1"),
    call("look", '{"place": "東京"}', "call_2"),
]
"""One answer with everything in it."""

TURN_PARTS = (
    Reasoning("I should look\ntwice. 二度見る。"),
    Text("我来看看 ▲ 🗳"),
    ToolCall("call_1", "look", {"place": "Oslo 北"}),
    ToolCall("call_2", "look", {"place": "東京"}),
)


async def answer_to(*events: Any, request: ModelRequest = ASK, **more: Any) -> Answer:
    async with serving(sse(*events)) as server:
        return (await run(server, request, api=API, **more))[1]


async def error_of(*answer: Any) -> ModelError:
    async with serving(list(answer)) as server:
        with pytest.raises(ModelError) as caught:
            await run(server, api=API)
    assert KEY not in str(caught.value)
    return caught.value


def neutral(answer: Answer) -> tuple[Any, ...]:
    return tuple(part for part in answer.parts if not isinstance(part, Opaque))


def told(deltas: list[Delta], kind: str) -> str:
    return "".join(delta.text for delta in deltas if delta.kind == kind)
