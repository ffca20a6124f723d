"""`harness-tui engine`: start, stop and look at the engine of this home."""

from __future__ import annotations

from typing import Any

import click

from . import output
from .output import Format, format_option


@click.group()
def engine() -> None:
    """Start, stop and look at the engine."""


@engine.command()
@format_option
def start(output_format: Format) -> None:
    """Start an engine that outlives this terminal.

    One that runs already is as good.
    """
    from ..config.paths import Paths
    from ..daemon.spawn import start_detached

    start_detached(Paths.default())
    _show_status(output_format)


@engine.command()
@click.option("--now", is_flag=True, help="Do not let running steps finish.")
@format_option
def stop(now: bool, output_format: Format) -> None:
    """Stop the engine cleanly.

    Unfinished runs and open approvals wait for the next one.
    """
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


@engine.command()
@format_option
def status(output_format: Format) -> None:
    """Whether an engine runs, where, and since when."""
    _show_status(output_format)


def _show_status(output_format: Format) -> None:
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


@engine.command()
@click.option("--lines", "-n", type=click.IntRange(1), default=200, help="At most this many, the newest.")
def logs(lines: int) -> None:
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


@engine.command(hidden=True)
def serve() -> None:
    """Be the engine, in the foreground: what `engine start` detaches, and what a service manager runs."""
    import asyncio
    import logging
    import os

    from ..config.paths import Paths
    from ..config.secret_variables import take
    from ..daemon.host import serve as host
    from ..daemon.spawn import received
    from ..engine.engine import Engine
    from .link import LOG_FORMAT

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    paths = Paths.default()
    secrets = received() | take(os.environ)
    raise click.exceptions.Exit(asyncio.run(host(paths, lambda: Engine.open(paths, secrets=secrets))))
