"""Web search over real sockets: the model's own first, then the engines with a key, else a clear refusal."""

from __future__ import annotations

import random
from typing import Any

import pytest

from harness_tui.agent.kit import Kit
from harness_tui.agent.searching import READ, OwnSearch
from harness_tui.domain.errors import CredentialError
from harness_tui.domain.events import ModelConsulted
from harness_tui.domain.ledger import Ledger
from harness_tui.domain.messages import Usage
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.models import api
from harness_tui.tools.web.search import BRAVE, NONE, TAVILY, Engine, WebSearch, searxng
from tests.agent.worlds import ManualClock
from tests.models import anthropic_events, gemini_events, responses_events
from tests.models.endpoint_server import EndpointServer, named_sse, serving, sse, status

BRAVE_PAGE = {"web": {"results": [{"title": "One\nline", "url": "https://a.example", "description": "first"}, "junk"]}}
OTHER_PAGE = {"results": [{"title": "Two", "url": "https://b.example", "content": "second"}, {"title": "no url"}]}


def keys(**known: str) -> Any:
    def secret(handle: str, origin: str) -> str:
        if (name := handle.removeprefix("vault:")) not in known:
            raise CredentialError(f"There is no key {name}.")
        return known[name]

    return secret


def at(engine: Engine, server: EndpointServer) -> Engine:
    return Engine(engine.name, engine.key, f"http://127.0.0.1:{server.port}/search")


async def test_brave_is_asked_with_its_key_and_its_results_are_numbered() -> None:
    async with serving(status(200, BRAVE_PAGE)) as server:
        outcome = await WebSearch(keys(BRAVE_API_KEY="k-1"), (at(BRAVE, server),)).search("a & b", 3)
    assert outcome.ok and outcome.text == "Found by Brave:\n1. One line\n   https://a.example\n   first"
    (seen,) = server.seen
    assert seen.path == "/search?q=a+%26+b&count=3" or seen.path == "/search?q=a%20%26%20b&count=3"
    assert seen.headers["x-subscription-token"] == "k-1"


async def test_an_engine_that_fails_makes_room_for_the_next() -> None:
    async with serving(status(429, {})) as brave, serving(status(200, OTHER_PAGE)) as tavily:
        engines = (at(BRAVE, brave), at(TAVILY, tavily))
        outcome = await WebSearch(keys(BRAVE_API_KEY="a", TAVILY_API_KEY="b"), engines).search("q", 8)
    assert outcome.ok and "https://b.example" in outcome.text
    assert tavily.seen[0].body == {"query": "q", "max_results": 8}
    assert tavily.seen[0].headers["authorization"] == "Bearer b"


async def test_a_searxng_of_ones_own_needs_no_key() -> None:
    async with serving(status(200, OTHER_PAGE)) as server:
        outcome = await WebSearch(keys(), (BRAVE, TAVILY, searxng(f"http://127.0.0.1:{server.port}/"))).search("q", 8)
    assert outcome.ok and server.seen[0].path == "/search?q=q&format=json"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (status(302, b"", Location="http://127.0.0.1:1/"), "refused the search (HTTP 302)"),
        (status(200, b"<html>no"), "did not send JSON"),
        (status(200, b"[" * 100_000), "did not send JSON"),
        (status(200, b" " * 3_000_000), "more than 2048 KiB"),
    ],
    ids=["a redirect", "a page", "deep", "endless"],
)
async def test_what_is_no_list_of_results_is_said(answer: list[Any], said: str) -> None:
    async with serving(answer) as server:
        outcome = await WebSearch(keys(), (searxng(f"http://127.0.0.1:{server.port}"),)).search("q", 8)
    assert not outcome.ok and said in outcome.text


async def test_without_any_engine_the_answer_names_the_ways() -> None:
    outcome = await WebSearch(keys()).search("q", 8)
    assert (outcome.ok, outcome.text) == (False, NONE)


