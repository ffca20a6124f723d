"""Hosting: whoever opens an engine holds the lock and serves the socket, detached or for one run's lifetime."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar

from ..config.paths import Paths
from ..domain.errors import HarnessError
from ..port.commands import StopEngine
from ..port.port import EnginePort
from .lock import Lock
from .server import Server, make_private


class Hosted(EnginePort, Protocol):
    """An engine somebody hosts: `stopped` is set once a stop was asked for; closing it is then the host's part."""

    @property
    def stopped(self) -> asyncio.Event: ...


E = TypeVar("E", bound=Hosted)


@asynccontextmanager
async def hosting(paths: Paths, open_engine: Callable[[], Awaitable[E]]) -> AsyncIterator[E]:
    """Take the lock, open the engine, serve its socket; undo it in the order in which front ends lose least.

    Raises SetupError: a second engine, an unsafe directory, a journal that cannot be opened.
    """
    paths.ensure()
    make_private(paths.home)
    with Lock.take(paths):
        engine = await open_engine()
        try:
            server = await Server.start(engine, paths.socket)
        except BaseException:
            await engine.close()
            raise
        try:
            yield engine
        finally:
            server.hide()
            try:
                await engine.close()
            finally:
                await server.end()


async def serve(paths: Paths, open_engine: Callable[[], Awaitable[E]]) -> int:
    """The whole life of a detached engine; returns its exit code.

    SIGTERM and SIGINT are a clean stop; a second one ends the process at once, which loses nothing that was shown as
    saved. SIGHUP means nothing: a terminal that goes away is none of the engine's business.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    async with hosting(paths, open_engine) as engine:
        obeying = asyncio.create_task(_obey(signals, engine))
        await engine.stopped.wait()
        obeying.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return 0


async def _obey(signals: asyncio.Queue[int], engine: Hosted) -> None:
    await signals.get()
    with suppress(HarnessError):
        await engine.send(StopEngine())
