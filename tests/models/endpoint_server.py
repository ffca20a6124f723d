"""A model endpoint on a real loopback socket that answers exactly the bytes a test gives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """One request as it came over the wire; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes = b""


@dataclass
class EndpointServer:
    """Answers each request with the next of `answers` (the last one again when they run out).

    An answer is a list of byte pieces, each flushed on its own; an `asyncio.Event` in it waits; `...` breaks the
    connection with a reset. After the last piece the connection is closed.
    """

    answers: list[list[Any]]
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the client has hung up on a waiting answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
            raw = await reader.readexactly(int(headers.get("content-length", 0)))
            self.seen.append(Seen(first.split(" ")[1], headers, json.loads(raw) if raw else None, raw))
            for piece in self.answers[min(len(self.seen), len(self.answers)) - 1]:
                if piece is ...:
                    writer.transport.abort()
                    return
                if isinstance(piece, asyncio.Event):
                    await reader.read()
                    self.closed.set()
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers: list[Any]) -> AsyncIterator[EndpointServer]:
    here = EndpointServer(list(answers))
    server = await asyncio.start_server(here.handle, "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def sse(*items: Any) -> list[bytes]:
    """A stream of events: dicts as JSON, text as it is."""
    datas = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in items]
    return [STREAM, *(f"data: {data}\n\n".encode() for data in datas)]


def named_sse(*events: Any) -> list[bytes]:
    """A stream whose events have their type as their name, as Anthropic sends them; bytes as they are."""
    pieces = [
        e if isinstance(e, bytes) else f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode()
        for e in events
    ]
    return [STREAM, *pieces]


def status(code: int, body: Any, **headers: str) -> list[bytes]:
    """An error answer; header names with `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if raw[:1] == b"<" else "application/json"
    lines = [f"HTTP/1.1 {code} X", f"Content-Type: {kind}", f"Content-Length: {len(raw)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n" + raw]


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": [_choice(delta, finish)]}


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def call_piece(index: int | None, arguments: str | None = None, **more: Any) -> dict[str, Any]:
    """A fragment of a tool call; `id` and `name` as keywords."""
    function = {
        key: value for key, value in (("name", more.pop("name", None)), ("arguments", arguments)) if value is not None
    }
    return {**({} if index is None else {"index": index}), **more, "function": function}


def usage(prompt: int, completion: int, **details: Any) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **details}}
