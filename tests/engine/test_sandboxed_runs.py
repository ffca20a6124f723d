"""What a run's row says of its sandbox: what is enforced beside what was asked, before anything is run in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.errors import SandboxError
from harness_tui.domain.events import RunStarted
from harness_tui.domain.task import ModelSpec, RunSpec, SandboxTable, TaskFile
from harness_tui.domain.trace import line
from harness_tui.domain.why import enforced, may
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import StartRun
from harness_tui.sandbox.base import Command, Finished, Guarantee, Sandbox
from harness_tui.sandbox.tree import Tree
from tests.agent.worlds import FakeWorld, ScriptedModel, call, say

ALL: frozenset[Guarantee] = frozenset(("writes", "reads", "network", "processes", "controls"))


class Claimed(Sandbox):
    """A sandbox that enforces what the test says."""

    def __init__(self, kind: str, asked: str, enforced: frozenset[Guarantee], *notes: str) -> None:
        self.kind, self.asked, self.enforced, self.notes = kind, asked, enforced, notes
        self.workspace = Path("/")
        self.files = Tree(Path("/"))

    async def run(self, command: Command) -> Finished:
        return Finished(0, "")


BUBBLEWRAP = Claimed("bubblewrap", "auto", ALL)
ONLINE = Claimed("bubblewrap", "bubblewrap", ALL - {"network"})
NONE = Claimed("none", "auto", frozenset(), "no user namespaces here")
WORKTREE = Claimed("worktree", "worktree", frozenset(("changes",)))


@pytest.fixture
async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start a run in a sandbox (or with the error of building it) in an engine of its own."""
    monkeypatch.setattr(worlds, "model", lambda *_: ScriptedModel(call("look"), say("done")))

    def world(spec: RunSpec, session: str, *_: Any, **__: Any) -> FakeWorld:
        if isinstance(found, Exception):
            raise found
        built = FakeWorld(session, {})
        built.sandbox = found  # type: ignore[attr-defined]
        return built

    found: Sandbox | Exception | None = None
    monkeypatch.setattr(worlds, "environment", world)
    engine = await Engine.open(Paths(tmp_path / "h"))

    async def start(sandbox: Sandbox | Exception | None, /, **more: Any) -> tuple[Engine, str]:
        nonlocal found
        found = sandbox
        spec = RunSpec(TaskFile("do it", tools=("look", "poke"), **more), ModelSpec("test", "scripted"))
        return engine, (await engine.send(StartRun(spec))).id

    yield start
    await engine.close(now=True)


@pytest.mark.parametrize(
    ("sandbox", "more", "destructive", "words"),
    [
        (BUBBLEWRAP, {}, "acts", "bubblewrap: writes, reads, network, processes, controls"),
        (ONLINE, {}, "cannot", "bubblewrap: writes, reads, processes, controls"),
        (ONLINE, {"sandbox": SandboxTable(network=True)}, "acts", "bubblewrap: writes, reads, processes, controls"),
        (NONE, {}, "cannot", "asked auto, enforced none: no user namespaces here"),
        (WORKTREE, {}, "cannot", "worktree: changes"),
        (None, {}, "cannot", "none: what it runs, it runs as you"),
    ],
)
async def test_the_row_says_what_is_enforced_and_l3_acts_on_that_alone(
    run: Any, sandbox: Sandbox | None, more: dict[str, Any], destructive: str, words: str
) -> None:
    engine, uid = await run(sandbox, level="L3", **more)
    row = await engine.run(uid)
    assert row.may["destructive"] == destructive
    assert row.sandboxed == (destructive == "acts")
    assert enforced(row) == words
    facts = {fact.label: fact.value for fact in may(engine.journal.views, uid, 0)}
    assert facts["sandbox"] == words
    first = (await engine.events(uid))[0]
    assert isinstance(first.event, RunStarted)
    shown = line(first)
    assert shown
    if sandbox:
        assert (sandbox.kind if row.sandboxed else words) in shown.text


async def test_no_sandbox_no_run(run: Any) -> None:
    missing = SandboxError("The sandbox bubblewrap was asked for and cannot be had.", "Install it.")
    with pytest.raises(SandboxError, match=r"bubblewrap.*Install it\.") as refused:
        await run(missing)
    assert refused.value.exit_code == 6
    engine, uid = await run(BUBBLEWRAP)
    assert [row.id for row in await engine.runs()] == [uid], "nothing was written of the other one"


async def test_a_run_whose_sandbox_is_gone_after_a_crash_ends_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(worlds, "model", lambda *_: ScriptedModel(never))
    monkeypatch.setattr(worlds, "environment", lambda spec, session, *_, **__: FakeWorld(session, {}))
    engine = await Engine.open(Paths(tmp_path / "h"))
    uid = (await engine.send(StartRun(RunSpec(TaskFile("do it"), ModelSpec("test", "scripted"))))).id
    await engine.close(now=True)

    def gone(*_: Any, **__: Any) -> None:
        raise SandboxError("bubblewrap is gone.")

    monkeypatch.setattr(worlds, "environment", gone)
    engine = await Engine.open(Paths(tmp_path / "h"))
    row = await engine.run(uid)
    assert (row.state, row.exit, row.reason) == ("failed", 6, "bubblewrap is gone.")
    await engine.close(now=True)
