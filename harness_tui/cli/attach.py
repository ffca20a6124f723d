"""The console on this terminal, attached to the running engine or to one started for it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output

if TYPE_CHECKING:
    from ..config.paths import Paths
    from ..console.feed import Connect
    from ..console.intents import Intent
    from ..port.commands import AnyCommand
    from ..port.port import EnginePort


def attach(first: AnyCommand | None = None, *, pane: int = 0, theme: str = "", ascii: bool | None = None) -> None:
    """Open the console until the operator leaves. `first` is started once the link stands; `pane`: where it begins.

    `theme` "" and `ascii` None leave the choice to what the terminal can do.

    Without any terminal: print the status line and end with 0.
    """
    from ..config.paths import Paths

    paths = Paths.default()
    if not any(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        from ..clients.read import status
        from .engine import sentence

        output.say(sentence(status(paths)))
        return
    from ..console.run import run_console

    theme = theme or os.environ.get("HARNESS_TUI_THEME", "")
    code = run_console(
        _connector(paths, first), theme=theme, ascii=ascii, title=_here(), launch=_launch, log=paths.log, pane=pane
    )
    raise click.exceptions.Exit(code)


def _here() -> str:
    """The working directory as a person writes it: `~/site`."""
    home, here = os.path.expanduser("~"), os.getcwd()
    return "~" + here.removeprefix(home) if here == home or here.startswith(home + "/") else here


def _connector(paths: Paths, first: AnyCommand | None) -> Connect:
    """The first link may start an engine; a later one only finds it again, since somebody may have stopped it."""
    wanted: list[AnyCommand] = [first] if first else []
    started = False

    async def connect() -> EnginePort:
        nonlocal started
        from ..clients.socket import SocketClient

        if not started:
            from ..daemon.spawn import start_detached

            await asyncio.to_thread(start_detached, paths)
            started = True
        client = await SocketClient.connect(paths)
        if wanted:
            await client.send(wanted.pop())
        return client

    return connect


def _launch(intent: Intent) -> AnyCommand:
    """The console's `:demo` and `:run` as commands."""
    from ..config.paths import Paths
    from ..console.intents import LoadDag, LoadLoop, RunTask, StartDemo
    from ..domain.errors import UsageError
    from . import run, tours

    match intent:
        case StartDemo(tours.LOOPS):
            from . import demo_loops

            return demo_loops.launched()
        case StartDemo(name):
            return tours.command(Paths.default(), name)
        case LoadLoop(source, pattern, fast):
            from ..port.commands import AddLoop
            from . import link, loop_add

            file, name = (None, source) if pattern else (Path(source).expanduser(), "")
            loaded = loop_add.load(file, name, fast=fast, paths=Paths.default())
            return AddLoop(loaded.spec, loaded.source, loaded.source_digest, link.operator(), fast)
        case LoadDag(source):
            from ..config.planfile import Given
            from . import dag_plan

            return dag_plan.start_of(Path(source).expanduser(), ("", "", ""), Given())
        case RunTask(prompt):
            return run.command(run.plain_task(prompt))
    raise UsageError("The console cannot start this.")
