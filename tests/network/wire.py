"""What the network tests stand on: a scripted server on loopback, and an eye on every address connected to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Self

Script = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Site:
    """`async with Site(script)`: a server that reads a head and lets `script` answer; `heads` are what it was asked."""

    def __init__(self, script: Script | bytes, tls: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self._script = _saying(script) if isinstance(script, bytes) else script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.netloc = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.netloc}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._script(head, reader, writer)
                await writer.drain()
        finally:
            writer.close()


def _saying(answer: bytes) -> Script:
    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return script


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer; `content_type="text/plain"` names a header."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def words(text: str) -> list[str]:
    return text.split()


def answering(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that always says the same."""

    async def resolver(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolver


_eyes: list[list[tuple[Any, ...]]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _eyes or event != "socket.connect" or arguments[0].family not in (socket.AF_INET, socket.AF_INET6):
        return
    _eyes[-1].append(tuple(arguments[1][:2]))
    if not str(arguments[1][0]).startswith("127."):
        raise ConnectionRefusedError(111, "the test lets nothing leave this machine")


sys.addaudithook(_watch)


@contextlib.contextmanager
def connects() -> Iterator[list[tuple[Any, ...]]]:
    """(address, port) of every connect of this process meanwhile, tried or done; none leaves this machine."""
    _eyes.append([])
    try:
        yield _eyes[-1]
    finally:
        _eyes.pop()
