"""Recording a run and playing it back: the same events, whatever happened, without a world, a model or a socket."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.agent.driver import Driver
from harness_tui.agent.tape import Act, RunHeader, RunRecord, Said
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.errors import ModelError, SetupError
from harness_tui.domain.messages import Answer, Text, ToolCall, Usage
from harness_tui.domain.seams import Interlude, Verdict
from harness_tui.journal.journal import Journal
from harness_tui.models.cassette.form import load

from .taped import Taped, journal, plays_the_same
from .worlds import FEW, Cents, ManualClock, call, say

__all__ = ["journal"]


async def test_a_verified_run_with_its_approval(journal: Journal, tmp_path: Path) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), call("poke", n=1), say("done"), price=Cents())
    b.shared["verdicts"] = [Verdict(True, "the page says so", checks=("a", "b"))]
    driver, task = await b.start()
    await b.decide(driver)
    await task
    await plays_the_same(b)
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o600
    header, records = load(tmp_path / "c", RunHeader, RunRecord)
    assert (header.run, header.recovery, header.spec) == ("r1", "restart", b.spec)
    acts = [r.act if isinstance(r, Act) else "model" for r in records if isinstance(r, Act | Said)]
    assert acts == [
        "open",
        "baseline",
        *("model", "judge", "perform", "after_batch", "goal"),
        *("model", "judge", "judge", "perform", "after_batch", "goal"),
        *("model", "verify", "close"),
    ]


async def test_retries_a_price_and_a_half_answer(journal: Journal, tmp_path: Path) -> None:
    cut = Answer((Text("hal"),), Usage(9, 4), "cut")
    late = ModelError("429.", kind="retry", retry_after=10_000.0, status=429)
    script = (ModelError("503.", kind="retry", spent=7), late, cut, call("look"), say("done"))
    b = Taped(journal, tmp_path / "c", *script, price=Cents())
    _, task = await b.start()
    while not task.done():
        await b.clock.pass_by(30)
    assert b.row.attempts == 2, "the world is closed while the model asks for so long a wait"
    await plays_the_same(b)


async def test_a_login_and_a_baseline_behind_it(journal: Journal, tmp_path: Path) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), say("done"))
    b.shared["baselines"] = [{"error": "login"}, {"seen": "now"}]
    b.shared["interlude"] = Interlude((ev.LoginHandled(True, "http://x", "signed in"),), "You are signed in.")
    _, task = await b.start()
    await task
    await plays_the_same(b)


async def test_a_decision_after_the_world_was_parked_and_one_nobody_made(journal: Journal, tmp_path: Path) -> None:
    b = Taped(journal, tmp_path / "c", call("poke"), call("poke"), call("poke", n=2), say("hm"))
    driver, task = await b.start()
    row = await b.asks()
    await b.until(lambda: b.clock.wakes(15 * 60 + 1))
    await b.clock.advance(15 * 60 + 1)
    await b.until(lambda: b.shared.get("closed") == 1)
    await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
    await b.asks()
    while not task.done():
        await b.clock.pass_by(3600)
    assert b.row.stopped_by == "expired"
    await plays_the_same(b)


async def test_a_cancel_during_a_model_call_and_during_a_tool_call(journal: Journal, tmp_path: Path) -> None:
    async def hang(_: object) -> object:
        await asyncio.Event().wait()
        return say("")

    b = Taped(journal, tmp_path / "c", call("look"), hang)
    driver, task = await b.start()
    await b.until(lambda: len(b.model.requests) == 2)
    await driver.cancel("me", "enough")
    await task
    await plays_the_same(b)


@pytest.mark.parametrize("settles", [True, False])
async def test_a_cancel_during_a_consequential_call(
    journal: Journal, tmp_path: Path, settles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_tui.agent.driver.SETTLE_GRACE", 10.0 if settles else 0.01)
    b = Taped(journal, tmp_path / "c", call("poke"), say("never"))
    go = asyncio.Event()
    b.shared["perform"] = lambda _: go.wait()
    driver, task = await b.start()
    await b.decide(driver)
    await b.until(lambda: b.shared.get("done") == ["poke"])
    cancelling = asyncio.create_task(driver.cancel("me", ""))
    await b.until(lambda: b.row.state == "cancelling" or driver.root.cancel is not None)
    await asyncio.sleep(0.01)
    if settles:
        go.set()
    await cancelling
    await task
    assert b.row.exit == 8
    monkeypatch.setattr("harness_tui.agent.driver.SETTLE_GRACE", 10.0)
    await plays_the_same(b)


async def test_a_call_that_took_too_long(journal: Journal, tmp_path: Path) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), say("it hangs"))

    def late(_: ToolCall) -> None:
        raise TimeoutError

    b.shared["perform"] = late
    _, task = await b.start()
    await task
    assert "No result within" in b.model.requests[1].messages[-1].parts[0].text  # type: ignore[union-attr]
    await plays_the_same(b)


async def test_an_engine_that_died_while_it_waited_and_an_effect_in_doubt(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_tui.agent.driver.SETTLE_GRACE", 0.05)  # nobody gets a result out of a killed engine
    b = Taped(journal, tmp_path / "c", call("look"), call("poke"), call("look"), call("poke"), say("done"))
    b.shared["verdicts"] = [Verdict(True, "seen")]
    driver, task = await b.start()
    row = await b.asks()
    driver, task = await b.crash(task)
    b.shared["perform"] = lambda c: asyncio.Event().wait() if c.name == "poke" else None
    assert await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
    await b.until(lambda: b.shared["done"][-1] == "poke")
    driver, task = await b.crash(task)
    doubt = await b.asks()
    assert doubt.kind == "in_doubt"
    await driver.decide(inp.Resolved(doubt.id, "did_not", "me"))
    await task
    assert b.row.verified is True
    await plays_the_same(b)


async def test_an_append_the_disk_refused_and_the_next_try(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), say("done"))
    driver = b.driver()
    real, left = journal.append, [5]

    async def append(writes: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise SetupError("The disk is full.")
        return await real(writes)

    await journal.append([ev.Write("r1", 0, (ev.RunStarted(b.spec),))])
    monkeypatch.setattr(journal, "append", append)
    await driver.load()
    with pytest.raises(SetupError):
        await driver.run()
    await driver.load()
    await driver.run()
    assert b.row.state == "succeeded"
    await plays_the_same(b)


async def test_a_budget_that_other_runs_used_up_is_replayed_as_it_was(journal: Journal, tmp_path: Path) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), say("never"))
    b.ledger.limit("day", 20_000)

    def others_spend(_: ToolCall) -> None:
        b.ledger.account("day:2026-01-01").spent += 20_000

    b.shared["perform"] = others_spend
    _, task = await b.start()
    await task
    assert (b.row.stopped_by, b.row.exit) == ("budget", 3)
    await plays_the_same(b)


# -- any run -----------------------------------------------------------------------------------------------------

_STEP = st.sampled_from(
    ["look", "poke", "poke again", "unknown", "retry", "broken", "context", "paused", "cut", "say", "auth", "both"]
)
_WORD = st.sampled_from(["approved", "denied", "park", "expire", "crash", "cancel"])
_HAP = st.sampled_from(["", "", "die", "fails", "login", "fatal", "verified", "refuted", "goal"])


def _item(step: str) -> Any:
    match step:
        case "look" | "poke":
            return call(step)
        case "poke again":
            return call("poke", n=2)
        case "unknown":
            return call("lok")
        case "both":
            return Answer((ToolCall("x", "look"), ToolCall("z", "look"), ToolCall("y", "poke")), FEW, "tool_calls")
        case "retry" | "broken" | "context" | "auth":
            return ModelError(f"{step}.", kind=step, spent=3 if step == "broken" else 0)
        case "paused" | "cut":
            return Answer((Text("hm"),), Usage(4, 4), step)  # type: ignore[arg-type]
    return say("I did it")


def _happen(b: Taped, hap: str) -> None:
    match hap:
        case "die" | "fails":
            b.shared[hap] = True
        case "login":
            b.shared["interlude"] = Interlude((ev.LoginHandled(True, "http://x", "in"),), "Signed in.")
        case "fatal":
            b.shared["interlude"] = Interlude((ev.LoginHandled(False, "http://x", "no"),), fatal="Refused.")
        case "verified" | "refuted":
            b.shared["verdicts"] = [Verdict(hap == "verified", hap)] * 3
        case "goal":
            b.shared["goal"] = "it is there"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_STEP, min_size=1, max_size=8),
    st.lists(_WORD, max_size=4),
    st.lists(_HAP, max_size=3),
    st.sampled_from([100_000, 1500]),
    st.none() | st.integers(0, 12),
)
def test_any_run_is_replayed_with_equal_events(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[str],
    words: list[str],
    haps: list[str],
    tokens: int,
    cancel: int | None,
) -> None:
    path = tmp_path_factory.mktemp("any") / "c"
    asyncio.run(_any_run(path, steps, words, haps, tokens, cancel))


async def _any_run(
    path: Path, steps: list[str], words: list[str], haps: list[str], tokens: int, cancel: int | None
) -> None:
    """cancel: after so many looks at it the run is cancelled, wherever it is."""
    journal = await Journal.open(None, ManualClock())
    try:
        b = Taped(journal, path, *map(_item, steps), price=Cents(), tokens=tokens)
        for hap in haps:
            _happen(b, hap)
        driver, task = await b.start()
        async with asyncio.timeout(60):
            while not task.done():
                if cancel is not None and (cancel := cancel - 1) < 0:
                    cancel = await driver.cancel("me", "now")
                open_rows = [a for a in journal.views.approvals.values() if a.open]
                if not open_rows:
                    await b.clock.advance(1)
                elif not await _word(b, driver, open_rows[0], words.pop(0) if words else "denied"):
                    driver, task = await b.crash(task)
        task.result()
        await plays_the_same(b)
    finally:
        await journal.close()


async def _word(b: Taped, driver: Driver, row: Any, word: str) -> bool:
    """What the operator, the clock or the machine does to a run that waits; False: the engine is to die."""
    await asyncio.sleep(0.002)
    match word:
        case "crash":
            return False
        case "cancel":
            await driver.cancel("me", "")
        case _ if row.kind == "in_doubt":
            said = {"approved": "again", "denied": "did_not"}.get(word, "happened")
            await driver.decide(inp.Resolved(row.id, said, "me"))  # type: ignore[arg-type]
        case "park":
            await b.clock.advance(15 * 60 + 1)
            await asyncio.sleep(0.002)
            await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
        case "expire":
            for _ in range(100):
                await b.clock.advance(3600)
        case _:
            await driver.decide(inp.Decided(row.id, word, "me", row.digest))  # type: ignore[arg-type]
    await asyncio.sleep(0.002)
    return True


# -- what goes wrong ---------------------------------------------------------------------------------------------
