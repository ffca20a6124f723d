"""What `dag run`, `dag resume` and `dag retry` have in common: follow a graph's run and print what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..domain.safetext import clip
from . import output
from .output import Format

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..domain.dag.state import DagState
    from ..domain.views import RunRow
    from ..port.commands import AnyCommand, ResumeDag, RetryDag
    from ..port.port import EnginePort
    from .dag_plan import Flags
    from .follow import Wish

NAMED = 60
"""Characters of a job's name in the table; JSON has all of it."""
HEADS = ("JOB", "STATE", "TRIES", "BEGAN", "TOOK", "TOKENS", "WHY")


def run(path: Path, flags: Flags, given: Any, wish: Wish, *, detach: bool, output_format: Format) -> None:
    """Start the plan in `path` and follow it; `detach`: hand it to an engine that stays, and say its id."""
    from . import dag_plan, follow

    start = dag_plan.start_of(path, flags, given)
    if detach:
        hand_over(start, output_format)
        return
    _report(lambda port: follow.start(port, start, wish), output_format)


def resume(row: RunRow, wish: Wish, output_format: Format) -> NoReturn:
    """Follow a run that is not over to its end, with an engine if none runs; one that is paused goes on."""
    from ..domain.dag.picture import restore
    from ..port.commands import ResumeDag
    from . import follow, link

    async def go(port: EnginePort) -> tuple[RunRow, str]:
        now = await port.run(row.id)
        word: ResumeDag | None = ResumeDag(row.id, link.operator()) if now.state == "paused" else None
        if word is None and now.open:
            _tell_held(restore(await port.dag(row.id)))
        return await follow.rejoin(port, row.id, wish, word)

    _report(go, output_format)


def _tell_held(s: DagState) -> None:
    """Where branches are paused: the run does not end before they go on."""
    for ident, job in s.jobs.items():
        if job.held and not job.over and not any(s.jobs[dep].held for dep in job.spec.deps):
            output.tell(f"{ident} and what follows is paused; go on with: harness-tui dag resume {s.uid} --job {ident}")


def retry(word: RetryDag, wish: Wish, output_format: Format) -> NoReturn:
    """Try again and follow that to its end."""
    from . import follow

    _report(lambda port: follow.rejoin(port, word.run, wish, word), output_format)


def hand_over(word: AnyCommand, output_format: Format) -> None:
    """Send it to an engine that outlives this process, starting one if none runs, and print what it says."""
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..daemon.spawn import start_detached

    paths = Paths.default()
    start_detached(paths)
    with reading(paths) as source:
        reply = source.send(word)
        row = source.run(reply.id)
    if output_format is Format.text:
        output.say(reply.id)
        output.tell(f"{reply.text} Follow it with: harness-tui dag resume {reply.id}")
    else:
        output.emit({"run": reply.id, "state": row.state, "text": reply.text, "exit": 0})


def _report(go: Callable[[EnginePort], Awaitable[tuple[RunRow, str]]], output_format: Format) -> NoReturn:
    """Follow, print the result document or the table, end with the run's exit code."""
    import asyncio

    from ..config.paths import Paths
    from ..domain.dag.picture import restore
    from . import link, result

    async def follow() -> tuple[RunRow, DagState, str]:
        async with link.running_or_hosted(Paths.default()) as port:
            row, waits = await go(port)
            return row, restore(await port.dag(row.id)), waits

    row, state, waits = asyncio.run(follow())
    error = f"Approval {waits} is needed; the run waits for it." if waits else ""
    code = 4 if waits else row.exit
    if output_format is Format.json:
        output.finish(result.of_dag(row, state, exit_code=code, error=error), code)
    if output_format is Format.text:
        print_table(state)
        verdict = {True: "verified", False: "not verified", None: "not checked"}[row.verified]
        output.tell(f"{row.id} {row.state}: {verdict}: {error or row.reason or row.error}")
    raise click.exceptions.Exit(code)


def print_table(s: DagState) -> None:
    """Every job in a line, in the plan's order."""
    output.table(HEADS, (_cells(s, ident) for ident in s.jobs))


def _cells(s: DagState, ident: str) -> tuple[str, ...]:
    job = s.jobs[ident]
    began, ended = job.started, job.ended
    took = "-" if began is None else f"{((s.t if ended is None else ended) - began) / 1_000_000:.2f}s"
    why = job.error or (f"waits for {job.approval}" if job.approval else "") or ("answer reused" if job.reused else "")
    began_at = "-" if began is None else f"+{began / 1_000_000:.2f}s"
    return clip(ident, NAMED), job.state, str(job.attempts), began_at, took, str(job.tokens or "-"), why[:200]
