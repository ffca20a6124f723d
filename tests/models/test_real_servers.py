"""Every family against a real server process: the same talk, tools, reasoning, refusals and faults in each protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from harness_tui import AgentLoop, ApiKind, Task, tool
from harness_tui.agent import effects
from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Delta, Message, ModelRequest, Usage

from . import aimock

KEY = "sk-canary-aimock-1"
POEM = "春の海 ひねもすのたり のたりかな 🌊"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "input_tokens": 100,
    "output_tokens": 20,
    "promptTokenCount": 100,
    "candidatesTokenCount": 20,
    "totalTokenCount": 120,
}
FIXTURES: list[dict[str, Any]] = [
    {"match": {"userMessage": "poem"}, "response": {"content": POEM, "usage": USAGE}},
    {
        "match": {"userMessage": "weather", "hasToolResult": False},
        "response": {
            "toolCalls": [
                {"name": "weather", "arguments": {"city": "大阪"}},
                {"name": "weather", "arguments": {"city": "Oslo"}},
            ],
            "usage": USAGE,
        },
    },
    {
        "match": {"userMessage": "weather", "hasToolResult": True},
        "response": {"content": "Rain in both.", "usage": USAGE},
    },
    {
        "match": {"userMessage": "think"},
        "response": {"content": "42", "reasoning": "six times seven", "reasoningSignature": "c2ln", "usage": USAGE},
    },
    {
        "match": {"userMessage": "busy"},
        "response": {"error": {"message": "overloaded", "type": "overloaded_error"}, "status": 529},
    },
    {
        "match": {"userMessage": "denied"},
        "response": {"error": {"message": "bad key", "type": "authentication_error"}, "status": 401},
    },
    {"match": {"userMessage": "short"}, "response": {"content": "cut of", "finishReason": "length", "usage": USAGE}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aimock.Mock]:
    with aimock.running(tmp_path_factory.mktemp("aimock"), FIXTURES) as mock:
        yield mock


@pytest.fixture(params=aimock.FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def model(server: aimock.Mock, family: str) -> Any:
    return ApiKind.build(server.url(family), "test-model", KEY, family, key_source="A_KEY (environment)")


async def ask(server: aimock.Mock, family: str, text: str) -> tuple[list[Delta], Answer]:
    asked = model(server, family)
    try:
        *deltas, answer = [i async for i in asked.stream(ModelRequest((Message.say("user", text),), max_output=500))]
    finally:
        await asked.close()
    assert isinstance(answer, Answer)
    return deltas, answer


async def refused(server: aimock.Mock, family: str, text: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await ask(server, family, text)
    assert KEY not in str(caught.value)
    return caught.value


async def test_text_streams_whole_with_its_usage(server: aimock.Mock, family: str) -> None:
    deltas, answer = await ask(server, family, "a poem please")
    assert (answer.message.text, answer.stop) == (POEM, "end")
    assert "".join(d.text for d in deltas if d.kind == "text") == POEM
    assert len(deltas) > 1
    assert (answer.usage.input, answer.usage.output, answer.usage_reported) == (100, 20, True)
    assert (answer.usd, answer.mark) == (None, "unknown"), "nobody knows what test-model costs here"


async def test_an_agent_calls_tools_and_answers(server: aimock.Mock, family: str) -> None:
    asked: list[str] = []

    @tool(risk="read_only")
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        asked.append(city)
        return f"rain in {city}"

    result = await AgentLoop(model(server, family), tools=[weather]).run(Task("the weather in two cities"))
    assert (result.exit, result.answer, result.tools) == (0, "Rain in both.", ["weather", "weather"])
    assert sorted(asked) == ["Oslo", "大阪"]
    assert result.tokens == Usage(200, 40)


async def test_reasoning_is_apart_from_the_answer(server: aimock.Mock, family: str) -> None:
    _, answer = await ask(server, family, "think hard")
    assert answer.message.text == "42"
    assert "six times seven" in repr(answer.parts)


async def test_a_cut_answer_says_so(server: aimock.Mock, family: str) -> None:
    _, answer = await ask(server, family, "short please")
    assert answer.stop == "length"


async def test_overload_is_tried_again_and_a_refused_key_is_not(server: aimock.Mock, family: str) -> None:
    assert (await refused(server, family, "busy?")).kind == "retry"
    error = await refused(server, family, "denied?")
    assert (error.kind, error.exit_code) == ("auth", 7)
    assert "A_KEY (environment)" in str(error)


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [("drop", {"retry"}), ("malformed", {"broken", "retry"}), ("disconnect", {"retry"}), ("rateLimit", {"retry"})],
)
async def test_faults_are_one_sentence_and_worth_another_try(
    server: aimock.Mock, family: str, fault: str, kinds: set[str]
) -> None:
    server.faults(**{fault: 1})
    try:
        error = await refused(server, family, "a poem please")
    finally:
        server.faults()
    assert error.kind in kinds
    assert server.origin in str(error)
    assert len(str(error)) < 500


async def test_a_run_survives_a_server_that_fails_now_and_then(
    server: aimock.Mock, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "again", lambda *_: 0.0)
    server.faults(drop=1)
    running = asyncio.create_task(AgentLoop(model(server, family)).run(Task("a poem please")))
    while not server.journal():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    server.faults()
    result = await running
    assert (result.exit, result.answer) == (0, POEM)
