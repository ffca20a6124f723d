"""Where a front end meets an engine: the one that runs, or one hosted here for as long as it is needed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..config.paths import Paths
from ..domain.errors import HarnessError
from . import output
from .output import Format

if TYPE_CHECKING:
    from ..clients.socket import SocketClient
    from ..engine.engine import Engine
    from ..port.commands import AnyCommand
    from ..port.port import EnginePort

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@asynccontextmanager
async def running_or_hosted(paths: Paths) -> AsyncIterator[EnginePort]:
    """The running engine, else one hosted in this process for as long as the block lasts: same lock, same socket.

    Raises HarnessError (143) inside the block when somebody stops the hosted engine; its runs wait for the next one.
    """
    client = await _connected(paths)
    if client is None:
        async with _hosted(paths) as engine:
            yield engine
        return
    try:
        yield client
    finally:
        await client.close()


async def _connected(paths: Paths) -> SocketClient | None:
    from ..clients.socket import SocketClient
    from ..port.dial import NoEngine

    try:
        return await SocketClient.connect(paths)
    except NoEngine:
        return None


@asynccontextmanager
async def _hosted(paths: Paths) -> AsyncIterator[Engine]:
    from ..config.secret_variables import take
    from ..daemon.host import hosting
    from ..engine.engine import Engine

    _log_to(paths)
    secrets = take(os.environ)
    async with hosting(paths, lambda: Engine.open(paths, secrets=secrets)) as engine:
        task = asyncio.current_task()
        asked = asyncio.create_task(engine.stopped.wait())
        asked.add_done_callback(lambda done: task.cancel() if task and not done.cancelled() else None)
        try:
            yield engine
        except asyncio.CancelledError:
            if not engine.stopped.is_set() or task is None or task.uncancel():
                raise
            raise HarnessError(
                "The engine was asked to stop; its runs wait for the next one.",
                "Go on with: harness-tui engine start",
                exit_code=143,
            ) from None
        finally:
            asked.cancel()


def _log_to(paths: Paths) -> None:
    """What the engine logs is not the run's narration: it goes where a detached engine's goes."""
    import logging

    paths.ensure()
    logging.raiseExceptions = False  # a log on a full disk is no reason to write into the terminal
    log = os.open(paths.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    logging.basicConfig(stream=os.fdopen(log, "a", encoding="utf-8"), level=logging.INFO, format=LOG_FORMAT)


def send(command: AnyCommand, output_format: Format) -> None:
    """Send one command to the running engine and print what it says. Raises SetupError (78) when none runs."""
    from ..clients.read import reading

    with reading(Paths.default()) as source:
        reply = source.send(command)
    if output_format is Format.text:
        output.tell(reply.text)
    else:
        output.emit({"id": reply.id, "text": reply.text, "exit": 0})


def operator() -> str:
    """Who decides, for the record: the login name, and that it came from a shell."""
    import pwd

    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name} (cli)"
    except KeyError:
        return f"uid {os.getuid()} (cli)"
