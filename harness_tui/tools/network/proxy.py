"""The browser's only way out: an HTTP proxy on loopback that judges each connection as a fetch is judged."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from ...domain.errors import HarnessError
from ...domain.network.reach import Reach
from ...domain.network.targets import Target, authority, target
from .connect import BUFFER, Connector, Refused, Resolver, Streams, resolve
from .heads import Head, Malformed, body, read_request, read_response, until_end, written

CONNECTIONS = 256
"""Open at once; a browser keeps fewer, one more is answered 503."""
NOTED = 100
"""Refusals kept for people; `refusals` counts on."""
_LINGER = 30.0
"""Seconds one direction of a tunnel may go on after the other has ended."""
_HEARD = 2.0
"""Seconds a client that was refused has to hear it."""
_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    407: "Proxy Authentication Required",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Proxy:
    """`async with Proxy(reach) as proxy`: Playwright's `proxy={"server", "username", "password"}`.

    It serves who knows its password, made anew for each run: no other program of this machine gets out through it.

    Args:
        patience: seconds a client may take to say what it wants.

    Attributes:
        refused: why connections were refused, the first NOTED of them, a line each.
        refusals: how many were.
    """

    def __init__(self, reach: Reach, resolver: Resolver = resolve, *, patience: float = 30.0) -> None:
        self.username, self.password = "run", secrets.token_urlsafe(24)
        self.refused: list[str] = []
        self.refusals = 0
        self._connector = Connector(reach, resolver)
        self._patience = patience
        self._pass = base64.b64encode(f"{self.username}:{self.password}".encode())
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=BUFFER)

    async def close(self) -> None:
        """Ends every connection; never raises."""
        if self._server:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def server(self) -> str:
        """`http://127.0.0.1:PORT`. Only of an open proxy."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    # -- one connection of the browser ---------------------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # Whatever a peer does ends its own connection, never the proxy.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, Malformed, TimeoutError):
                await self._converse((reader, writer))
                writer.close()
                async with asyncio.timeout(_LINGER):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _converse(self, client: Streams) -> None:
        if len(self._serving) > CONNECTIONS:
            return await _say(client, 503, "The browser has too many connections open.")
        try:
            async with asyncio.timeout(self._patience):
                head = await read_request(client[0])
                size = head.body()
        except Malformed as error:
            return await _say(client, 400, f"The request cannot be read: {error}.")
        if not self._ours(head):
            return await _say(client, 407, "This proxy serves its own browser only.")
        method, wanted = head.start
        tunnel = method == "CONNECT"
        place = authority(wanted) if tunnel else target(wanted)
        if isinstance(place, str) or (tunnel and size) or place.scheme == "https" or len(head.values("host")) > 1:
            wrong = place if isinstance(place, str) else "The proxy tunnels https, and forwards http with one host."
            self._note(wrong)
            return await _say(client, 400, wrong)
        try:
            server = await self._connector.open(place)
        except Refused as error:
            self._note(error.what)
            return await _say(client, 403, str(error))
        except HarnessError as error:
            return await _say(client, 502, str(error))
        try:
            await (_tunnel(client, server) if tunnel else _forward(client, server, head, size, place))
        finally:
            server[1].transport.abort()

    def _ours(self, head: Head) -> bool:
        given = head.values("proxy-authorization")
        scheme, _, said = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        return scheme.lower() == "basic" and hmac.compare_digest(said.strip().encode("latin-1"), self._pass)

    def _note(self, why: str) -> None:
        self.refusals += 1
        if len(self.refused) < NOTED:
            self.refused.append(why)


async def _say(client: Streams, status: int, reason: str) -> None:
    text = f"{reason}\n".encode()
    challenge = (("Proxy-Authenticate", 'Basic realm="harness-tui"'),) if status == 407 else ()
    plain = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))
    end = (("Content-Length", str(len(text))), ("Connection", "close"))
    client[1].write(written(f"HTTP/1.1 {status} {_REASONS[status]}", (*challenge, *plain, *end)) + text)
    client[1].write_eof()
    # Closing on unread bytes would reset the connection and lose the answer with it.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEARD):
            while await client[0].read(BUFFER):
                pass


# -- https and WebSockets: bytes both ways -----------------------------------------------------------------------------


async def _tunnel(client: Streams, server: Streams) -> None:
    client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    ways = {asyncio.create_task(_pump(client[0], server[1])), asyncio.create_task(_pump(server[0], client[1]))}
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if all(way.exception() is None for way in done):
            await asyncio.wait(ways, timeout=_LINGER)
    finally:
        await _end(ways)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(BUFFER):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


# -- http: one exchange a connection -----------------------------------------------------------------------------------


async def _forward(client: Streams, server: Streams, head: Head, size: int, place: Target) -> None:
    """Send the request on and answer with what comes back, until the server ends or the browser leaves."""
    ours = head.passed_on("host", add=(("Connection", "close"),))
    server[1].write(written(f"{head.start[0]} {place.path} HTTP/1.1", (("Host", place.netloc), *ours)))
    asked = asyncio.create_task(_ask(client[0], server[1], size))
    answered = asyncio.create_task(_answer(server[0], client, head.start[0]))
    try:
        await asyncio.wait({asked, answered}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end({asked, answered})


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    """Send the body on, then wait for the browser to leave; what it sends before that belongs to no request."""
    with contextlib.suppress(ConnectionError):  # a server may answer before it has read everything, and close
        async for piece in body(reader, size):
            writer.write(piece)
            await writer.drain()
    while await reader.read(BUFFER):
        pass


async def _answer(reader: asyncio.StreamReader, client: Streams, method: str) -> None:
    try:
        head = await read_response(reader)
        while 100 <= int(head.start[0]) < 200:
            if head.start[0] == "101":
                raise Malformed("it changes the protocol")
            client[1].write(written(head.line, head.passed_on()))
            head = await read_response(reader)
        pieces = _content(reader, head, method)
    except (Malformed, asyncio.IncompleteReadError) as error:
        why = error if isinstance(error, Malformed) else "it ended early"
        return await _say(client, 502, f"The server's answer cannot be read: {why}.")
    client[1].write(written(head.line, head.passed_on(add=(("Connection", "close"),))))
    async for piece in pieces:
        client[1].write(piece)
        await client[1].drain()


def _content(reader: asyncio.StreamReader, head: Head, method: str) -> AsyncIterator[bytes]:
    """What follows a response's head. Raises Malformed."""
    if method == "HEAD" or head.start[0] in ("204", "304"):
        return body(reader, 0)
    size = head.body()
    return body(reader, size) if size or head.values("content-length") else until_end(reader)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
