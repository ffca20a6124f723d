"""Editing at the engine's port: who was first, what is refused, worlds that are closed, rounds of loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.errors import ApprovalError, UsageError
from harness_tui.domain.fold import Views
from harness_tui.domain.inputs import Decided, Resolved
from harness_tui.domain.rules import Rule
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.domain.views import ApprovalRow
from harness_tui.engine import worlds
from harness_tui.engine.desk import Desk
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import AddRule, CancelRun, Decide, EditApproval, Reply, Resolve, StartRun
from harness_tui.tools.box import Toolbox
from harness_tui.tools.environment import RunEnvironment
from harness_tui.tools.tool import tool
from tests.agent.worlds import ManualClock, ScriptedModel, call, say

SPEC = RunSpec(TaskFile("do it", tools=("send",)), ModelSpec("test", "scripted"))


class Stage:
    """What the engines of one test share: a tool that really runs, in a world that is gone once it is closed."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.sent: list[str] = []
        self.built = 0

    def world(self, spec: RunSpec, session: str, *_: Any, **__: Any) -> RunEnvironment:
        @tool(risk="destructive")
        def send(to: str, times: int = 1) -> str:
            """Send something."""
            self.sent += [to] * times
            return f"sent to {to}"

        self.built += 1
        source = _[1]
        world = RunEnvironment(
            [Toolbox([send])],
            rules=source.rules,
            used=lambda: source.used(session),
            claim=lambda ids: source.claim(session, ids),
        )
        world.kind, world.recovery = "browser", "restart"
        return world


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    s = Stage()
    monkeypatch.setattr(worlds, "model", lambda *_: ScriptedModel(*s.script))
    monkeypatch.setattr(worlds, "environment", s.world)
    return s


@pytest.fixture
async def engine(tmp_path: Path, stage: Stage) -> AsyncIterator[Engine]:
    opened = await Engine.open(Paths(tmp_path / "h"))
    yield opened
    await opened.close(now=True)


async def until(condition: Any) -> Any:
    async with asyncio.timeout(60):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        return found


async def asked(engine: Engine) -> ApprovalRow:
    found: ApprovalRow = (await until(engine.approvals))[0]
    return found


async def over(engine: Engine, run: str = "r1") -> None:
    async def ended() -> bool:
        return not (await engine.run(run)).open

    await until(ended)


def edit(row: ApprovalRow, digest: str = "", by: str = "ops", **arguments: Any) -> EditApproval:
    return EditApproval(row.id, digest or row.digest[:12], by, arguments)


async def test_the_loser_of_two_edits_and_of_an_edit_and_a_decision_is_told_who_was_first(
    engine: Engine, stage: Stage
) -> None:
    stage.script = [call("send", to="a"), say("done")]
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    was = row.digest
    words = [edit(row, was, "ada", to="b"), edit(row, was, "bob", to="c")]
    replies = await asyncio.gather(*map(engine.send, words), return_exceptions=True)
    (won,) = [r for r in replies if isinstance(r, Reply)]
    (lost,) = [r for r in replies if isinstance(r, ApprovalError)]
    assert won.digest == row.digest != was and won.digest[:16] in won.text
    assert f"{row.id} was edited by {row.edited} meanwhile and now shows digest {won.digest[:12]}" in str(lost)
    with pytest.raises(ApprovalError, match="now shows digest"):
        await engine.send(Decide(row.id, was, "approved", "ada"))
    now = row.digest
    mixed = [Decide(row.id, now, "approved", "ada"), edit(row, now, "bob", to="d")]
    replies = await asyncio.gather(*map(engine.send, mixed), return_exceptions=True)
    assert isinstance(replies[1], ApprovalError) and "already decided by ada" in str(replies[1])
    await over(engine)
    assert stage.sent == [row.arguments["to"]] and stage.sent[0] in ("b", "c")


async def test_what_does_not_fit_is_refused_in_a_sentence_and_the_request_stays(engine: Engine, stage: Stage) -> None:
    stage.script = [call("send", to="a"), say("done")]
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    pos = engine.journal.views.pos
    with pytest.raises(UsageError, match=r"A-1 was not changed: send was not called: .*times"):
        await engine.send(edit(row, to="a", times="often"))
    with pytest.raises(UsageError, match="A-1 was not changed: send was not called"):
        await engine.send(edit(row, to="a", other=1))
    with pytest.raises(UsageError, match="edited by the arguments of its call"):
        await engine.send(EditApproval(row.id, row.digest, "ops", diff="x"))
    with pytest.raises(UsageError, match="edited by the arguments of its call"):
        await engine.send(EditApproval(row.id, row.digest, "ops"))
    with pytest.raises(ApprovalError, match="at least 12"):
        await engine.send(edit(row, "abc", to="b"))
    await engine.send(AddRule(Rule("deny", "send", reason="never today"), "ops"))
    pos += 1
    with pytest.raises(ApprovalError, match=r"A-1 was not changed: never today\.? It still waits as it was"):
        await engine.send(edit(row, to="b"))
    assert (engine.journal.views.pos, row.edited, row.open) == (pos, "", True)
    await engine.send(CancelRun("r1", "ops"))
    await over(engine)
    with pytest.raises(ApprovalError, match="withdrawn"):
        await engine.send(edit(row, to="b"))


