"""`harness-tui engine`: start, stop and look at the engine of this home."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import output
from .output import Format, FormatOption

app = typer.Typer(help="Start, stop and look at the engine.", no_args_is_help=True, rich_markup_mode=None)


@app.command("start")
def start(output_format: FormatOption = Format.text) -> None:
    """Start an engine that outlives this terminal; one that runs already is as good."""
    from ..config.paths import Paths
    from ..daemon.spawn import start_detached

    start_detached(Paths.default())
    status(output_format)


@app.command("stop")
def stop(
    now: Annotated[bool, typer.Option("--now", help="Do not let running steps finish.")] = False,
    output_format: FormatOption = Format.text,
) -> None:
    """Stop the engine; unfinished runs and open approvals wait for the next one."""
    from ..clients.read import status as look
    from ..config.paths import Paths
    from ..daemon.spawn import stop_running

    paths = Paths.default()
    if not look(paths)["running"]:
        told = f"No engine runs for {paths.home}."
    else:
        stop_running(paths, now=now)
        told = "The engine stopped."
    if output_format is Format.text:
        output.tell(told)
    else:
        output.emit({"running": False, "text": told, "exit": 0})


@app.command("status")
def status(output_format: FormatOption = Format.text) -> None:
    """Whether an engine runs, where, and since when."""
    from ..clients.read import status as look
    from ..config.paths import Paths

    found = look(Paths.default())
    if output_format is Format.text:
        output.say(sentence(found))
    else:
        output.emit(found)


def sentence(found: dict[str, Any]) -> str:
    """The status in one line."""
    if not found["running"]:
        return f"no engine runs for {found['home']}; start it with: harness-tui engine start"
    minutes, seconds = divmod(found["uptime_s"], 60)
    hours, minutes = divmod(minutes, 60)
    return f"engine {found['version']} runs, pid {found['pid']}, up {hours}:{minutes:02}:{seconds:02}, {found['home']}"


@app.command("logs")
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="At most this many, the newest.")] = 200,
) -> None:
    """Print the end of the engine's log."""
    from collections import deque

    from ..config.paths import Paths

    path = Paths.default().log
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in deque(file, maxlen=lines):
                output.say(line.rstrip("\n"))
    except FileNotFoundError:
        output.tell(f"There is no log yet: no detached engine ever ran for {path.parent}.")


@app.command("serve", hidden=True)
def serve() -> None:
    """Be the engine, in the foreground: what `engine start` detaches, and what a service manager runs."""
    import asyncio

    from ..config.paths import Paths
    from ..daemon.host import serve as host
    from ..engine.engine import Engine

    paths = Paths.default()
    raise typer.Exit(asyncio.run(host(paths, lambda: Engine.open(paths))))
