"""The engine behind its port: decisions, recovery, batches and snapshots, in a world that obeys the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.errors import ApprovalError, SetupError, UsageError
from harness_tui.domain.fold import Views
from harness_tui.domain.seams import Verdict
from harness_tui.domain.task import Budget, ModelSpec, RunSpec, Service, TaskFile
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import CancelRun, Decide, Resolve, StartRun
from tests.agent.worlds import CENT, Cents, FakeWorld, ScriptedModel, call, say

SPEC = RunSpec(TaskFile("do it", tools=("browser_click",)), ModelSpec("test", "scripted"))


class Stage:
    """The script and the world every engine of one test shares."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.shared: dict[str, Any] = {}
        self.price: Cents | None = None


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    s = Stage()
    monkeypatch.setattr(worlds, "model", lambda spec, *_: ScriptedModel(*s.script, price=s.price))
    monkeypatch.setattr(worlds, "environment", lambda spec, session, *_, **__: FakeWorld(session, s.shared))
    return s


@pytest.fixture
async def engine(tmp_path: Path, stage: Stage) -> AsyncIterator[Engine]:
    opened = await Engine.open(Paths(tmp_path / "h"))
    yield opened
    await opened.close(now=True)


async def until(condition: Any, seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        return found


async def asked(engine: Engine) -> Any:
    return (await until(engine.approvals))[0]


async def ended(engine: Engine, run: str) -> Any:
    async def over() -> Any:
        row = await engine.run(run)
        return row if not row.open else None

    return await until(over)


def decide(row: Any, decision: Any = "approved", by: str = "me", digest: str = "") -> Decide:
    return Decide(row.id, digest or row.digest[:12], decision, by)


async def test_a_run_waits_for_its_decision_and_ends_verified(engine: Engine, stage: Stage) -> None:
    stage.script = [call("poke"), say("done")]
    stage.shared["verdicts"] = [Verdict(True, "seen")]
    reply = await engine.send(StartRun(SPEC))
    row = await asked(engine)
    assert row.run == reply.id == "r1"
    assert (await engine.send(decide(row))).text == f"{row.id} approved."
    assert (await ended(engine, "r1")).verified is True
    assert [r.id for r in await engine.runs()] == ["r1"]


async def test_only_the_first_decision_counts_and_the_loser_is_told_who_won(engine: Engine, stage: Stage) -> None:
    stage.script = [call("poke"), say("done")]
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    words = [decide(row, "approved", "ada@tty1"), decide(row, "denied", "bob@tty2")]
    results = await asyncio.gather(*(engine.send(w) for w in words), return_exceptions=True)
    refused = [r for r in results if isinstance(r, ApprovalError)]
    assert len(refused) == 1
    assert "ada@tty1" in str(refused[0])
    with pytest.raises(ApprovalError, match=r"already decided by ada@tty1 at \d{4}-"):
        await engine.send(decide(row))


@pytest.mark.parametrize(("digest", "said"), [("0" * 12, "now shows digest"), ("abc", "at least 12")])
async def test_another_digest_is_refused_and_changes_nothing(
    engine: Engine, stage: Stage, digest: str, said: str
) -> None:
    stage.script = [call("poke")]
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    with pytest.raises(ApprovalError, match=said):
        await engine.send(decide(row, digest=digest))
    assert (await engine.approvals())[0].open
    with pytest.raises(UsageError, match="There is no approval A-77"):
        await engine.send(Decide("A-77", "0" * 12, "approved", "me"))
    with pytest.raises(ApprovalError, match="not in doubt"):
        await engine.send(Resolve(row.id, row.digest, "happened", "me"))


async def test_a_new_engine_goes_on_where_the_last_one_stopped(tmp_path: Path, stage: Stage) -> None:
    paths = Paths(tmp_path / "h")
    stage.script = [call("poke"), say("done")]
    first = await Engine.open(paths)
    await first.send(StartRun(SPEC))
    row = await asked(first)
    await first.close()
    second = await Engine.open(paths)
    try:
        again = await asked(second)
        assert (again.id, again.digest) == (row.id, row.digest)
        assert "done" not in stage.shared
        stage.shared["verdicts"] = [Verdict(True, "seen")]
        await second.send(decide(again))
        over = await ended(second, "r1")
        assert (over.verified, stage.shared["done"]) == (True, ["poke"])
        names = [type(e.event).__name__ for e in await second.journal.stream("engine")]
        assert names == ["EngineStarted", "EngineStopped", "EngineStarted", "EngineRecovered"]
        assert (await second.send(StartRun(SPEC))).id == "r2"
    finally:
        await second.close(now=True)


async def test_a_console_sees_every_event_once_from_its_cursor(engine: Engine, stage: Stage) -> None:
    stage.script = [call("look"), call("poke"), say("done")]
    snapshot = await engine.snapshot()
    seen: list[Any] = []
    flows: list[Any] = []

    async def watch() -> None:
        async for batch in engine.batches(snapshot.pos):
            seen.extend(batch.events)
            flows.extend(batch.flow)

    watching = asyncio.create_task(watch())
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    await engine.send(decide(row))
    await ended(engine, "r1")

    async def all_seen() -> bool:
        return bool(seen) and seen[-1].pos == engine.journal.views.pos

    await until(all_seen)
    watching.cancel()
    stored = await engine.journal.tail(after=snapshot.pos)
    assert [e.pos for e in seen] == [e.pos for e in stored]
    assert any(f.key == "model" for f in flows)
    console = Views()
    console.load((*snapshot.runs, *snapshot.approvals), snapshot.pos)
    for event in seen:
        console.apply(event.open())
    assert console.runs == engine.journal.views.runs
    late = [e.pos async for b in _first(engine, 0) for e in b.events]
    assert late[0] == 1, "a cursor older than memory is served from the journal"


async def _first(engine: Engine, since: int) -> AsyncIterator[Any]:
    async for batch in engine.batches(since):
        yield batch
        return


async def test_cancel_names_what_is_over(engine: Engine, stage: Stage) -> None:
    stage.script = [call("poke")]
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    await engine.send(CancelRun("r1", "me", "enough"))
    assert ((await ended(engine, "r1")).exit, (await engine.approvals())) == (8, [])
    with pytest.raises(ApprovalError, match="withdrawn"):
        await engine.send(decide(row))
    with pytest.raises(UsageError, match="r1 is over"):
        await engine.send(CancelRun("r1", "me"))
    with pytest.raises(UsageError, match="There is no run r9"):
        await engine.send(CancelRun("r9", "me"))


async def test_a_disk_that_refuses_halts_the_run_and_says_so(
    engine: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.script = [call("poke"), say("done")]
    stage.shared["verdicts"] = [Verdict(True, "seen")]
    monkeypatch.setattr("harness_tui.engine.supervisor.RETRY_HALTED", 0.01)
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    real = engine.journal.append
    full = SetupError("The disk refused to save: no space left.")
    said: list[ev.Flow] = []
    engine._bus.flow = said.append  # type: ignore[method-assign,assignment]
    engine._supervisor.driver("r1").kit.flow = said.append  # type: ignore[union-attr,assignment]

    async def refuse(writes: Any) -> Any:
        raise full

    monkeypatch.setattr(engine.journal, "append", refuse)
    with pytest.raises(SetupError, match="no space left"):
        await engine.send(decide(row))
    assert "done" not in stage.shared, "no effect without a durable intent"
    monkeypatch.setattr(engine.journal, "append", real)
    await engine.send(decide(await asked(engine)))
    assert (await ended(engine, "r1")).verified is True
    assert stage.shared["done"] == ["poke"]


async def test_a_money_limit_nobody_can_hold_is_refused_before_anything_is_spent(engine: Engine, stage: Stage) -> None:
    stage.script = [say("42")]
    dear = RunSpec(TaskFile("do it", budget=Budget(usd=0.5)), ModelSpec("scripted", "big"))
    row = await ended(engine, (await engine.send(StartRun(dear))).id)
    assert (row.exit, row.stopped_by, row.usage.total) == (3, "budget", 0)
    assert "price of scripted is unknown, so the limit of $0.50" in row.reason


async def test_a_priced_model_is_held_to_its_money_limit(engine: Engine, stage: Stage) -> None:
    stage.script = [say("42")] * 2
    stage.price = Cents()
    wide = RunSpec(TaskFile("do it", budget=Budget(usd=5000.0)), ModelSpec("scripted", "big"))
    row = await ended(engine, (await engine.send(StartRun(wide))).id)
    assert (row.exit, row.money, row.mark) == (0, (row.usage.input + 2 * row.usage.output) * CENT, "priced")
    narrow = RunSpec(TaskFile("do it", budget=Budget(usd=1.0)), ModelSpec("scripted", "big"))
    tight = await ended(engine, (await engine.send(StartRun(narrow))).id)
    assert (tight.exit, tight.stopped_by, tight.usage.total) == (3, "budget", 0)
    assert "may need $" in tight.reason


async def test_a_service_that_does_not_start_is_one_sentence(engine: Engine, stage: Stage) -> None:
    broken = RunSpec(SPEC.task, SPEC.model, service=Service(("/nonexistent/site",), "http://127.0.0.1:9/"))
    with pytest.raises(SetupError, match="cannot be started: No such file"):
        await engine.send(StartRun(broken))
    silent = RunSpec(SPEC.task, SPEC.model, service=Service(("/bin/false",), "http://127.0.0.1:9/"))
    with pytest.raises(SetupError, match="did not start"):
        await engine.send(StartRun(silent))
    assert await engine.runs() == []
