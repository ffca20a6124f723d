"""What a run spends, waits for and keeps to itself: money, patience, the shortened conversation, secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from harness_tui import AgentLoop, Task
from harness_tui.domain import events as ev
from harness_tui.domain.errors import ModelError
from harness_tui.domain.messages import Answer, Reasoning, Text, ToolCall, ToolResult, Usage
from harness_tui.domain.money import NANO
from harness_tui.domain.task import Budget
from harness_tui.journal.journal import Journal

from .worlds import CENT, Bench, Cents, ManualClock, ScriptedModel, call, say

SECRET = "s3cr3t-canary-value"


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


def bench(journal: Journal, *script: object, price: Cents | None = None, **limits: Any) -> Bench:
    return Bench(journal, ManualClock(), ScriptedModel(*script, price=price), **limits)


def money(b: Bench, **limits: Any) -> Bench:
    b.spec = replace(b.spec, task=replace(b.spec.task, budget=Budget(**limits)))
    usd = b.spec.task.budget.usd
    b.ledger.limit("run:r1", b.spec.task.budget.tokens, None if usd is None else int(usd * NANO))
    return b


async def events(journal: Journal, kind: type[Any]) -> list[Any]:
    return [e.event for e in await journal.tail(limit=500) if isinstance(e.event, kind)]


async def finish(b: Bench) -> None:
    _, task = await b.start()
    async with asyncio.timeout(60):
        await task


async def test_money_is_held_at_its_worst_and_settled_at_what_it_cost(journal: Journal) -> None:
    b = bench(journal, say("42", Usage(100, 50)), price=Cents())
    await finish(b)
    (asked,) = await events(journal, ev.ModelRequested)
    assert asked.hold_usd == (asked.hold - asked.max_output + 2 * asked.max_output) * CENT
    assert (b.row.usd, b.row.mark) == (200 * CENT, "priced")
    for scope in ("run:r1", "day:2026-01-01"):
        budget = journal.views.budgets[scope]
        assert (budget.spent, budget.held, budget.usd, budget.usd_held) == (150, 0, 200 * CENT, 0)
        account = b.ledger.accounts[scope]
        assert (account.spent, account.held, account.usd_spent, account.usd_held) == (150, 0, 200 * CENT, 0)
    assert b.row.models["scripted"].usd == 200 * CENT


async def test_a_failed_try_counts_and_an_unknown_price_makes_the_sum_unknown(journal: Journal) -> None:
    b = bench(journal, ModelError("broke", kind="broken", spent=30), say("42", Usage(100, 50)))
    _, task = await b.start()
    await b.until(lambda: b.row.state == "retrying" and b.clock.wakes(60))
    await b.clock.advance(60)
    await task
    assert (b.row.usage.total, b.row.money, b.row.mark) == (180, None, "unknown")
    assert b.row.models["scripted"].calls == 2


async def test_a_call_has_limits_of_its_own(journal: Journal) -> None:
    b = money(bench(journal, say("42"), price=Cents()), tokens=0, call_usd=0.5)
    await finish(b)
    assert (b.row.exit, b.row.stopped_by) == (3, "budget")
    assert "of the call's $0.50 are left" in b.row.reason
    assert not b.model.requests


async def test_four_fifths_of_a_budget_are_said_once(journal: Journal) -> None:
    b = money(bench(journal, call("look", Usage(8500, 0)), call("look", Usage(300, 0)), say("ok")), tokens=10_000)
    await finish(b)
    (warned,) = await events(journal, ev.BudgetWarned)
    assert (warned.scope, warned.unit, warned.limit, warned.spent) == ("run:r1", "tokens", 10_000, 8500)
    assert journal.views.budgets["run:r1"].warned


async def test_a_conversation_too_long_is_shortened_once_and_then_given_up(journal: Journal) -> None:
    long = ModelError("too long", kind="context")
    b = bench(journal, *(call("look", n=n) for n in range(9)), long, say("fine"))
    await finish(b)
    assert b.row.exit == 0
    assert len(b.model.requests[-1].messages) < len(b.model.requests[-2].messages)
    assert [f.kind for f in await events(journal, ev.ModelFailed)] == ["context"]


async def test_a_conversation_still_too_long_ends_with_5(journal: Journal) -> None:
    b = bench(journal, ModelError("too long", kind="context"), ModelError("too long", kind="context"))
    await finish(b)
    assert (b.row.exit, len(b.model.requests)) == (5, 2)


async def test_a_full_window_is_no_answer(journal: Journal) -> None:
    b = bench(journal, replace(say("half an ans"), stop="context_full"), say("fine"))
    await finish(b)
    assert (b.row.exit, b.row.answer) == (0, "fine")


async def test_an_account_without_money_is_not_asked_again(journal: Journal) -> None:
    b = bench(journal, ModelError("nothing left to spend", kind="spent"), say("never"))
    await finish(b)
    assert (b.row.exit, len(b.model.requests)) == (5, 1)


async def test_an_interrupted_turn_goes_on_and_an_endless_one_ends(journal: Journal) -> None:
    paused = replace(say("so far"), stop="paused")
    b = bench(journal, paused, say("done"))
    await finish(b)
    assert (b.row.answer, len(b.model.requests)) == ("done", 2)
    assert b.model.requests[1].messages[-1].text == "so far"


async def test_pauses_have_an_end(journal: Journal) -> None:
    b = bench(journal, *(replace(say("so far"), stop="paused") for _ in range(20)), max_iterations=0)
    await finish(b)
    assert len(b.model.requests) == 6


@pytest.mark.parametrize(
    ("stop", "code", "word"),
    [("refusal", 5, "declined"), ("filtered", 5, "filtered"), ("length", 3, "cut at its limit of")],
)
async def test_a_refused_filtered_or_cut_answer_is_no_success(
    journal: Journal, stop: Any, code: int, word: str
) -> None:
    b = bench(journal, replace(say("hm"), stop=stop, notes=("category: cyber",)))
    await finish(b)
    assert (b.row.state, b.row.exit) == ("failed", code)
    assert word in b.row.reason


async def test_a_turn_that_ended_for_an_unknown_reason_without_a_word_is_an_error(journal: Journal) -> None:
    b = bench(journal, replace(say(""), stop="other", notes=("MALFORMED_FUNCTION_CALL",)))
    await finish(b)
    assert (b.row.state, b.row.exit) == ("failed", 5)
    assert "MALFORMED_FUNCTION_CALL" in b.row.reason


async def test_a_long_wait_is_shown_as_waiting_and_the_world_is_closed_meanwhile(journal: Journal) -> None:
    b = bench(journal, ModelError("limit reached", retry_after=3600.0), say("42"))
    _, task = await b.start()
    await b.until(lambda: b.row.state == "waiting")
    assert b.row.retry_at >= b.clock.now() + 3600 * 1_000_000
    await b.until(lambda: b.shared.get("closed") == 1)
    assert len(b.model.requests) == 1
    await b.until(lambda: b.clock.wakes(3700))
    await b.clock.advance(3700)
    await task
    assert (b.row.answer, b.row.exit, b.shared["opened"]) == ("42", 0, 2)


async def test_a_waiting_run_can_be_cancelled(journal: Journal) -> None:
    b = bench(journal, ModelError("limit reached", retry_after=3600.0), say("42"))
    driver, task = await b.start()
    await b.until(lambda: b.shared.get("closed") == 1)
    await driver.cancel("me", "enough")
    async with asyncio.timeout(60):
        await task
    assert (b.row.state, b.row.exit, len(b.model.requests)) == ("cancelled", 8, 1)


async def test_a_secret_is_neither_stored_nor_shown_nor_passed_on(journal: Journal) -> None:
    poke = ToolCall("x", "poke", {"password": SECRET})
    answer = Answer((Reasoning(f"use {SECRET}"), Text(f"I will use {SECRET}"), poke), Usage(10, 5), "tool_calls")
    b = bench(journal, answer, say(f"it was {SECRET}"))
    b.redaction.add([SECRET])
    await finish(b)
    log = b"".join(msgspec.json.encode(e) for e in await journal.tail(limit=500))
    assert SECRET.encode() not in log
    assert all(SECRET not in item.text for item in b.flow)
    assert "done" not in b.shared, "a call that holds a secret is not run"
    told = b.model.requests[1].messages[-1].parts[-1]
    assert isinstance(told, ToolResult)
    assert "secret" in told.text
    assert SECRET not in repr(b.model.requests[1])


async def test_code_that_uses_the_library_has_the_same_limits_and_figures() -> None:
    model = ScriptedModel(say("42", Usage(100, 50)), say("never"), price=Cents())
    wide = await AgentLoop(model).run(Task("x", budget_usd=1000.0))
    assert (wide.exit, wide.usd) == (0, 2.0)
    tight = await AgentLoop(model).run(Task("x", budget_usd=0.01))
    assert (tight.exit, tight.stopped_by, len(model.requests)) == (3, "budget", 1)
