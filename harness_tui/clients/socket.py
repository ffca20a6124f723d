"""EnginePort over the engine's socket: one connection, any number of questions and subscriptions at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

from ..config.paths import Paths
from ..domain.codec import WireEvent
from ..domain.dag.picture import DagPicture
from ..domain.errors import HarnessError, LinkLost
from ..domain.events import Envelope
from ..domain.loop.rows import LoopRow, RoundRow, SlotRow, SpecRow
from ..domain.views import ApprovalRow, RunRow
from ..port import wire
from ..port.commands import AnyCommand, Reply
from ..port.dial import START, NoEngine, check_owner
from ..port.snapshot import Batch, EngineInfo, Snapshot

GONE = "It may have stopped; attach again with: harness-tui"


class SocketClient:
    """An engine in another process. It reports a lost link and does not reconnect: that is the console's policy.

    Once the link is lost every call and every subscription raises the same LinkLost.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._next = 0
        self._asked: dict[int, asyncio.Future[wire.Line]] = {}
        self._feeds: dict[int, asyncio.Queue[Batch | HarnessError]] = {}
        self._lost: HarnessError | None = None
        self._listener: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, paths: Paths, timeout: float = 2.0) -> SocketClient:
        """Connect and greet. Raises LinkLost when no engine answers in `timeout` seconds, SetupError when the one that
        does is another user's or speaks another protocol."""
        path = paths.socket
        writer = None
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_unix_connection(os.fspath(path), limit=wire.MAX_REPLY)
                check_owner(writer.get_extra_info("socket"), path)
                with suppress(ConnectionError):
                    writer.write(wire.hello())
                    await writer.drain()
                wire.check_hello(await reader.readline(), "engine")
        except TimeoutError:
            _abort(writer)
            raise LinkLost(f"The engine at {path} does not answer.", "See: harness-tui engine logs") from None
        except OSError:
            _abort(writer)
            raise NoEngine(path) from None
        except BaseException:
            _abort(writer)
            raise
        client = cls(reader, writer)
        client._listener = asyncio.create_task(client._listen())
        return client

    async def info(self) -> EngineInfo:
        return cast(EngineInfo, await self._ask(wire.Info(self._id())))

    async def snapshot(self) -> Snapshot:
        return cast(Snapshot, await self._ask(wire.Look(self._id())))

    async def send(self, command: AnyCommand) -> Reply:
        return cast(Reply, await self._ask(wire.Send(self._id(), command)))

    async def runs(self, limit: int = 200) -> list[RunRow]:
        return cast(list[RunRow], await self._ask(wire.Runs(self._id(), limit)))

    async def run(self, run: str) -> RunRow:
        return cast(RunRow, await self._ask(wire.Run(self._id(), run)))

    async def approvals(self, *, all: bool = False) -> list[ApprovalRow]:
        return cast(list[ApprovalRow], await self._ask(wire.Approvals(self._id(), all)))

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        found = cast(list[WireEvent], await self._ask(wire.Events(self._id(), run, after, limit)))
        return [event.open() for event in found]

    async def loops(self, *, all: bool = False) -> list[LoopRow]:
        return cast(list[LoopRow], await self._ask(wire.Loops(self._id(), all)))

    async def loop(self, name: str) -> SpecRow:
        return cast(SpecRow, await self._ask(wire.Loop(self._id(), name)))

    async def rounds(self, loop: str, limit: int = 20) -> list[RoundRow]:
        return cast(list[RoundRow], await self._ask(wire.Rounds(self._id(), loop, limit)))

    async def slots(self, loop: str, limit: int = 50) -> list[SlotRow]:
        return cast(list[SlotRow], await self._ask(wire.Slots(self._id(), loop, limit)))

    async def dag(self, run: str) -> DagPicture:
        return cast(DagPicture, await self._ask(wire.Dag(self._id(), run)))

    async def stream(self, uid: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        found = cast(list[WireEvent], await self._ask(wire.Stream(self._id(), uid, after, limit)))
        return [event.open() for event in found]

    async def blob(self, sha: str) -> bytes:
        return cast(bytes, await self._ask(wire.Blob(self._id(), sha)))

    async def batches(self, since: int) -> AsyncIterator[Batch]:
        """Everything after cursor `since`. Raises LinkLost when the link ends, having given all that had come."""
        request = wire.Follow(self._id(), since)
        feed: asyncio.Queue[Batch | HarnessError] = asyncio.Queue()  # the engine sends at most WINDOW ahead
        self._feeds[request.id] = feed
        try:
            self._write(request)
            while True:
                item = await feed.get()
                if isinstance(item, HarnessError):
                    raise item
                yield item
                if not self._lost:
                    self._write(wire.More(request.id))
        finally:
            del self._feeds[request.id]
            if not self._lost:
                self._write(wire.Leave(request.id))

    async def close(self) -> None:
        """Hang up; the engine runs on."""
        self._lose(LinkLost("The connection to the engine was closed.", START))
        if self._listener:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def _id(self) -> int:
        self._next += 1
        return self._next

    def _write(self, request: wire.Request) -> None:
        if self._lost:
            raise self._lost
        self._writer.write(wire.request(request))

    async def _ask(self, request: wire.Request) -> Any:
        future: asyncio.Future[wire.Line] = asyncio.get_running_loop().create_future()
        self._write(request)
        self._asked[request.id] = future
        try:
            return wire.answer(request, await future)
        finally:
            self._asked.pop(request.id, None)

    async def _listen(self) -> None:
        """Sort the engine's lines to those who wait for them, until there are no more."""
        lost: HarnessError = LinkLost("The engine closed the connection.", GONE)
        try:
            while line := await self._reader.readline():
                item = wire.read_line(line)
                if item.id == 0 and item.error:
                    lost = item.error.error()
                    break
                self._deliver(item)
        except HarnessError as error:
            lost = error
        except (OSError, ValueError):  # ValueError: a line over the reader's limit
            pass
        finally:
            self._lose(lost)
            self._writer.close()

    def _deliver(self, line: wire.Line) -> None:
        future = self._asked.get(line.id)
        if future and not future.done():
            future.set_result(line)
        elif line.id in self._feeds:
            if line.error:
                self._feeds[line.id].put_nowait(line.error.error())
            elif line.batch:
                self._feeds[line.id].put_nowait(line.batch)

    def _lose(self, error: HarnessError) -> None:
        if self._lost:
            return
        self._lost = error
        for future in self._asked.values():
            if not future.done():
                future.set_exception(error)
        for feed in self._feeds.values():
            feed.put_nowait(error)


def _abort(writer: asyncio.StreamWriter | None) -> None:
    if writer:
        writer.transport.abort()
