"""Always allow (A16): the rule made from an approval is no wider than what its card showed, in real runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.cli.rehearse import always, rehearsal
from harness_tui.config.paths import Paths
from harness_tui.domain.errors import UsageError
from harness_tui.domain.events import ToolStarted
from harness_tui.domain.rules import Rule
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.engine import worlds
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import AddRule, Decide, StartRun
from tests.agent.worlds import ScriptedModel, call, say


class Shell:
    """An engine whose runs each make one `shell_exec` call in one workspace."""

    def __init__(self, engine: Engine, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine, self.workspace, self.patch = engine, workspace, monkeypatch
        self.runs = 0

    async def asks(self, command: str, **more: Any) -> str:
        """Run it: the id of the approval it waits for, or "" when it went on without."""
        turn = call("shell_exec", command=command, **more)
        self.patch.setattr(worlds, "model", lambda *_: ScriptedModel(turn, say("done")))
        task = TaskFile("build", tools=("shell_exec",))
        spec = RunSpec(task, ModelSpec("test", "scripted"), workspace=str(self.workspace), attempts=1)
        run = (await self.engine.send(StartRun(spec))).id
        async with asyncio.timeout(60):
            while True:
                row = await self.engine.run(run)
                if not row.open or (row.waits and row.state == "waiting"):
                    return row.waits
                await asyncio.sleep(0.01)

    async def deny(self, approval: str) -> None:
        digest = self.engine.journal.views.approvals[approval].digest
        await self.engine.send(Decide(approval, digest, "denied", "me"))

    async def always(self, approval: str) -> Rule:
        def made() -> Rule:
            with rehearsal() as trial:
                return always(trial, approval, 0, "", None)

        return await asyncio.to_thread(made)


@pytest.fixture
async def shell(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    monkeypatch.setenv("HARNESS_TUI_HOME", str(home.home))
    (tmp_path / "build.sh").write_text("echo built > out\n")
    engine = await Engine.open(home)
    yield Shell(engine, tmp_path, monkeypatch)
    await engine.close(now=True)


async def test_the_same_call_runs_and_anything_else_asks(shell: Shell) -> None:
    shown = await shell.asks("sh build.sh")
    assert shown == "A-1"
    rule = await shell.always("A-1")
    assert (rule.tool, rule.workspace, rule.action) == (
        "shell_exec",
        str(shell.workspace),
        shell.engine.journal.views.approvals["A-1"].action,
    )
    assert [example.args for example in rule.match] == [{"command": "sh build.sh"}]
    assert [example.args for example in rule.not_match] == [{"command": "sh build.sh other"}]
    await shell.deny("A-1")
    await shell.engine.send(AddRule(rule, "me"))
    assert await shell.asks("sh build.sh") == ""
    assert (shell.workspace / "out").read_text() == "built\n"
    (started,) = [e.event for e in await shell.engine.events("r2") if isinstance(e.event, ToolStarted)]
    assert (started.rule, started.approval) == ("R-1", "")
    for other in ("sh  build.sh", "sh build.sh x", "sh build.sh && true", "sh ./build.sh"):
        assert await shell.asks(other), other
    (shell.workspace / "build.sh").write_text("echo other > out\n")
    assert await shell.asks("sh build.sh"), "the script is not the one that was shown"
    assert (shell.workspace / "out").read_text() == "built\n"


async def test_no_rule_is_made_of_what_is_not_understood_or_no_longer_what_was_shown(shell: Shell) -> None:
    await shell.asks("eval build.sh")
    with pytest.raises(UsageError, match="No rule can allow what A-1 asks for: not understood"):
        await shell.always("A-1")
    await shell.asks("sh build.sh")
    (shell.workspace / "build.sh").write_text("echo other > out\n")
    with pytest.raises(UsageError, match="What would run now is not what A-2 showed"):
        await shell.always("A-2")
    with pytest.raises(UsageError, match="There is no approval A-9"):
        await shell.always("A-9")
