"""A shell box over a real workspace, asked as a run asks it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness_tui.domain.approval import Judgement
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.rules import Rule
from harness_tui.domain.seams import ToolOutcome
from harness_tui.sandbox.base import Sandbox
from harness_tui.sandbox.none import NoSandbox
from harness_tui.tools.environment import RunEnvironment
from harness_tui.tools.shell.box import ShellBox


class Hand:
    """Calls with ids of their own; `rules` may be changed at any time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.box = ShellBox(sandbox)
        self.rules: list[Rule] = []
        self.environment = RunEnvironment([self.box], rules=lambda: self.rules)
        self._ids = itertools.count()

    def call(self, tool: str, **arguments: object) -> ToolCall:
        return ToolCall(f"call-{next(self._ids)}", tool, arguments)

    async def judge(self, call: ToolCall, level: str = "L2") -> Judgement:
        return await self.environment.judge(call, level)  # type: ignore[arg-type]

    async def verdict(self, tool: str, level: str = "L2", **arguments: object) -> str:
        return (await self.judge(self.call(tool, **arguments), level)).verdict

    async def run(self, tool: str, **arguments: object) -> tuple[Judgement, ToolOutcome]:
        """Judge, approve whatever it asks, and perform."""
        call = self.call(tool, **arguments)
        judgement = await self.judge(call)
        assert judgement.verdict != "refuse", judgement.reason
        return judgement, await self.environment.perform(call)


def unconfined(folder: Path, **more: object) -> Hand:
    """Over `folder`/workspace, without a sandbox."""
    workspace = folder / "workspace"
    workspace.mkdir()
    return Hand(NoSandbox(workspace.resolve(), scratch=folder / "scratch", **more))  # type: ignore[arg-type]


def facts(judgement: Judgement) -> dict[str, str]:
    assert judgement.proposal
    return {fact.label: fact.value for fact in judgement.proposal.facts}


def command_lines() -> Iterator[str]:
    """Of every process on this machine."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield (process / "cmdline").read_text(errors="replace")
