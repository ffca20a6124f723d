"""`demo loops`: three loops at work on a repository of their own, watched in pane 7, or told on stderr."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from ..config.paths import Paths
from ..demo import loops as demos
from ..demo.loops import DemoLoops
from ..domain import events as ev
from ..domain.errors import ApprovalError, HarnessError
from ..domain.loop.rows import LoopRow
from ..port.commands import AddLoop, AnyCommand, CancelRun, Decide, RemoveLoop, SetLevel
from ..port.port import EnginePort
from ..sandbox import git
from . import follow, link, output, tours
from .output import Format

T = TypeVar("T")
BOUND = 120.0
"""Seconds `--yes` may take."""
OVER = "the demo is over"
MOVED = "the base moved"
_ENDING = 20.0
"""Seconds for rounds that run to end when the demo does."""
_POLL = 0.1


async def begin(port: EnginePort, by: str) -> tuple[DemoLoops, AnyCommand]:
    """Register the loops on a fresh repository, instead of those of an earlier demo.

    The second is the command that raises the last one to L3; it is the caller's to send.
    """
    await end(port, by)
    demos.cleanup_old(await port.loops(all=True))
    made = await asyncio.to_thread(demos.prepare)
    for spec in made.loops:
        await port.send(AddLoop(spec, demos.SOURCE, "", by, fast=True))
    return made, SetLevel(made.promoted, "L3", by, "so that each level is seen")


async def end(port: EnginePort, by: str, *, waiting: bool = False) -> None:
    """Take the demo's loops off the schedule and end their rounds. waiting: their changes can still be decided."""
    ids = {row.id for row in await port.loops(all=True) if demos.ours(row)}
    for row in await port.loops():
        if row.id in ids:
            await port.send(RemoveLoop(row.id, by))
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDING):
            while running := [row.running for row in await port.loops(all=True) if row.id in ids and row.running]:
                for each in running:
                    with suppress(HarnessError):
                        await port.send(CancelRun(each, by, OVER))
                await asyncio.sleep(_POLL)
    for asked in () if waiting else await port.approvals():
        if asked.kind == "change" and asked.run.partition("/")[0] in ids:
            with suppress(ApprovalError):
                await port.send(Decide(asked.id, asked.digest, "denied", by, OVER))


# -- with a console -----------------------------------------------------------------------------------------------


def attached() -> NoReturn:
    """The console on pane 7. The loops are removed when the operator leaves it, and go on when the link is lost."""
    from ..daemon.spawn import start_detached
    from .attach import attach

    paths = Paths.default()
    start_detached(paths)
    command = launched()
    _asked(paths, lambda port: port.send(command))
    try:
        attach(pane=7)
    except click.exceptions.Exit as left:
        if left.exit_code == 0:
            with suppress(HarnessError):
                _asked(paths, lambda port: end(port, link.operator()))
                output.tell("demo: its loops are removed; what they did stays on record.")
        raise
    raise click.exceptions.Exit(0)


def launched() -> AnyCommand:
    """The console's `:demo loops`: all but the last command is sent."""
    by = link.operator()
    _, command = _asked(Paths.default(), lambda port: begin(port, by))
    return command


def _asked(paths: Paths, ask: Callable[[EnginePort], Awaitable[T]]) -> T:
    """What the running engine answers, over a connection of its own."""

    async def go() -> T:
        from ..clients.socket import SocketClient

        client = await SocketClient.connect(paths)
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(go())


# -- without ------------------------------------------------------------------------------------------------------


def headless(*, yes: bool, wait: bool, output_format: Format) -> NoReturn:
    """Follow the rounds until a change has landed and one landed by itself; prints {demo, repo, loops: [{name, level,
    rounds, outcomes}], approved: [ID], commits: [{sha, subject}], exit, error}.

    Args:
        yes: approve the demo's own changes.
        wait: False = leave at the first approval (exit 4); its change can still be decided.
    """

    async def go() -> tuple[dict[str, Any], int]:
        async with link.running_or_hosted(Paths.default()) as port:
            return await _Headless(port, yes, wait, output_format is Format.stream).run()

    document, code = asyncio.run(go())
    if output_format is Format.json:
        output.finish(document, code)
    if output_format is Format.text:
        for made in document["commits"]:
            output.say(f"{made['sha'][:12]}  {made['subject']}")
        output.tell(document["error"] or f"demo: the repository is {document['repo']}")
    raise click.exceptions.Exit(code)