STREAMS = {
    "anthropic": named_sse(
        anthropic_events.start(), *anthropic_events.text(0, "1. Found https://c.example"), *anthropic_events.finish()
    ),
    "openai-responses": sse(*responses_events.streamed([responses_events.message("1. Found https://c.example")])),
    "gemini": sse(
        gemini_events.event(
            {"text": "1. Found https://c.example"}, finish="STOP", usageMetadata=gemini_events.usage(12, 9)
        )
    ),
}
ASKED = {
    "anthropic": {"type": "web_search_20260318", "name": "web_search", "max_uses": 1},
    "openai-responses": {"type": "web_search", "search_context_size": "low"},
    "gemini": {"googleSearch": {}},
}


def own(server: EndpointServer, kind: str, ledger: Ledger) -> OwnSearch:
    spec = RunSpec(TaskFile("x"), ModelSpec(kind, "m", f"http://127.0.0.1:{server.port}"))

    def kit() -> Kit:
        return Kit(
            log=None,  # type: ignore[arg-type]
            clock=ManualClock(),
            ledger=ledger,
            model=lambda s, role="main": api.build(s.model.url, "m", "key-of-mine", s.model.api),
            environment=None,  # type: ignore[arg-type]
            approval_id=lambda: "",
            random=random.random,
            day=lambda: "2026-11-21",
        )

    return OwnSearch(spec, "r1/1", kit)


@pytest.mark.parametrize("kind", sorted(STREAMS))
async def test_the_models_own_search_comes_first_and_its_cost_is_booked(kind: str) -> None:
    ledger = Ledger()
    ledger.limit("run:r1", 100_000)
    async with serving(STREAMS[kind]) as server:
        outcome = await WebSearch(keys(BRAVE_API_KEY="a"), own=own(server, kind, ledger)).search("what is new", 5)
    assert outcome.ok and "https://c.example" in outcome.text
    assert [tool for tool in server.seen[0].body["tools"] if "cache_control" not in tool] == [ASKED[kind]] or (
        server.seen[0].body["tools"][0].items() >= ASKED[kind].items()
    )
    (cost,) = outcome.events
    assert isinstance(cost, ModelConsulted) and cost.usage.total > 0 and cost.usd is None and cost.mark == "unknown"
    account = ledger.account("run:r1")
    assert (account.held, account.spent) == (0, cost.usage.total)


async def test_a_refused_own_search_leaves_it_to_an_engine_and_holds_nothing() -> None:
    ledger = Ledger()
    ledger.limit("run:r1", 100_000)
    async with (
        serving(status(400, {"error": {"message": "no such tool"}})) as model,
        serving(status(200, BRAVE_PAGE)) as brave,
    ):
        search = WebSearch(keys(BRAVE_API_KEY="a"), (at(BRAVE, brave),), own(model, "anthropic", ledger))
        outcome = await search.search("q", 5)
    assert outcome.ok and "Brave" in outcome.text
    assert ledger.account("run:r1").held == 0 and ledger.account("run:r1").spent == 0


@pytest.mark.parametrize("limits", [(READ, None), (10_000_000, 1)], ids=["no room for it", "a money limit"])
async def test_no_search_of_its_own_where_the_budget_cannot_hold_it(limits: tuple[int, int | None]) -> None:
    """Vendors' fees for a search are in no table, so under a money limit none is made."""
    ledger = Ledger()
    ledger.limit("run:r1", *limits)
    async with serving(STREAMS["anthropic"]) as server:
        assert await own(server, "anthropic", ledger).search("q", 5) is None
    assert not server.seen


def test_a_consulted_model_counts_in_run_and_day() -> None:
    from harness_tui.domain.events import Envelope, RunStarted
    from harness_tui.domain.fold import Views

    views = Views()
    views.apply(Envelope(1, "r1", 1, 1, RunStarted(RunSpec(TaskFile("x"), ModelSpec("anthropic", "m")))))
    cost = ModelConsulted("web_search", "m", Usage(100, 20), ("run:r1", "day:2026-11-21"))
    views.apply(Envelope(2, "r1", 2, 2, cost))
    assert views.runs["r1"].usage.total == 120 and views.runs["r1"].money is None
    assert views.budgets["run:r1"].spent == views.budgets["day:2026-11-21"].spent == 120
