"""One connected front end: its requests answered, its subscriptions fed, its slowness kept to itself."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from ..domain.codec import WireEvent
from ..domain.errors import HarnessError, LinkLost, UsageError
from ..port import wire
from ..port.dial import START
from ..port.port import EnginePort
from ..port.snapshot import Batch

log = logging.getLogger(__name__)

MAX_PENDING = 16
"""Requests worked on at once per connection; the next line is read when one is done."""
MAX_FOLLOWS = 4
HELLO_SECONDS = 5.0
FLUSH_SECONDS = 1.0


class Session:
    """Speaks `port.wire` with one front end until it leaves, breaks the protocol or the engine stops."""

    def __init__(self, engine: EnginePort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._engine = engine
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._room = asyncio.Semaphore(MAX_PENDING)
        self._pending: set[asyncio.Task[None]] = set()
        self._follows: dict[int, asyncio.Task[None]] = {}
        self._windows: dict[int, asyncio.Semaphore] = {}

    async def run(self) -> None:
        """Serve until the connection ends; never raises but CancelledError."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                line = await self._reader.readline()
            await self._write(wire.hello())
            wire.check_hello(line, "console")
            await self._serve()
        except HarnessError as error:
            await self._write(wire.failed(0, error))
        except (TimeoutError, ConnectionError):
            pass
        except ValueError:  # what StreamReader.readline makes of a line over its limit
            await self._write(wire.failed(0, UsageError(f"The request has more than {wire.MAX_REQUEST} bytes.")))
        finally:
            for follow in self._follows.values():
                follow.cancel()
            # A command that was accepted is carried through although nobody waits for its answer any more.
            if tasks := [*self._follows.values(), *self._pending]:
                await asyncio.wait(tasks)

    async def end(self) -> None:
        """The engine has stopped: deliver what is left within FLUSH_SECONDS and say so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await asyncio.gather(*self._pending, *self._follows.values(), return_exceptions=True)
                await self._write(wire.failed(0, LinkLost("The engine has stopped.", START)))
        self._writer.transport.abort()
        for task in self._pending:
            task.cancel()

    async def _serve(self) -> None:
        while line := await self._reader.readline():
            try:
                request = wire.read_request(line)
            except wire.Malformed as error:
                if not error.id:
                    raise
                await self._write(wire.failed(error.id, error))
                continue
            match request:
                case wire.Follow():
                    await self._start_following(request)
                case wire.More(id=ident):
                    if ident in self._windows:
                        self._windows[ident].release()
                case wire.Leave(id=ident):
                    if ident in self._follows:
                        self._follows[ident].cancel()
                case _:
                    await self._room.acquire()
                    task = asyncio.create_task(self._answer(request))
                    self._pending.add(task)
                    task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self._room.release()

    async def _answer(self, request: wire.Request) -> None:
        try:
            value = await self._ask(request)
            line = wire.ok(request.id, value)
        except HarnessError as error:
            line = wire.failed(request.id, error)
        except Exception as error:
            line = wire.failed(request.id, broken(error, type(request).__name__.lower()))
        await self._write(line)

    async def _ask(self, request: wire.Request) -> Any:
        engine = self._engine
        match request:
            case wire.Info():
                return await engine.info()
            case wire.Look():
                return await engine.snapshot()
            case wire.Send(command=command):
                return await engine.send(command)
            case wire.Runs(limit=limit):
                return await engine.runs(limit)
            case wire.Run(run=run):
                return await engine.run(run)
            case wire.Approvals(all=every):
                return await engine.approvals(all=every)
            case wire.Events(run=run, after=after, limit=limit):
                return [WireEvent.of(e) for e in await engine.events(run, after, limit)]
            case wire.Loops(all=every):
                return await engine.loops(all=every)
            case wire.Loop(name=name):
                return await engine.loop(name)
            case wire.Rounds(loop=loop, limit=limit):
                return await engine.rounds(loop, limit)
            case wire.Slots(loop=loop, limit=limit):
                return await engine.slots(loop, limit)
            case wire.Dag(run=run):
                return await engine.dag(run)
            case wire.Stream(uid=uid, after=after, limit=limit):
                return [WireEvent.of(e) for e in await engine.stream(uid, after, limit)]
            case wire.Blob(sha=sha):
                return await engine.blob(sha)
            case _:
                raise UsageError(f"The engine does not know {type(request).__name__}.")

    async def _start_following(self, request: wire.Follow) -> None:
        if len(self._follows) >= MAX_FOLLOWS or request.id in self._follows:
            error = UsageError(f"A connection follows at most {MAX_FOLLOWS} times at once.")
            await self._write(wire.failed(request.id, error))
            return
        # One batch is always on its way while the others of the window are acknowledged.
        self._windows[request.id] = asyncio.Semaphore(wire.WINDOW - 1)
        self._follows[request.id] = asyncio.create_task(self._follow(request))

    async def _follow(self, request: wire.Follow) -> None:
        """Send batches as fast as the reader takes them, and no faster.

        Nothing is queued here: the next batch is pulled from the engine when there is room for it. Until then the
        engine keeps state events in its log under our cursor and of flow the last values, with a count of the rest.
        """
        window = self._windows[request.id]
        try:
            async with _closing(self._engine.batches(request.since)) as batches:
                async for batch in batches:
                    await self._write(wire.pushed(request.id, batch))
                    await window.acquire()
        except HarnessError as error:
            await self._write(wire.failed(request.id, error))
        except Exception as error:
            await self._write(wire.failed(request.id, broken(error, "follow")))
        finally:
            del self._follows[request.id], self._windows[request.id]

    async def _write(self, line: bytes) -> None:
        """Write one line when it is its turn; waits for a slow reader, and forgets one that is gone."""
        with suppress(ConnectionError):
            async with self._turn:
                self._writer.write(line)
                await self._writer.drain()


@asynccontextmanager
async def _closing(batches: AsyncIterator[Batch]) -> AsyncIterator[AsyncIterator[Batch]]:
    """Close the engine's generator at once, not when it is collected."""
    try:
        yield batches
    finally:
        close = getattr(batches, "aclose", None)
        if close:
            await close()


def broken(error: Exception, what: str) -> HarnessError:
    """A fault of ours: where it happened goes to the log, its message does not, since that may hold values."""
    log.error("%s failed: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return HarnessError(f"The engine failed at {what} ({type(error).__name__}).", "See: harness-tui engine logs")
