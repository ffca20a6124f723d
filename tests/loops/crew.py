"""Loops in a real engine, with makers and checkers that answer what a test scripts for them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from harness_tui.config.paths import Paths
from harness_tui.domain.loop.rows import LoopRow, RoundRow
from harness_tui.domain.loop.spec import Action, Caps, Evidence, LoopSpec
from harness_tui.domain.seams import Clock
from harness_tui.domain.task import ModelSpec, SandboxTable, TaskFile
from harness_tui.domain.views import ApprovalRow
from harness_tui.engine.engine import Engine
from harness_tui.port.commands import AddLoop, Decide, RunLoop
from tests.e2e.shell import call, say
from tests.models.endpoint_server import EndpointServer, serving

WRITERS = ("read_file", "list_dir", "grep", "write_file", "edit_file", "shell_exec")
READERS = ("read_file", "list_dir", "grep")
CLEAN = say(json.dumps({"verdict": "clean", "reasons": ["I looked"]}))


def repository(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "README.md").write_text("# Things\n")
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "user.email", "op@example.org")
    git(path, "config", "user.name", "Op")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "Begin")
    return path


def git(path: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(path), *words], check=True, capture_output=True, text=True).stdout.strip()


def writes(name: str, text: str, ident: str = "c1") -> list[bytes]:
    return call("write_file", json.dumps({"path": name, "content": text}), ident)


def loop(workspace: Path, makers: str, checkers: str, **more: Any) -> LoopSpec:
    """A loop of level L2 that commits on the branch it is based on; maker and checker ask these servers."""
    sandbox = SandboxTable(kind="worktree")
    given: dict[str, Any] = {
        "name": "tidy",
        "intent": "Keep things tidy.",
        "maker": TaskFile(prompt="Tidy up.", tools=WRITERS, sandbox=sandbox),
        "checker": TaskFile(prompt="Look.", tools=READERS, sandbox=sandbox),
        "models": {
            "maker": ModelSpec("openai-chat", "scripted-maker", makers),
            "checker": ModelSpec("openai-chat", "scripted-checker", checkers),
        },
        "workspace": str(workspace),
        "level": "L2",
        "action": Action(kind="tidy", do="commit"),
        "budget": Caps(tokens=100_000),
        "promote": Evidence(rounds=0, verified=0.0, approved=0, max_bad=0, days=0.0),
    }
    return LoopSpec(**(given | more))


class Crew:
    """One engine with one loop in it."""

    def __init__(self, engine: Engine, repo: Path, maker: EndpointServer, checker: EndpointServer) -> None:
        self.engine, self.repo, self.maker, self.checker = engine, repo, maker, checker

    async def restart(self, clock: Clock | None = None) -> None:
        """The engine is stopped, and another one goes on."""
        await self.engine.close()
        self.engine = await Engine.open(self.engine.paths, clock=clock)

    async def add(self, spec: LoopSpec, *, fast: bool = True) -> str:
        return (await self.engine.send(AddLoop(spec, "pattern:x", "", "op", fast))).id

    async def run(self) -> str:
        """A round now; it may still run when this returns."""
        return (await self.engine.send(RunLoop("tidy", "op"))).id

    def spec(self, **more: Any) -> LoopSpec:
        return loop(self.repo, self.maker.url, self.checker.url, **more)

    @property
    def row(self) -> LoopRow:
        return self.engine.journal.views.loops["l1"]

    def round(self, number: int) -> RoundRow:
        return self.engine.journal.views.rounds[f"l1/{number}"]

    async def until(self, what: Callable[[], Any], bound: float = 60.0) -> Any:
        async with asyncio.timeout(bound):
            while not (found := what()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found

    async def ended(self, number: int = 1) -> RoundRow:
        rounds = self.engine.journal.views.rounds
        await self.until(lambda: f"l1/{number}" in rounds and rounds[f"l1/{number}"].ended)
        return self.round(number)

    async def asked(self) -> ApprovalRow:
        return await self.until(
            lambda: next(iter([a for a in self.engine.journal.views.approvals.values() if a.open]), None)
        )

    async def decide(self, row: ApprovalRow, decision: str, reason: str = "") -> None:
        await self.engine.send(Decide(row.id, row.digest, decision, "op", reason))  # type: ignore[arg-type]


@asynccontextmanager
async def crew(
    tmp_path: Path, maker: list[list[Any]], checker: list[list[Any]], clock: Clock | None = None
) -> AsyncIterator[Crew]:
    async with AsyncExitStack() as stack:
        makers = await stack.enter_async_context(serving(*maker))
        checkers = await stack.enter_async_context(serving(*checker))
        repo = tmp_path / "repo"
        if not repo.exists():
            repository(repo)
        engine = await Engine.open(Paths(tmp_path / "home"), clock=clock)
        here = Crew(engine, repo, makers, checkers)
        try:
            yield here
        finally:
            await here.engine.close()
