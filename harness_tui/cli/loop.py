"""`harness-tui loop`: register, watch and steer governed loops. Reading never starts an engine; `add` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..port.commands import AnyCommand


@click.group()
def loop() -> None:
    """Governed loops: agents on a schedule, at a level they earn."""


@loop.command()
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--pattern", default="", metavar="NAME", help="One of the shipped patterns instead of a FILE.")
@click.option("--name", default="", help="With --pattern: what this loop is called (default: as the pattern).")
@click.option("--level", type=click.Choice(["L1", "L2"]), help="With --pattern: where it begins.")
@click.option("--workspace", type=click.Path(path_type=Path), help="The directory it works on (default: here).")
@click.option("--print", "printed", is_flag=True, help="With --pattern: print its loop file and add nothing.")
@click.option("--fast", is_flag=True, help="It may fire more often than once a minute.")
@click.option("--url", default="", help="Base URL of the model's API.")
@click.option("--api", default="", help="Its protocol, as in `run`.")
@click.option("--model", default="", help="The model's name at that URL.")
@format_option
def add(
    file: Path | None,
    pattern: str,
    name: str,
    level: str | None,
    workspace: Path | None,
    printed: bool,
    fast: bool,
    url: str,
    api: str,
    model: str,
    output_format: Format,
) -> None:
    """Register a loop from FILE, or pin one of that name anew.

    What it says now is what counts: a file that changes later changes nothing until it is added again. A loop begins
    at L1 or L2; `loop promote` raises it on evidence. Starts an engine if none runs.
    """
    from . import loop_add

    loop_add.add(
        file,
        pattern=pattern,
        name=name,
        level=level,
        workspace=workspace,
        printed=printed,
        fast=fast,
        url=url,
        api=api,
        model=model,
        output_format=output_format,
    )


@loop.command("list")
@click.option("--all", "everything", is_flag=True, help="Removed ones too.")
@format_option
def list_loops(everything: bool, output_format: Format) -> None:
    """List loops: level, state, next fire, last outcome, what waits."""
    from ..clients.read import reading
    from ..config.paths import Paths

    with reading(Paths.default()) as journal:
        rows = journal.loops(all=everything)
    if not rows and output_format is Format.text:
        output.tell("No loops yet. Add one with: harness-tui loop add --pattern daily_triage")
        return
    if not rows:
        output.emit([])
        return
    from . import loop_show

    if output_format is Format.text:
        output.table(loop_show.HEADS, (loop_show.cells(row) for row in rows))
    else:
        output.emit([loop_show.listed(row) for row in rows])


@loop.command()
@click.argument("name")
@click.option("--round", "number", type=click.IntRange(1), help="One round, with its report.")
@click.option("--limit", type=click.IntRange(1), default=20, help="At most this many rounds and slots, newest first.")
@format_option
def show(name: str, number: int | None, limit: int, output_format: Format) -> None:
    """Show a loop: its spec, scorecard, rounds and slots; or one round."""
    from . import loop_show

    loop_show.show(name, number, limit, output_format)


@loop.command()
@click.argument("name")
@click.option("--from", "start", default="", metavar="ISO", help="Back-fill: a round for each slot without one since.")
@click.option("--to", "end", default="", metavar="ISO", help="Back-fill until then (default: now).")
@format_option
def run(name: str, start: str, end: str, output_format: Format) -> None:
    """Start a round now, or back-fill the slots of a range."""
    import time

    from ..domain.errors import UsageError
    from ..port.commands import BackfillLoop, RunLoop

    if end and not start:
        raise UsageError("--to needs --from.")
    if not start:
        _send(RunLoop(name, _operator()), output_format)
        return
    from . import loop_show

    until = loop_show.moment(end, "--to") if end else time.time_ns() // 1000
    _send(BackfillLoop(name, loop_show.moment(start, "--from"), until, _operator()), output_format)


@loop.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--until", default="", metavar="ISO|DURATION", help="Resume by itself then: 2026-12-24T08:00, 3d, 4h.")
@format_option
def pause(name: str, reason: str, until: str, output_format: Format) -> None:
    """No slot of it fires until it is resumed; a running round ends as it would."""
    from ..port.commands import PauseLoop
    from . import loop_show

    at = loop_show.moment(until, "--until", ahead=True) if until else 0
    _send(PauseLoop(name, _operator(), reason, at), output_format)


@loop.command()
@click.argument("name")
@format_option
def resume(name: str, output_format: Format) -> None:
    """Let a paused loop go on."""
    from ..port.commands import ResumeLoop

    _send(ResumeLoop(name, _operator()), output_format)


@loop.command()
@click.argument("name")
@click.option("--to", "level", type=click.Choice(["L2", "L3"]), help="The level (default: the next one).")
@click.option("--reason", default="", help="Why, for the record.")
@format_option
def promote(name: str, level: str | None, reason: str, output_format: Format) -> None:
    """Raise a loop's level by one, if its evidence is on record and, for L3, its gate passes a drill."""
    _set_level(name, level, 1, reason, output_format)


@loop.command()
@click.argument("name")
@click.option("--to", "level", type=click.Choice(["L1", "L2"]), help="The level (default: the one below).")
@click.option("--reason", default="", help="Why, for the record.")
@format_option
def demote(name: str, level: str | None, reason: str, output_format: Format) -> None:
    """Lower a loop's level at once."""
    _set_level(name, level, -1, reason, output_format)


@loop.command()
@click.argument("name")
@format_option
def remove(name: str, output_format: Format) -> None:
    """Take a loop off the schedule; what it did stays on record."""
    from ..port.commands import RemoveLoop

    _send(RemoveLoop(name, _operator()), output_format)


@loop.command()
@click.argument("name", metavar="[NAME]", default="")
@click.option("--schedule", default="", metavar="EXPR", help="Any expression instead of a loop's.")
@click.option("--tz", default="", metavar="ZONE", help="IANA zone (default: the loop's, else UTC).")
@click.option("--after", default="", metavar="ISO", help="Fires after this moment (default: now).")
@click.option("--count", type=click.IntRange(1, 10_000), default=10, help="How many.")
@format_option
def preview(name: str, schedule: str, tz: str, after: str, count: int, output_format: Format) -> None:
    """When a loop, or any schedule, fires next, with what daylight saving does to it."""
    from . import loop_preview

    loop_preview.preview(name, schedule, tz, after, count, output_format)


@loop.command()
@click.argument("name")
@format_option
def why(name: str, output_format: Format) -> None:
    """Why a loop does not run, what it waits for, and what it lacks for the next level."""
    from . import loop_show

    loop_show.why(name, output_format)


def _set_level(name: str, level: Any, step: int, reason: str, output_format: Format) -> None:
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain.errors import UsageError
    from ..domain.loop import find
    from ..domain.task import LEVELS
    from ..port.commands import SetLevel

    with reading(Paths.default()) as journal:
        row = find.loop(journal.loops(all=True), name)
    now = LEVELS.index(row.level)
    wanted = LEVELS.index(level) if level else now + step
    if (wanted - now) * step <= 0 or not 0 <= wanted < len(LEVELS):
        where = "above" if step > 0 else "below"
        raise UsageError(f"{row.name} is at {row.level}; {level or 'no level'} is not {where} it.")
    _send(SetLevel(name, LEVELS[wanted], _operator(), reason), output_format)


def _operator() -> str:
    from . import link

    return link.operator()


def _send(command: AnyCommand, output_format: Format) -> None:
    from . import link

    link.send(command, output_format)
