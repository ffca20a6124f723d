"""`harness-tui runs`: list, show, follow and cancel runs. Reading never starts an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..clients.read import ReadClient
    from ..config.paths import Paths
    from ..domain.events import Envelope


@click.group()
def runs() -> None:
    """List, show, follow and cancel runs."""


@runs.command("list")
@click.option("--limit", type=click.IntRange(1), default=200, help="At most this many, newest first.")
@format_option
def list_runs(limit: int, output_format: Format) -> None:
    """List runs, newest first."""
    from ..clients.read import reading
    from ..config.paths import Paths

    with reading(Paths.default()) as journal:
        rows = journal.runs(limit)
    if output_format is not Format.text:
        from . import result

        output.emit([result.of_listed_run(row) for row in rows])
        return
    if not rows:
        output.tell("No runs yet. Start one with: harness-tui demo")
        return
    heads = ("RUN", "STATE", "STARTED", "TOKENS", "VERIFIED", "TITLE")
    words = {True: "yes", False: "no", None: "-"}
    lines = (
        (row.id, row.state, output.clock(row.started), str(row.usage.total), words[row.verified], row.title)
        for row in rows
    )
    output.table(heads, lines)


@runs.command()
@click.argument("run")
@format_option
def show(run: str, output_format: Format) -> None:
    """Show one run: its result so far, and its trace.

    json is the result alone, stream-json the trace alone.
    """
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain.codec import to_json
    from ..domain.trace import line
    from . import result

    with reading(Paths.default()) as journal:
        row = journal.run(run)
        events = [] if output_format is Format.json else _all_events(journal, row.id)
    if output_format is Format.json:
        output.emit(result.of_shown_run(row))
        return
    if output_format is Format.stream:
        for envelope in events:
            output.emit(to_json(envelope))
        return
    for key, value in result.of_shown_run(row).items():
        if value not in (None, "", [], {}):
            output.say(f"{key:<14}{_plain(value)}")
    output.say()
    for envelope in events:
        drawn = line(envelope)
        if drawn:
            output.say(f"{output.clock(drawn.at)}  {drawn.state:<6}  {drawn.kind:<6}  {drawn.text}")


def _all_events(journal: ReadClient, run: str) -> list[Envelope]:
    """Every event of the run and its attempts, page by page."""
    found: list[Envelope] = []
    while page := journal.events(run, found[-1].pos if found else 0):
        found += page
    return found


def _plain(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key} {item}" for key, item in value.items())
        case list():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
    return str(value)


@runs.command()
@click.argument("run", metavar="[RUN]", default="")
@format_option
def tail(run: str, output_format: Format) -> None:
    """Follow events as they happen, one a line.

    Ends with the run; without RUN it follows all of them until Ctrl-C.
    """
    import asyncio

    from ..config.paths import Paths

    asyncio.run(_tail(Paths.default(), run, as_json=output_format is not Format.text))


async def _tail(paths: Paths, run: str, *, as_json: bool) -> None:
    from ..clients.socket import SocketClient
    from ..domain.codec import to_json
    from ..domain.events import RunFinished, root_of
    from ..domain.trace import line

    port = await SocketClient.connect(paths)
    try:
        after = 0
        if run:
            run = root_of((await port.run(run)).id)
        else:
            after = (await port.snapshot()).pos
        async for batch in port.batches(after):
            for wire in batch.events:
                if run and root_of(wire.run) != run:
                    continue
                envelope = wire.open()
                if as_json:
                    output.emit(to_json(envelope))
                elif drawn := line(envelope):
                    output.say(f"{output.clock(drawn.at)}  {drawn.stream:<6}  {drawn.state:<6}  {drawn.text}")
                if run and isinstance(envelope.event, RunFinished):
                    return
    finally:
        await port.close()


@runs.command()
@click.argument("run", metavar="[RUN]", default="")
@click.option("--all", "everything", is_flag=True, help="Every open run: the kill switch.")
@click.option("--reason", default="", help="Why, for the record.")
@format_option
def cancel(run: str, everything: bool, reason: str, output_format: Format) -> None:
    """Ask the engine to cancel a run, or all of them.

    No model is asked and nothing is done any more once it answers; what was done stays done.
    """
    from ..domain.errors import UsageError
    from ..port.commands import CancelAll, CancelRun
    from . import link

    if bool(run) == everything:
        raise UsageError("Name one RUN, or give --all.", "List them with: harness-tui runs list")
    by = link.operator()
    link.send(CancelAll(by, reason) if everything else CancelRun(run, by, reason), output_format)