async def test_a_closed_world_is_not_opened_to_edit_what_needs_none(tmp_path: Path, stage: Stage) -> None:
    """The engine ends while the call waits; the next one judges the edit without a world, and runs it in a new one."""
    paths = Paths(tmp_path / "h")
    stage.script = [call("send", to="a"), say("done")]
    first = await Engine.open(paths)
    await first.send(StartRun(SPEC))
    await asked(first)
    await first.close()
    stage.script = [call("send", to="b"), say("done")]
    second = await Engine.open(paths)
    try:
        row = await asked(second)
        reply = await second.send(edit(row, to="b"))
        opened = [e for e in await second.journal.tail(root="r1") if isinstance(e.event, ev.EnvironmentOpened)]
        assert len(opened) == 1 and row.edited == "ops"
        await second.send(Decide(row.id, reply.digest, "approved", "ops"))
        await over(second)
        assert stage.sent == ["b"] and second.journal.views.approvals[row.id].state == "done"
    finally:
        await second.close(now=True)


async def test_the_use_of_a_rule_that_would_allow_an_edit_is_free_for_others(engine: Engine, stage: Stage) -> None:
    stage.script = [call("send", to="a"), say("done")]
    await engine.send(StartRun(SPEC))
    row = await asked(engine)
    rule = (await engine.send(AddRule(Rule("allow", "send", uses=1), "ops"))).id
    await engine.send(edit(row, to="b"))
    assert row.open and not engine._rulebook.used("another").get(rule)
    await engine.send(Decide(row.id, row.digest, "approved", "ops"))
    await over(engine)
    assert stage.sent == ["b"] and engine.journal.views.rules[rule].used == 0


class Waits:
    """A round of a loop, as the desk sees it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.digest = "d" * 64

    async def decide(self, word: Decided | Resolved) -> bool:
        self.heard.append(word)
        return True

    async def edit(self, command: EditApproval) -> str:
        self.heard.append(command)
        return self.digest


async def test_what_a_round_asked_is_decided_and_edited_by_the_round(engine: Engine) -> None:
    views, waits = Views(), Waits()
    change = ApprovalRow("A-1", "l3/2", "l3/2", kind="change", digest="ab" * 32)
    doubt = ApprovalRow("A-2", "l3/2", "l3/2", kind="in_doubt", state="in_doubt", digest="cd" * 32)
    views.approvals = {row.id: row for row in (change, doubt)}
    views.rounds["l3/2"] = None  # type: ignore[assignment]
    desk = Desk(lambda: views, engine._supervisor, ManualClock(0), {"l3/2": waits}.get)
    reply = await desk.edit(EditApproval("A-1", "AB" * 8, "ops", diff="x"))
    assert (reply.id, reply.digest) == ("A-1", "d" * 64)
    assert reply.text == f"A-1 is edited and waits under its new digest {'d' * 16}."
    await desk.decide(Decide("A-1", change.digest, "pushed_back", "ops", "smaller"))
    await desk.resolve(Resolve("A-2", doubt.digest, "again", "ops"))
    assert [type(word) for word in waits.heard] == [EditApproval, Decided, Resolved]
    assert waits.heard[0].digest == change.digest
    with pytest.raises(UsageError, match="edited by the diff of its change"):
        await desk.edit(EditApproval("A-1", change.digest, "ops", {"a": 1}))
    with pytest.raises(ApprovalError, match=r"in doubt: what may have happened cannot be edited\. Use: .* resolve A-2"):
        await desk.edit(EditApproval("A-2", doubt.digest, "ops", {"a": 1}))
    waits.digest = ""
    with pytest.raises(ApprovalError, match="A-1 can no longer be decided"):
        await desk.edit(EditApproval("A-1", change.digest, "ops", diff="x"))
    gone = Desk(lambda: views, engine._supervisor, ManualClock(0), lambda _: None)
    with pytest.raises(ApprovalError, match="can no longer be decided"):
        await gone.edit(EditApproval("A-1", change.digest, "ops", diff="x"))
