"""The router: who is asked after whom, what that may cost, and a conversation that changes its family midway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness_tui.agent.loop import AgentLoop
from harness_tui.config.clock import SystemClock
from harness_tui.config.vault import Stores
from harness_tui.domain.errors import CredentialError, ModelError
from harness_tui.domain.messages import Answer, Message, ModelRequest, Text, ToolCall, ToolResult, ToolSpec, Usage
from harness_tui.domain.money import Price
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.engine import worlds
from harness_tui.journal.blobs import BlobStore
from harness_tui.journal.journal import Journal
from harness_tui.models import router
from harness_tui.models.api import ApiKind
from harness_tui.models.router import PATIENCE, Router
from tests.agent.worlds import CENT, Cents, ScriptedModel, say

from .anthropic_events import finish, start, text, thinking, tool_use
from .endpoint_server import chunk, named_sse, serving, sse, status

ASK = ModelRequest((Message.say("user", "Hello"),))
OVERLOADED = ModelError("It is overloaded (HTTP 529).", kind="retry", status=529)
NO_KEY = ModelError("It refused the key (HTTP 401).", kind="auth", status=401)


def leg(name: str, *script: Any, price: Price | None = None) -> ScriptedModel:
    model = ScriptedModel(*script, price=price)
    model.name, model.label = name, f"{name} (a test double)"  # type: ignore[misc]
    return model


async def asked(model: Any, request: ModelRequest = ASK) -> Answer:
    items = [item async for item in model.stream(request)]
    assert isinstance(items[-1], Answer)
    return items[-1]


async def failed(model: Any, request: ModelRequest = ASK) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await asked(model, request)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "code"), [("auth", 401), ("auth", 403), ("spent", 429), ("refused", 404), ("refused", None)]
)
async def test_what_no_retry_mends_is_asked_elsewhere_at_once_and_not_asked_there_again(
    kind: str, code: int | None
) -> None:
    first, second = leg("a", ModelError("It will not.", kind=kind, status=code)), leg("b", say("hi"), say("again"))
    model = Router(first, [second])
    answer = await asked(model)
    assert (answer.message.text, answer.model) == ("hi", "b")
    assert answer.notes == ("a (a test double) was asked first: It will not.",)
    assert (await asked(model)).message.text == "again"
    assert (len(first.requests), len(second.requests)) == (1, 2)


async def test_what_may_pass_is_retried_by_the_caller_first_then_asked_elsewhere_until_it_has_passed() -> None:
    first = leg("a", *[OVERLOADED] * (PATIENCE + 1), say("back"), OVERLOADED)
    second = leg("b", say("one"), say("two"))
    model = Router(first, [second])
    for _ in range(PATIENCE - 1):
        assert (await failed(model)).what == OVERLOADED.what
    assert second.requests == []
    assert (await asked(model)).message.text == "one"
    assert (await asked(model)).message.text == "two", "it still fails, so nobody waits for it a second time"
    back = await asked(model)
    assert (back.message.text, back.model, back.notes) == ("back", "a", ())
    assert (await failed(model)).what == OVERLOADED.what, "once it answered, it is given patience again"


async def test_a_leg_that_asks_for_a_long_wait_rests_so_long() -> None:
    now = 100.0
    limited = ModelError("Too fast (HTTP 429).", kind="retry", status=429, retry_after=60.0)
    first, second = leg("a", limited, say("rested")), leg("b", say("one"), say("two"))
    model = Router(first, [second], now=lambda: now)
    assert (await asked(model)).model == "b"
    now = 159.0
    assert (await asked(model)).model == "b"
    assert len(first.requests) == 1
    now = 160.0
    assert (await asked(model)).message.text == "rested"


@pytest.mark.parametrize(("kind", "code"), [("context", 413), ("context", 400), ("refused", 400), ("refused", 422)])
async def test_a_fault_of_the_request_stays_with_the_leg_that_found_it(kind: str, code: int) -> None:
    second = leg("b", say("never"))
    error = await failed(Router(leg("a", ModelError("It is too long.", kind=kind, status=code)), [second]))
    assert (error.kind, error.what) == (kind, "It is too long.")
    assert second.requests == []


async def test_an_answer_that_has_begun_is_never_continued_by_another_leg() -> None:
    class Breaks(ScriptedModel):
        async def stream(self, request: ModelRequest) -> Any:
            async for item in super().stream(request):
                yield item
                raise NO_KEY

    second = leg("b", say("never"))
    assert (await failed(Router(Breaks(say("half")), [second]))).kind == "auth"
    assert second.requests == []


async def test_a_call_that_cost_tokens_is_paid_before_another_leg_is_asked() -> None:
    first = leg("a", ModelError("An answer without end.", kind="refused", spent=900))
    second = leg("b", say("hi"))
    error = await failed(Router(first, [second]))
    assert (error.spent, second.requests) == (900, [])


async def test_a_refusal_is_offered_to_the_fallback_by_the_next_try_of_the_same_conversation_only() -> None:
    refusal = Answer((Text("I cannot."),), Usage(70, 7), "refusal", notes=("category: cyber",))
    first, second = leg("a", refusal, say("fine")), leg("b", say("I can"))
    model = Router(first, [second])
    error = await failed(model)
    assert (error.kind, error.spent, error.retry_after) == ("retry", 77, 0.0)
    assert error.what == "a (a test double) declined to answer. category: cyber"
    answer = await asked(model)
    assert (answer.model, answer.notes) == ("b", (f"a (a test double) was asked first: {error.what}",))
    later = ModelRequest((*ASK.messages, answer.message, Message.say("user", "And now?")))
    assert (await asked(model, later)).model == "a"


async def test_the_last_leg_may_refuse() -> None:
    refusal = Answer((Text("No."),), Usage(7, 7), "refusal")
    answer = await asked(Router(leg("a", NO_KEY), [leg("b", refusal)]))
    assert (answer.stop, answer.model) == ("refusal", "b")


async def test_when_all_fail_each_is_told_and_it_is_tried_again_if_one_may_recover() -> None:
    error = await failed(Router(leg("a", NO_KEY), [leg("b", OVERLOADED), leg("c", NO_KEY)]))
    assert (error.kind, error.what) == ("retry", f"{NO_KEY.what} {OVERLOADED.what} {NO_KEY.what}")
    error = await failed(Router(leg("a", NO_KEY), [leg("b", NO_KEY)]))
    assert (error.kind, error.exit_code) == ("auth", 7)


async def test_money_is_held_for_the_dearest_leg_and_unknown_if_one_is() -> None:
    cheap, dear = Cents(1, 9), Cents(5, 2, "estimated", "another test")
    model = Router(leg("a", price=cheap), [leg("b", price=dear)])
    price = await model.price()
    assert price is not None
    assert price.worst(10, 0) == 50 * CENT
    assert price.worst(0, 10) == 90 * CENT
    assert price.cost(Usage(10, 1)) == 52 * CENT
    assert (price.mark, price.source) == ("estimated", "a test, another test")
    assert await Router(leg("a", price=cheap), [leg("b")]).price() is None


async def test_each_leg_prices_its_own_answer() -> None:
    model = Router(leg("a", NO_KEY, price=Cents()), [leg("b", say("hi", Usage(10, 1)), price=Cents(5, 2))])
    assert (await asked(model)).usd == 52 * CENT


SPEC = ModelSpec("x", "home", fallbacks=(ModelSpec("x", "cloud"), ModelSpec("x", "other")))


def test_a_spec_with_fallbacks_is_a_router_that_names_them_all() -> None:
    built = router.from_spec(SPEC, lambda spec: leg(spec.model))
    assert (built.name, built.label) == (
        "home",
        "home (a test double), else cloud (a test double), else other (a test double)",
    )
    plain = router.from_spec(ModelSpec("x", "home"), lambda spec: leg(spec.model))
    assert isinstance(plain, ScriptedModel)


async def test_keep_local_never_leaves_not_even_on_errors_nor_builds_what_it_may_not_ask() -> None:
    built: list[str] = []

    def build(spec: ModelSpec) -> ScriptedModel:
        built.append(spec.model)
        return leg(spec.model, NO_KEY, price=Cents())

    pinned = ModelSpec("x", "home", fallbacks=SPEC.fallbacks, keep_local=True)
    model = router.from_spec(pinned, build)
    assert (await failed(model)).kind == "auth"
    assert built == ["home"]
    price = await model.price()
    assert price is not None
    assert price.worst(1, 0) == CENT


def test_a_fallback_without_its_key_is_said_before_anything_starts() -> None:
    def build(spec: ModelSpec) -> ScriptedModel:
        if spec.model == "cloud":
            raise CredentialError("The variable CLOUD_KEY is not set.")
        return leg(spec.model)

    with pytest.raises(CredentialError, match="CLOUD_KEY"):
        router.from_spec(SPEC, build)


async def test_a_role_that_is_not_named_is_the_main_model(tmp_path: Path) -> None:
    judge = ModelSpec("stand-in", "strict")
    spec = RunSpec(TaskFile("do it"), ModelSpec("stand-in", "main one"), roles={"judge": judge})
    sources = worlds.Sources(Stores.of(tmp_path, {}), {}, BlobStore(tmp_path))
    vault = worlds.vault(spec, {}, sources)
    named = [worlds.model(spec, vault, sources, role).name for role in ("main", "judge", "compactor")]
    assert named == ["main one", "strict", "main one"]
    main, strict = leg("main one"), leg("strict")
    library = AgentLoop(main, roles={"judge": strict})
    journal = await Journal.open(None, SystemClock())
    kit = library._kit(journal, SystemClock())
    assert [kit.model(spec), kit.model(spec, "judge"), kit.model(spec, "compactor")] == [main, strict, main]
    await journal.close()


LOOK = (ToolSpec("look", "Looks.", {"type": "object"}),)


async def test_one_conversation_goes_from_claude_to_openai_and_back() -> None:
    claude = [start(20), *thinking(0, "Hm."), *text(1, "I look."), *tool_use(2, "toolu_1", "look", "{}")]
    limited = status(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}, retry_after="60")
    call = {"index": 0, "id": "call_2", "function": {"name": "look", "arguments": '{"n": 2}'}}
    chat = sse(chunk(content="Again."), chunk("tool_calls", tool_calls=[call]), "[DONE]")
    back = named_sse(start(), *text(0, "Done."), *finish())
    now = 0.0
    async with serving(named_sse(*claude, *finish("tool_use")), limited, back) as anthropic, serving(chat) as openai:
        one = ApiKind.build(anthropic.url, "claude-tiny", "k1", "anthropic")
        two = ApiKind.build(openai.url, "gpt-tiny", "k2", "openai-chat")
        model = Router(one, [two], now=lambda: now)
        said = [Message.say("system", "Be brief."), Message.say("user", "Look twice.")]
        answers: list[Answer] = []
        for later in (0.0, 0.0, 61.0):
            now += later
            answer = await asked(model, ModelRequest(tuple(said), LOOK))
            answers.append(answer)
            said.append(answer.message)
            said += [Message("tool", (ToolResult(c.id, c.name, f"seen {c.id}"),)) for c in answer.message.calls]
        await model.close()
    assert [a.model for a in answers] == ["claude-tiny", "gpt-tiny", "claude-tiny"]
    assert answers[1].notes[0].startswith("claude-tiny at 127.0.0.1 was asked first: ")
    assert answers[1].message.calls == (ToolCall("call_2", "look", {"n": 2}),)
    sent_to_openai = openai.seen[0].body["messages"]
    assert "c2ln" not in repr(sent_to_openai), "the signature is Claude's own"
    assert [m["role"] for m in sent_to_openai] == ["system", "user", "assistant", "tool"]
    assert sent_to_openai[2]["tool_calls"][0]["id"] == "toolu_1"
    first, second = [m["content"] for m in anthropic.seen[2].body["messages"] if m["role"] == "assistant"]
    assert {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"} in first, "its own form comes back verbatim"
    assert [(b["type"], b.get("id")) for b in second] == [("text", None), ("tool_use", "call_2")]