class _Headless:
    """One demo, from its beginning to its end.

    Attributes:
        asked: approval -> round, of the demo's changes that wait.
        landed: approvals whose change is in the repository.
        alone: what the loop at L3 came to: "" = nothing yet, proceeded, or why it cannot.
    """

    def __init__(self, port: EnginePort, yes: bool, wait: bool, stream: bool) -> None:
        self.port, self.yes, self.wait, self.stream = port, yes, wait, stream
        self.names: dict[str, str] = {}
        self.levels: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        self.landed: list[str] = []
        self.alone = ""

    async def run(self) -> tuple[dict[str, Any], int]:
        by = "--yes" if self.yes else link.operator()
        pos = (await self.port.snapshot()).pos
        left: list[signal.Signals] = []
        task = asyncio.current_task()
        assert task is not None

        def stop(number: signal.Signals) -> None:
            left.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        try:
            made, raised = await begin(self.port, by)
            self.repo = made.repo
            output.tell(f"demo: three loops work on {made.repo}")
            self.names = {row.id: row.name for row in await self.port.loops() if demos.ours(row)}
            output.tell((await self.port.send(raised)).text)
            code, error = await self._followed(pos)
            return await self._document(made, code, error), code
        except asyncio.CancelledError:
            if not left:
                raise
            task.uncancel()
            raise follow.Left(left[0]) from None
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().remove_signal_handler(number)
            with suppress(HarnessError):
                await end(self.port, by, waiting=not self.wait)

    async def _followed(self, pos: int) -> tuple[int, str]:
        """Exit code, and why it is not 0."""
        try:
            async with asyncio.timeout(BOUND if self.yes else None):
                async for batch in self.port.batches(pos):
                    for wire in batch.events:
                        if wire.run.partition("/")[0] in self.names:
                            envelope = wire.open()
                            if self.stream:
                                from ..domain.codec import to_json

                                output.emit(to_json(envelope))
                            if ended := await self._heard(envelope.run, envelope.event):
                                return ended
                    if self.yes and self.alone:
                        await self._decide()
                    if self.landed and self.alone:
                        return self._came_to()
        except TimeoutError:
            return 124, f"The demo did not come to its end within {BOUND:g} s."
        return 1, "The engine has stopped."

    def _came_to(self) -> tuple[int, str]:
        if self.alone == "proceeded":
            return 0, ""
        return 6 if "sandbox" in self.alone else 1, f"Nothing was done at L3: {self.alone}"

    async def _heard(self, stream: str, event: ev.Event) -> tuple[int, str] | None:
        loop, _, number = stream.partition("/")
        name = f"{self.names[loop]} {number}".rstrip()
        match event:
            case ev.RoundStarted(level=level):
                self.levels[stream] = level
                output.tell(f"{name}  begins at {level}")
            case ev.RoundFinished(outcome, reason):
                output.tell(f"{name}  {outcome}: {reason}")
                self._ended(stream, outcome, reason)
            case ev.LoopRemoved(by):
                return 1, f"{name} was removed by {by}, so the demo is over."
            case ev.LoopPaused(reason=reason) if self.names[loop] == demos.TIDY:
                self.alone = self.alone or reason
            case ev.ApprovalRequested(id=approval, kind="change", digest=digest):
                self.asked[approval] = stream
                if not self.yes:
                    how = follow.how_to_decide("change", approval, digest)
                    output.tell(f"waiting for approval {approval}, decide with: {how}")
                if not self.wait:
                    return 4, f"Approval {approval} is needed; the change waits for it."
            case ev.ApprovalDecided(approval, decision, by):
                output.tell(f"{name}  {approval} {decision.replace('_', ' ')} by {by}")
                if decision == "denied" and approval in self.asked:
                    return 4, f"{approval} was denied by {by}."
            case ev.ActionFinished(ok, text):
                output.tell(f"{name}  {text}")
                mine = next((each for each, round in self.asked.items() if round == stream), "")
                if mine and not ok:
                    return 1, f"The change of {name} could not be carried out: {text}"
                self.landed += [mine] if mine else []
        return None

    def _ended(self, stream: str, outcome: str, reason: str) -> None:
        if self.names[stream.partition("/")[0]] != demos.TIDY or self.levels.get(stream) != "L3":
            return
        if outcome == "proceeded":
            self.alone = "proceeded"
        elif outcome in ("escalated", "failed"):
            self.alone = self.alone or reason

    async def _decide(self) -> None:
        """Approve what waits of this demo; a change whose base has moved is pushed back, for a round on the new one."""
        rows = {row.id: row for row in await self.port.loops(all=True)}
        for asked in await self.port.approvals():
            if not tours.may_approve_change(asked, rows.get(asked.run.partition("/")[0]), self.repo):
                continue
            try:
                await self.port.send(Decide(asked.id, asked.digest, "approved", "--yes"))
            except ApprovalError as error:  # another console was faster, or the base has moved
                output.tell(str(error))
                with suppress(ApprovalError):
                    await self.port.send(Decide(asked.id, asked.digest, "pushed_back", "--yes", MOVED))

    async def _document(self, made: DemoLoops, code: int, error: str) -> dict[str, Any]:
        found: list[LoopRow] = [row for row in await self.port.loops(all=True) if row.id in self.names]
        rounds = {row.id: await self.port.rounds(row.id, 1000) for row in found}
        return {
            "demo": "loops",
            "repo": str(made.repo),
            "loops": [
                {
                    "name": row.name,
                    "level": row.level,
                    "rounds": row.rounds,
                    "outcomes": [each.outcome for each in reversed(rounds[row.id]) if each.outcome],
                }
                for row in found
            ],
            "approved": self.landed,
            "commits": await asyncio.to_thread(_commits, made.repo, made.base),
            "exit": code,
            "error": error or None,
        }


def _commits(repo: Path, base: str) -> list[dict[str, str]]:
    """What came to main since the demo began, oldest first."""
    _, log, _ = git.call(repo, "log", "--reverse", "--format=%H%x09%s", f"{base}..main")
    pairs = (line.split("\t", 1) for line in log.splitlines())
    return [{"sha": pair[0], "subject": pair[1]} for pair in pairs if len(pair) == 2]
