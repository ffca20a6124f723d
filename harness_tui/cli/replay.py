"""`harness-tui replay`: play a recorded run again and say whether it goes the same way. It needs no engine, no home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..domain.events import Envelope

CUT = "The recording ends before the run did."


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@format_option
def replay(file: Path, output_format: Format) -> None:
    """Play a recording made with `run --record FILE`.

    No model is asked, no tool runs, no time passes. The result is that of the run, with its exit code; an event that
    comes out another way than it was recorded is shown, and the exit code is 1.
    """
    import asyncio

    from ..agent import replaying
    from ..agent.tape import RunHeader, RunRecord
    from ..models.cassette.form import load
    from . import result
    from .run import print_text

    header, records = load(file, RunHeader, RunRecord)
    played = asyncio.run(replaying.replay(header, records, _shown(output_format)))
    error = played.difference or ("" if played.whole else CUT)
    row = played.views.runs.get(header.run)
    document: dict[str, Any] = {"error": error, "exit": 1}
    if row:
        document = result.of_run(row, exit_code=1 if error else None, error=error)
    document["replayed"] = True
    if output_format is Format.json:
        output.finish(document, document["exit"])
    if output_format is Format.text and row:
        print_text(document)
    for line in error.splitlines():
        output.tell(line)
    raise click.exceptions.Exit(document["exit"])


def _shown(output_format: Format) -> Any:
    """What is done with each event: printed as JSON, or its step told as `run` tells it."""
    from ..domain.codec import to_json
    from ..domain.trace import line

    def show(envelope: Envelope) -> None:
        if output_format is Format.stream:
            output.emit(to_json(envelope))
        elif drawn := line(envelope):
            output.tell(f"{output.clock(drawn.at)}  {drawn.state:<6}  {drawn.kind:<6}  {drawn.text}")

    return show
