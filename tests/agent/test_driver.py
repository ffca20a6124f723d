"""The lifecycle: attempts, decisions, recovery, budget, cancel; over a real journal and a world that obeys the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.errors import ModelError, SetupError
from harness_tui.domain.events import LoginHandled
from harness_tui.domain.messages import Usage
from harness_tui.domain.seams import Interlude, Verdict
from harness_tui.journal.journal import Journal

from .worlds import Bench, ManualClock, ScriptedModel, call, say


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


def bench(journal: Journal, *script: object, **limits: int) -> Bench:
    return Bench(journal, ManualClock(), ScriptedModel(*script), **limits)


async def approve(b: Bench, driver: object) -> None:
    row = await b.asks()
    assert await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))  # type: ignore[attr-defined]


async def test_text_only_answers_at_once(journal: Journal) -> None:
    b = bench(journal, say("42"))
    _, task = await b.start()
    await task
    assert (b.row.state, b.row.answer, b.row.iterations, b.row.exit) == ("succeeded", "42", 1, 0)
    assert b.row.verified is None
    assert b.shared["opened"] == b.shared["closed"] == 1


async def test_a_verified_run_needs_its_approval(journal: Journal) -> None:
    b = bench(journal, call("look"), call("poke", n=1), say("done"))
    b.shared["verdicts"] = [Verdict(True, "the page says so")]
    driver, task = await b.start()
    row = await b.asks()
    assert b.shared["done"] == ["look"], "nothing consequential before the decision"
    assert b.row.state == "waiting"
    assert b.row.waits == row.id
    await approve(b, driver)
    await task
    assert b.shared["done"] == ["look", "poke"]
    assert (b.row.verified, b.row.exit, b.row.tools) == (True, 0, ["look", "poke"])
    assert journal.views.approvals[row.id].state == "done"
    again = await driver.decide(inp.Decided(row.id, "denied", "other", row.digest))
    assert again is False


async def test_each_attempt_is_told_why_the_last_one_failed(journal: Journal) -> None:
    b = bench(journal, say("I did it"), say("I did it"), say("I did it"))
    b.shared["verdicts"] = [Verdict(False, f"no vote {n}") for n in range(3)]
    _, task = await b.start()
    await task
    assert (b.row.attempts, b.row.exit, b.row.verified, b.row.reason) == (3, 1, False, "no vote 2")
    assert b.row.claim == "I did it"
    assert b.row.answer == "no vote 2", "a refuted claim is not the answer"
    told = [m.text for m in b.model.requests[1].messages]
    assert any("Attempt 1 failed: no vote 0" in text for text in told)
    assert not any("no vote" in m.text for m in b.model.requests[0].messages)


async def test_a_failed_attempt_is_repeated_whole_an_interrupted_one_is_not(journal: Journal) -> None:
    b = bench(journal, call("poke"), say("I did it"), call("poke"), say("I did it"))
    b.shared["verdicts"] = [Verdict(False, "no vote"), Verdict(True, "seen")]
    driver, task = await b.start()
    for _ in range(2):
        await approve(b, driver)
        await b.until(lambda: not any(a.open for a in journal.views.approvals.values()))
    await task
    assert (b.row.verified, b.shared["done"]) == (True, ["poke", "poke"])
    assert not any("already happened" in m.text for r in b.model.requests for m in r.messages)


async def test_how_the_run_began_is_seen_once_or_as_soon_as_it_can_be(journal: Journal) -> None:
    b = bench(journal, say("no page"), say("no page"), say("done"))
    b.shared["verdicts"] = [Verdict(False, "down"), Verdict(False, "no vote"), Verdict(True, "seen")]
    b.shared["baselines"] = [{"error": "the site is down"}, {"seen": "start"}, {"seen": "never asked"}]
    _, task = await b.start()
    await task
    taken = [e.event for e in await journal.tail(root="r1") if isinstance(e.event, ev.BaselineTaken)]
    assert [x.baseline for x in taken] == [{"error": "the site is down"}, {"seen": "start"}]
    assert b.row.verified is True


async def test_a_denial_ends_with_4_and_is_not_asked_again(journal: Journal) -> None:
    b = bench(journal, call("poke"), call("poke"), say("I did it"))
    b.shared["verdicts"] = [Verdict(False, "no vote")]
    driver, task = await b.start()
    row = await b.asks()
    await driver.decide(inp.Decided(row.id, "denied", "me", row.digest, "not today"))
    await task
    assert (b.row.exit, b.row.stopped_by, b.row.attempts) == (4, "denied", 1)
    assert "done" not in b.shared
    assert len(journal.views.approvals) == 1


async def test_expiry_is_not_a_denial(journal: Journal) -> None:
    b = bench(journal, call("poke"), say("hm"))
    _, task = await b.start()
    await b.asks()
    while not task.done():
        await b.clock.pass_by(3600)
    assert (b.row.exit, b.row.stopped_by) == (4, "expired")
    assert journal.views.approvals["A-1"].state == "expired"


async def test_parked_runs_close_their_world_and_spend_the_approval_in_a_new_attempt(journal: Journal) -> None:
    b = bench(journal, call("poke"), call("poke"), say("done"))
    b.shared["verdicts"] = [Verdict(True, "seen")]
    driver, task = await b.start()
    row = await b.asks()
    await b.until(lambda: b.clock.wakes(15 * 60 + 1))
    await b.clock.advance(15 * 60 + 1)
    await b.until(lambda: b.shared.get("closed") == 1)
    await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
    await task
    assert (b.row.verified, b.row.attempts, b.shared["done"]) == (True, 2, ["poke"])
    assert list(journal.views.approvals) == [row.id]


async def test_a_crash_while_it_waits_keeps_the_request_decidable(journal: Journal) -> None:
    b = bench(journal, call("poke"), call("poke"), say("done"))
    b.shared["verdicts"] = [Verdict(True, "seen")]
    _, task = await b.start()
    row = await b.asks()
    await _crash(b, task)
    driver, task = await b.again()
    await asyncio.sleep(0.02)
    assert "done" not in b.shared
    assert journal.views.approvals[row.id].open
    assert await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
    await task
    assert (b.row.verified, b.shared["done"]) == (True, ["poke"])


async def test_what_changed_meanwhile_is_asked_anew(journal: Journal) -> None:
    b = bench(journal, call("poke"), call("poke"), say("done"))
    driver, task = await b.start()
    first = await b.asks()
    await _crash(b, task)
    b.shared["target"] = "another arrow"
    driver, task = await b.again()
    await driver.decide(inp.Decided(first.id, "approved", "me", first.digest))
    await b.until(lambda: len(journal.views.approvals) == 2)
    assert "done" not in b.shared
    assert journal.views.approvals[first.id].state == "withdrawn"
    await driver.cancel("test", "")
    await task
    assert b.row.exit == 8


@pytest.mark.parametrize(("word", "pokes", "attempts"), [("happened", 1, 2), ("did_not", 1, 2), ("again", 2, 2)])
async def test_a_started_effect_without_result_is_in_doubt(
    journal: Journal, word: str, pokes: int, attempts: int
) -> None:
    second = [say("done")] if word != "again" else [call("poke"), say("done")]
    b = bench(journal, call("poke"), *second)
    b.shared["verdicts"] = [Verdict(True, "seen")]
    b.shared["perform"] = lambda _: asyncio.Event().wait()
    driver, task = await b.start()
    await approve(b, driver)
    await b.until(lambda: b.shared.get("done") == ["poke"])
    await _crash(b, task)
    b.shared["perform"] = None
    driver, task = await b.again()
    doubt = await b.asks()
    assert (doubt.kind, b.row.state) == ("in_doubt", "in_doubt")
    assert journal.views.approvals["A-1"].state == "in_doubt"
    await driver.decide(inp.Resolved(doubt.id, word, "me"))  # type: ignore[arg-type]
    await task
    assert b.shared["done"] == ["poke"] * pokes
    assert b.row.attempts == attempts
    if word == "happened":
        assert any("already happened" in m.text for m in b.model.requests[-1].messages)


async def test_a_lost_world_starts_again_and_does_not_count(journal: Journal) -> None:
    b = bench(journal, call("look"), call("look"), say("done"), attempts=1)
    b.shared["verdicts"] = [Verdict(True, "seen")]
    b.shared["die"] = True
    _, task = await b.start()
    await task
    assert (b.row.verified, b.row.attempts) == (True, 2)
    assert b.shared["opened"] == b.shared["closed"] == 2


async def test_the_budget_is_reserved_before_the_call(journal: Journal) -> None:
    b = bench(journal, call("look", Usage(300, 300)), call("look", Usage(300, 300)), say("x"), tokens=900)
    _, task = await b.start()
    await task
    assert (b.row.exit, b.row.stopped_by) == (3, "budget")
    assert b.row.usage.total <= 900 + 600
    assert journal.views.budgets["run:r1"].held == 0
    assert journal.views.budgets["run:r1"].spent == b.row.usage.total
    assert b.ledger.accounts["run:r1"].held == 0


@pytest.mark.parametrize(
    ("limits", "reason"), [({"max_iterations": 2}, "2 iterations"), ({"max_messages": 3}, "3 messages")]
)
async def test_guardrails_stop_a_runaway(journal: Journal, limits: dict[str, int], reason: str) -> None:
    b = bench(journal, *[call("look") for _ in range(20)], **limits)
    _, task = await b.start()
    await task
    assert (b.row.stopped_by, b.row.exit) == ("guardrail", 3)
    assert reason in b.row.reason


async def test_retries_are_seen_and_wait_on_the_clock(journal: Journal) -> None:
    b = bench(journal, ModelError("503 from the server.", kind="retry"), say("ok"))
    _, task = await b.start()
    await b.until(lambda: b.row.state == "retrying")
    assert "503" in b.row.last
    while not task.done():
        await b.clock.pass_by(30)
    assert (b.row.answer, b.row.exit) == ("ok", 0)


async def test_refused_credentials_end_with_7(journal: Journal) -> None:
    b = bench(journal, ModelError("401: the key was refused.", kind="auth", status=401))
    _, task = await b.start()
    await task
    assert (b.row.exit, b.row.stopped_by, b.row.attempts) == (7, "error", 1)
    assert "401" in b.row.error


async def test_no_browser_is_one_sentence_and_78(journal: Journal) -> None:
    b = bench(journal)
    b.shared["open_error"] = SetupError("No browser was found.", "Run: harness-tui doctor --fix")
    _, task = await b.start()
    await task
    assert (b.row.exit, b.row.attempts) == (78, 1)
    assert b.row.error.startswith("No browser was found.")


async def test_refused_login_ends_the_attempts(journal: Journal) -> None:
    b = bench(journal, call("look"), say("I did it"))
    handled = LoginHandled(False, "http://x", "refused")
    b.shared["interlude"] = Interlude((handled,), fatal="The site refused the credentials.")
    _, task = await b.start()
    await task
    assert (b.row.exit, b.row.attempts, b.row.tools) == (7, 1, ["look", "harness_auto_login"])
    assert (b.row.verified, b.row.reason) == (False, "The site refused the credentials.")


async def test_cancel_closes_the_world(journal: Journal) -> None:
    never = asyncio.Event()

    async def hang(_: object) -> object:
        await never.wait()
        return say("")

    b = bench(journal, hang)
    driver, task = await b.start()
    await b.until(lambda: bool(b.model.requests))
    await driver.cancel("me", "enough")
    await task
    assert (b.row.state, b.row.exit) == ("cancelled", 8)
    assert b.shared["opened"] == b.shared["closed"] == 1
    assert journal.views.budgets["run:r1"].held == 0


async def test_unknown_tools_are_answered_and_the_loop_goes_on(journal: Journal) -> None:
    b = bench(journal, call("lok"), say("fine"))
    _, task = await b.start()
    await task
    assert b.row.exit == 0
    assert "no tool lok" in b.model.requests[1].messages[-1].parts[0].text  # type: ignore[union-attr]


async def test_a_run_whose_every_call_failed_has_not_succeeded(journal: Journal) -> None:
    b = bench(journal, call("look"), say("could not look"), attempts=1)
    b.shared["fails"] = True
    _, task = await b.start()
    await task
    assert (b.row.verified, b.row.exit) == (False, 1)
    assert b.row.reason == "nothing it tried worked: look done"


async def test_nothing_verified_what_it_did(journal: Journal) -> None:
    b = bench(journal, call("poke"), say("I did it"))
    driver, task = await b.start()
    await approve(b, driver)
    await task
    assert (b.row.verified, b.row.reason, b.row.exit) == (False, "nothing verified the claim", 1)


async def _crash(b: Bench, task: asyncio.Task[None]) -> None:
    """What a SIGKILL leaves: the log, and nothing in memory."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("harness_tui.agent.driver.SETTLE_GRACE", 0.0)  # the killed do not wait for an effect
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    heads = {r: b.journal.head(r) for r in b.journal.views.runs}
    assert all(heads.values())
    assert not any(isinstance(e.event, ev.RunFinished) for e in await b.journal.stream("r1"))
