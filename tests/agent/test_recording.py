"""Recording a run and playing it back: the same events, whatever happened, without a world, a model or a socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.agent.driver import Driver
from harness_tui.agent.kit import Kit
from harness_tui.agent.recording import recorded
from harness_tui.agent.replaying import VOLATILE, Played, replay
from harness_tui.agent.tape import Act, Commit, RunHeader, RunRecord, Said
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.errors import ModelError, SetupError
from harness_tui.domain.events import Envelope, name_of
from harness_tui.domain.messages import Answer, Text, ToolCall, Usage
from harness_tui.domain.redaction import Redaction
from harness_tui.domain.seams import Interlude, Verdict
from harness_tui.journal.journal import Journal
from harness_tui.models.cassette.form import load

from .worlds import Bench, Cents, ManualClock, ScriptedModel, call, say


class Taped(Bench):
    """A run that is recorded."""

    def __init__(self, journal: Journal, path: Path, *script: Any, price: Cents | None = None, **limits: Any) -> None:
        super().__init__(journal, ManualClock(), ScriptedModel(*script, price=price), **limits)
        self.spec = msgspec.structs.replace(self.spec, record=str(path))
        self.redaction = Redaction()

    def _kit(self) -> Kit:
        kit = super()._kit()
        kit.redaction = self.redaction
        return recorded(kit, "r1", self.spec)

    async def crash(self, task: asyncio.Task[None]) -> tuple[Driver, asyncio.Task[None]]:
        """What a SIGKILL leaves is the log and the file; another engine goes on with them."""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await self.again()

    async def decide(self, driver: Driver, word: Any = "approved") -> None:
        row = await self.asks()
        assert await driver.decide(inp.Decided(row.id, word, "me", row.digest, "so"))

    async def events(self) -> list[Envelope]:
        return await self.journal.tail(root="r1", limit=10_000)


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


def streams(events: list[Envelope]) -> dict[str, list[Any]]:
    """What a replay must give again: kinds and contents of each stream, but for times and what is made of them."""
    found: dict[str, list[Any]] = {}
    for envelope in events:
        fields = msgspec.to_builtins(envelope.event)
        kept = {key: value for key, value in fields.items() if key not in VOLATILE}
        found.setdefault(envelope.run, []).append((name_of(envelope.event), kept))
    return found


async def played(path: Path) -> tuple[Played, list[Envelope]]:
    made: list[Envelope] = []
    return await replay(*load(path, RunHeader, RunRecord), made.append), made


async def plays_the_same(b: Taped) -> None:
    """The heart of it: the replay makes the events the journal has, and the row they fold to."""
    with pytest.MonkeyPatch.context() as patched:
        _no_sockets(patched)
        result, made = await played(Path(b.spec.record))
    assert result.difference == ""
    assert result.whole
    assert streams(made) == streams(await b.events())
    old, new = (msgspec.to_builtins(views.runs["r1"]) for views in (b.journal.views, result.views))
    assert {**old, "started": 0, "ended": 0, "retry_at": 0} == {**new, "started": 0, "ended": 0, "retry_at": 0}


def _no_sockets(patched: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("connect", "connect_ex", "bind"):
        patched.setattr(socket.socket, name, refuse)


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
    late = ModelError("429.", kind="retry", retry_after=1000.0, status=429)
    script = (ModelError("503.", kind="retry", spent=7), late, cut, call("look"), say("done"))
    b = Taped(journal, tmp_path / "c", *script, price=Cents())
    _, task = await b.start()
    while not task.done():
        await b.clock.advance(30)
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
    await asyncio.sleep(0.01)
    await b.clock.advance(15 * 60 + 1)
    await b.until(lambda: b.shared.get("closed") == 1)
    await driver.decide(inp.Decided(row.id, "approved", "me", row.digest))
    await b.asks()
    await asyncio.sleep(0.01)
    while not task.done():
        await b.clock.advance(3600)
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


async def test_an_engine_that_died_while_it_waited_and_an_effect_in_doubt(journal: Journal, tmp_path: Path) -> None:
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
            return Answer((Text("a"), ToolCall("x", "look"), ToolCall("y", "poke")), Usage(9, 9), "tool_calls")
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
        async with asyncio.timeout(30):
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


async def _short(journal: Journal, path: Path) -> Taped:
    b = Taped(journal, path, call("look", n=1), say("done"))
    _, task = await b.start()
    await task
    return b


def _edited(path: Path, edit: Callable[[str], str]) -> None:
    path.write_text("".join(edit(line) for line in path.read_text().splitlines(keepends=True)))


async def test_a_recording_without_one_of_its_lines_is_told_apart(journal: Journal, tmp_path: Path) -> None:
    await _short(journal, tmp_path / "c")
    lines = (tmp_path / "c").read_bytes().splitlines(keepends=True)
    for at in range(1, len(lines) - 1):
        (tmp_path / "less").write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
        result, _ = await played(tmp_path / "less")
        assert result.difference, lines[at]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"ok":true,"text":"look done"', '"ok":false,"text":"look done"', "goes another way than it was recorded"),
        ('"done"', '"did"', "goes another way"),
        ('"n":1', '"n":2', "asked something else than was recorded"),
        ('"act":"after_batch"', '"act":"goal"', "- goal\n+ after_batch"),
    ],
)
async def test_a_recording_that_was_changed_is_told_apart(
    journal: Journal, tmp_path: Path, old: str, new: str, says: str
) -> None:
    await _short(journal, tmp_path / "c")
    kinds = {'"n":1': '"act":"judge"', '"done"': '"record":"said"', '"ok"': '"record":"act"'}
    only = next((kind for start, kind in kinds.items() if old.startswith(start)), old)
    changed = [0]

    def edit(line: str) -> str:
        if only in line and old in line:
            changed[0] += 1
            return line.replace(old, new)
        return line

    _edited(tmp_path / "c", edit)
    assert changed[0]
    result, _ = await played(tmp_path / "c")
    assert says in result.difference


async def test_every_beginning_of_a_recording_plays_as_far_as_it_goes(journal: Journal, tmp_path: Path) -> None:
    b = await _short(journal, tmp_path / "c")
    whole = streams(await b.events())
    lines = (tmp_path / "c").read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        (tmp_path / "cut").write_bytes(b"".join(lines[:count]) + lines[count][:9])
        result, made = await played(tmp_path / "cut")
        assert result.difference == ""
        assert not result.whole
        for run, events in streams(made).items():
            assert whole[run][: len(events)] == events


async def test_a_recording_never_overwrites_and_never_costs_the_run(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a letter")
    b = Taped(journal, tmp_path / "c", say("42"))
    _, task = await b.start()
    await task
    assert (b.row.answer, (tmp_path / "c").read_text()) == ("42", "a letter")
    (note,) = [f.text for f in b.flow if f.key == "recording"]
    assert "is not a recording" in note


async def test_a_full_disk_ends_the_recording_with_a_note(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), say("42"))
    real = os.write

    def write(fd: int, data: bytes) -> int:
        if b'"perform"' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    _, task = await b.start()
    await task
    assert b.row.answer == "42"
    (note,) = [f.text for f in b.flow if f.key == "recording"]
    assert note.endswith("ends here: No space left on device.")
    result, _ = await played(tmp_path / "c")
    assert (result.difference, result.whole) == ("", False)


async def test_secrets_stay_out_and_a_call_that_held_one_is_refused_again(journal: Journal, tmp_path: Path) -> None:
    secret = 'pass-word/"1"+x'
    leak = Answer((Text(f"I type {secret}"), ToolCall("x", "poke", {"text": secret})), Usage(9, 9), "tool_calls")
    b = Taped(journal, tmp_path / "c", leak, say("done"))
    b.redaction.add([secret])
    b.shared["interlude"] = Interlude((ev.LoginHandled(True, "http://x", secret),), f"Signed in with {secret}.")
    _, task = await b.start()
    await task
    assert "secret value" in b.model.requests[1].messages[-2].parts[0].text  # type: ignore[union-attr]
    kept = (tmp_path / "c").read_text()
    assert "pass-word" not in kept
    assert "[secret]" in kept
    await plays_the_same(b)


async def test_commits_come_after_what_caused_them(journal: Journal, tmp_path: Path) -> None:
    await _short(journal, tmp_path / "c")
    _, records = load(tmp_path / "c", RunHeader, RunRecord)
    assert isinstance(records[-1], Commit)
    finished = [k.event() for w in records[-1].writes for k in w.events]
    assert isinstance(finished[-1], ev.RunFinished)
