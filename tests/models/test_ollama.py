"""A local Ollama (a loopback stand-in with its bytes): its real window, a silent cut, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from harness_tui.domain.messages import Answer, Message, ModelRequest
from harness_tui.domain.money import Free
from harness_tui.models.api import ApiKind
from harness_tui.models.openai.ollama import Ollama

from .conversation import ASK
from .ollama_server import OllamaServer, ollama

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")

PROSE = "The committee will reconsider whatever arguments were presented yesterday. "
"""Ten words of 75 bytes: a word here is a token that stands for more bytes than is usual."""


def built(server: OllamaServer) -> Ollama:
    model = ApiKind.build(server.url, "tiny", "", "ollama")
    assert isinstance(model, Ollama)
    return model


async def asked(model: Ollama, *texts: str) -> Answer:
    messages = tuple(Message.say("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(texts))
    items = [item async for item in model.stream(ModelRequest(messages))]
    assert isinstance(items[-1], Answer)
    return items[-1]


async def one(*texts: str, **how: Any) -> tuple[Ollama, Answer, list[str]]:
    async with ollama(**how) as server:
        model = built(server)
        answer = await asked(model, *texts)
        await model.close()
    return model, answer, server.asked


async def test_the_window_of_the_loaded_model_is_read_once_after_the_first_answer() -> None:
    async with ollama(window=8192) as server:
        model = built(server)
        assert model.window is None
        answer = await asked(model, "Hello")
        await asked(model, "Hello", "Hi", "More")
        await model.close()
    assert model.window == 8192
    assert (answer.message.text, answer.notes) == ("Hi", ())
    assert server.asked == ["/v1/chat/completions", "/api/ps", "/v1/chat/completions"]


@pytest.mark.parametrize(
    ("num_ctx", "trained", "window"), [(8192, 131072, 8192), (8192, 2048, 2048), (None, 131072, None)]
)
async def test_an_older_server_tells_the_window_only_if_its_modelfile_sets_one(
    num_ctx: int | None, trained: int, window: int | None
) -> None:
    model, _, paths = await one("Hello", window=None, num_ctx=num_ctx, trained=trained)
    assert model.window == window
    assert paths[1:] == ["/api/ps", "/api/show"]


@pytest.mark.parametrize("how", [{"mute": True}, {"broken": True}])
async def test_no_word_about_the_window_is_no_error(how: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness_tui.models.openai.ollama.ASK_TIMEOUT", 0.1)
    model, answer, _ = await one("Hello", **how)
    assert model.window is None
    assert (answer.message.text, answer.notes) == ("Hi", ())


async def test_a_prompt_longer_than_the_window_is_said_to_be_cut() -> None:
    _, answer, _ = await one(PROSE * 600, window=4096)
    assert answer.usage.input == 2050
    (note,) = answer.notes
    assert "read only 2050 tokens of the conversation: it was cut to the model's window of 4096 tokens" in note
    assert "OLLAMA_CONTEXT_LENGTH" in note


async def test_a_prompt_cut_to_the_very_window_is_said_as_well() -> None:
    _, answer, _ = await one("word " * 4072, window=4096, extra=20)
    assert len(answer.notes) == 1


async def test_without_a_known_window_only_a_gross_cut_is_said() -> None:
    _, answer, _ = await one("word " * 4200, window=None)
    assert (answer.usage.input, answer.notes) == (2050, ())
    _, answer, _ = await one(PROSE * 600, window=None)
    assert "it was cut to the model's window." in answer.notes[0]


async def test_a_prompt_that_shrinks_while_the_conversation_grows_was_cut() -> None:
    async with ollama(window=4096) as server:
        model = built(server)
        first = await asked(model, "a " * 3000)
        second = await asked(model, "a " * 3000, "Hi", "a " * 1500)
        await model.close()
    assert first.notes == ()
    assert (second.usage.input, len(second.notes)) == (2050, 1)


async def test_a_smaller_prompt_of_another_conversation_means_nothing() -> None:
    async with ollama(window=4096) as server:
        model = built(server)
        notes = [(await asked(model, text)).notes for text in ("word " * 3000, "word " * 100)]
        await model.close()
    assert notes == [(), ()]


async def test_what_an_old_server_had_cached_is_not_taken_for_a_cut() -> None:
    async with ollama(window=None, cached=True) as server:
        model = built(server)
        first = await asked(model, "word " * 1000)
        second = await asked(model, "word " * 1000, "Hi", "More")
        await model.close()
    assert second.usage.input < 10
    assert (first.notes, second.notes) == ((), ())


async def test_white_space_and_ruled_lines_are_not_taken_for_lost_text() -> None:
    _, answer, _ = await one(("=" * 4000 + " " * 4000 + "\n") * 20 + "Hello", window=4096)
    assert answer.notes == ()


async def test_a_window_that_was_full_before_the_answer_ended_is_said() -> None:
    _, answer, _ = await one("word " * 180, window=4096, answer_tokens=3896, finish="length")
    assert answer.notes[0].startswith("The model's window of 4096 tokens was full before its answer ended.")
    _, answer, _ = await one("Hello", window=4096, answer_tokens=50, finish="length")
    assert answer.notes == ()


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:11434", "http://[::1]:11434/v1", "http://192.168.1.7:11434", "http://ollama:11434", "gpu.lan:11434"],
)
async def test_a_model_on_this_machine_or_a_private_network_costs_nothing(url: str) -> None:
    model = ApiKind.build(url, "tiny", "", "ollama", price=lambda: None)
    assert await model.price() == Free("a local Ollama")


@pytest.mark.parametrize("url", ["https://ollama.com/v1", "http://8.8.8.8:11434"])
async def test_a_model_at_a_public_address_is_priced_like_any_other(url: str) -> None:
    model = ApiKind.build(url, "tiny", "", "ollama", price=lambda: None)
    assert await model.price() is None


async def test_a_call_of_a_local_model_is_priced_at_nothing() -> None:
    _, answer, _ = await one(ASK.messages[-1].text)
    assert (answer.usd, answer.mark) == (0, "priced")
