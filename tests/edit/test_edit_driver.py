"""Editing through the driver: judged in the world, refused in words, raced, crashed, replayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness_tui.agent.driver import Driver
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.approval import Judgement
from harness_tui.domain.errors import ApprovalError, UsageError
from harness_tui.domain.messages import ToolCall, ToolResult
from harness_tui.domain.rules import RULE_ID
from harness_tui.domain.seams import EnvironmentLost, Verdict
from harness_tui.journal.journal import Journal
from tests.agent.taped import Taped, plays_the_same
from tests.agent.worlds import Bench, FakeWorld, ManualClock, ScriptedModel, call, say


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


def bench(journal: Journal, *script: Any) -> Bench:
    b = Bench(journal, ManualClock(), ScriptedModel(*script))
    b.shared["verdicts"] = [Verdict(True, "seen")]
    return b


async def edited(driver: Driver, row: Any, by: str = "ops", **arguments: Any) -> str:
    return await driver.edit(row.id, row.digest, by, arguments)


async def approve(driver: Driver, row: Any, digest: str = "") -> bool:
    return await driver.decide(inp.Decided(row.id, "approved", "ops", digest or row.digest))


def performed(b: Bench) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    b.shared["perform"] = lambda tool_call: calls.append(tool_call.arguments)
    return calls


async def test_the_edited_call_runs_the_original_never_and_the_model_reads_which(journal: Journal) -> None:
    b = bench(journal, call("poke", n=1), say("done"))
    ran = performed(b)
    driver, task = await b.start()
    row = await b.asks()
    was = row.digest
    now = await edited(driver, row, n=2)
    row = journal.views.approvals[row.id]
    assert (row.state, row.edited, row.arguments, row.digest) == ("requested", "ops", {"n": 2}, now)
    assert now != was and not ran
    assert not await approve(driver, row, was), "the digest it had does not decide it any more"
    assert await approve(driver, row)
    await task
    assert ran == [{"n": 2}] and journal.views.approvals[row.id].state == "done"
    (told,) = [p.text for m in b.model.requests[-1].messages for p in m.parts if isinstance(p, ToolResult)]
    assert 'changed the arguments of this call to {"n":2}' in told and told.endswith("poke done")
    (started,) = [e.event for e in await journal.stream("r1/1") if isinstance(e.event, ev.ToolStarted)]
    assert started.arguments == {"n": 2}


async def test_what_policy_the_schema_or_a_secret_forbids_is_refused_and_changes_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(journal, call("poke", n=1), say("done"))
    b.redaction.add(["correct horse battery"])
    driver, task = await b.start()
    row = await b.asks()
    was, events = row.digest, journal.views.pos
    judge = FakeWorld.judge
    said: list[Judgement] = []

    async def refusing(self: FakeWorld, tool_call: ToolCall, level: Any) -> Judgement:
        return said.pop(0) if said else await judge(self, tool_call, level)

    monkeypatch.setattr(FakeWorld, "judge", refusing)
    with pytest.raises(UsageError, match="exactly this already"):
        await edited(driver, row, n=1)
    with pytest.raises(UsageError, match="hold a secret value"):
        await edited(driver, row, text="x correct horse battery")
    said.append(Judgement("refuse", reason="poke was not called: n is no number.", why="malformed"))
    with pytest.raises(UsageError, match=r"A-1 was not changed: .*n is no number. It still waits"):
        await edited(driver, row, n="two")
    said.append(Judgement("refuse", reason="It leaves the workspace."))
    with pytest.raises(ApprovalError, match="leaves the workspace"):
        await edited(driver, row, n=3)
    assert (journal.views.pos, row.digest, row.edited) == (events, was, "")
    assert await approve(driver, row)
    await task


async def test_a_rule_that_would_allow_the_edit_gives_back_the_use_it_claimed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(journal, call("poke", n=1), say("done"))
    driver, task = await b.start()
    row = await b.asks()
    judge, levels = FakeWorld.judge, list[str]()

    async def allowing(self: FakeWorld, tool_call: ToolCall, level: Any) -> Judgement:
        levels.append(level)
        judgement = await judge(self, tool_call, level)
        return (
            replace(judgement, verdict="allow", rule=f"{RULE_ID}1")
            if level == "L2"
            else Judgement("refuse", reason="L1")
        )

    monkeypatch.setattr(FakeWorld, "judge", allowing)
    assert await edited(driver, row, n=2)
    assert levels == ["L2", "L1"] and journal.views.approvals[row.id].open, "it waits on, whatever would be allowed now"
    await driver.cancel("me", "")
    await task


async def test_one_of_two_edits_wins_and_a_decision_made_while_an_edit_is_judged_goes_first(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(journal, call("poke", n=1), say("done"))
    ran = performed(b)
    driver, task = await b.start()
    row = await b.asks()
    was = row.digest
    digests = await asyncio.gather(*(driver.edit(row.id, was, f"ops{n}", {"n": n}) for n in (2, 3)))
    assert sorted(map(bool, digests)) == [False, True]
    assert await driver.edit(row.id, was, "late", {"n": 9}) == ""
    judge, judging, go_on = FakeWorld.judge, asyncio.Event(), asyncio.Event()

    async def slow(self: FakeWorld, tool_call: ToolCall, level: Any) -> Judgement:
        if tool_call.arguments == {"n": 4}:
            judging.set()
            await go_on.wait()
        return await judge(self, tool_call, level)

    monkeypatch.setattr(FakeWorld, "judge", slow)
    editing = asyncio.create_task(edited(driver, row, n=4))
    await judging.wait()
    assert await approve(driver, row)
    go_on.set()
    assert await editing == ""
    await task
    assert ran == [{"n": 2 if digests[0] else 3}]


async def test_a_click_whose_page_is_closed_cannot_be_edited_and_still_be_decided(journal: Journal) -> None:
    b = bench(journal, call("poke", n=1), call("poke", n=1), say("done"))
    driver, task = await b.start()
    row = await b.asks()
    await asyncio.sleep(0.01)
    await b.clock.advance(15 * 60 + 1)
    await b.until(lambda: b.shared.get("closed") == 1)
    opened = b.shared["opened"]
    with pytest.raises(ApprovalError, match=r"A-1 cannot be edited: its page is closed\. Approve it as it is, or deny"):
        await edited(driver, row, n=2)
    assert b.shared["opened"] == opened, "no world is opened only to be asked"
    assert await approve(driver, row)
    await task


async def test_a_world_that_dies_while_it_is_asked_is_said_so(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(journal, call("poke", n=1))
    driver, task = await b.start()
    row = await b.asks()

    async def dead(self: FakeWorld, tool_call: ToolCall, level: Any) -> Judgement:
        raise EnvironmentLost("The browser was killed.")

    monkeypatch.setattr(FakeWorld, "judge", dead)
    with pytest.raises(ApprovalError, match="cannot be edited: The browser was killed"):
        await edited(driver, row, n=2)
    assert row.open
    await driver.cancel("me", "")
    await task


async def test_an_edit_survives_a_crash_and_is_spent_only_on_the_edited_action(journal: Journal) -> None:
    b = bench(journal, call("poke", n=1), call("poke", n=2), say("done"))
    ran = performed(b)
    driver, task = await b.start()
    row = await b.asks()
    now = await edited(driver, row, n=2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    driver, task = await b.again()
    row = await b.asks()
    assert (row.id, row.digest, row.arguments, row.edited) == ("A-1", now, {"n": 2}, "ops")
    assert await approve(driver, row)
    await task
    assert ran == [{"n": 2}]
    assert any('poke {"n":2}' in m.text for m in b.model.requests[1].messages), "the second attempt is told"
    assert b.journal.views.approvals["A-1"].state == "done"


async def test_the_original_asked_for_again_after_a_crash_is_another_request(journal: Journal) -> None:
    b = bench(journal, call("poke", n=1), call("poke", n=1), say("done"))
    ran = performed(b)
    driver, task = await b.start()
    row = await b.asks()
    await edited(driver, row, n=2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    driver, task = await b.again()
    assert await approve(driver, await b.asks())
    await b.until(lambda: journal.views.approvals["A-1"].state == "withdrawn")
    again = await b.asks()
    assert (again.arguments, again.edited) == ({"n": 1}, "")
    assert not ran
    await driver.cancel("me", "")
    await task


async def test_a_recording_with_edits_refused_raced_and_approved_plays_the_same(
    journal: Journal, tmp_path: Path
) -> None:
    b = Taped(journal, tmp_path / "c", call("poke", n=1), call("poke", n=7), call("poke", n=1), say("done"))
    driver, task = await b.start()
    row = await b.asks()
    with pytest.raises(UsageError):
        await edited(driver, row, n=1)
    assert await edited(driver, row, n=2)
    assert await edited(driver, row, "other", n=3)
    assert await edited(driver, row, n=2)
    await b.decide(driver)
    row = await b.asks()
    assert await edited(driver, row, n=8)
    driver, task = await b.crash(task)
    row = await b.asks()
    assert (row.arguments, row.edited) == ({"n": 8}, "ops")
    await b.decide(driver, "denied")
    await task
    await plays_the_same(b)
