"""Record and replay at the HTTP seam: what a provider was sent, and its own bytes as they came, for the real adapters.

Both transports are handed to a family as `transport` (`ApiKind.build`). Of headers only a few harmless ones are kept,
and no query; bodies and answers are written without secrets.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from ...domain.redaction import Redaction
from .form import Record, difference, fingerprint

KEPT_HEADERS = frozenset(
    {"content-type", "date", "request-id", "retry-after", "retry-after-ms", "x-request-id", "x-should-retry"}
)
"""Headers of an answer that an adapter reads. No header of a request is kept: keys travel there."""

VOLATILE = frozenset({"metadata", "prompt_cache_key", "safety_identifier", "user"})
"""Fields of a body that say who asks or when, not what."""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A piece of an answer as it came. `data` is text, or base64 where the piece is none (`coded`)."""

    ms: int
    data: str
    coded: bool = False

    @property
    def bytes(self) -> bytes:
        return base64.b64decode(self.data) if self.coded else self.data.encode()


class Http(Record, frozen=True):
    """One request and its answer.

    Attributes:
        body: parsed, without volatile fields; `hash` is over method, path and body.
        status: 0 when no answer came.
        error: the class of the `httpx2` error the exchange ended with, or "".
    """

    method: str
    path: str
    body: Any
    hash: str
    status: int = 0
    headers: dict[str, str] = {}
    chunks: tuple[Chunk, ...] = ()
    error: str = ""


class RecordingTransport:
    """An `httpx2` transport that writes down what passes through another one.

    Args:
        inner: the transport that connects; None = the network.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        write: Callable[[Http], None],
        hide: Redaction,
        inner: Any = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._hide = hide
        self._inner = inner
        self._now = now

    async def handle_async_request(self, request: Any) -> Any:
        import httpx2

        if self._inner is None:
            self._inner = await asyncio.to_thread(httpx2.AsyncHTTPTransport)
        # Compressed bytes hide what is in them from redaction.
        request.headers["accept-encoding"] = "identity"
        method, path, body = await _sent(request, self._hide)
        asked = Http(method, path, body, fingerprint([method, path, body]))
        began = self._now()
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            self._write(msgspec.structs.replace(asked, error=type(error).__name__))
            raise
        kept = {name: value for name, value in response.headers.items() if name in KEPT_HEADERS}
        asked = msgspec.structs.replace(asked, status=response.status_code, headers=kept)
        response.request = request
        return httpx2.Response(
            response.status_code,
            headers={k: v for k, v in response.headers.items() if k not in ("content-encoding", "content-length")},
            stream=_tee(response, asked, began, self),
            extensions=response.extensions,
        )

    def finished(self, asked: Http, pieces: list[tuple[int, bytes]], error: str) -> None:
        """Write an exchange whose answer is over."""
        self._write(msgspec.structs.replace(asked, chunks=_chunks(pieces, self._hide), error=error))

    def since(self, began: float) -> int:
        """Milliseconds."""
        return int((self._now() - began) * 1000)

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()

    async def __aenter__(self) -> RecordingTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _tee(response: Any, asked: Http, began: float, to: RecordingTransport) -> Any:
    """The body of `response`, decoded, written down once it ended, broke or was given up."""
    import httpx2

    class Tee(httpx2.AsyncByteStream):
        def __init__(self) -> None:
            self.pieces: list[tuple[int, bytes]] = []
            self.error = ""

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for piece in response.aiter_bytes():
                    self.pieces.append((to.since(began), piece))
                    yield piece
            except httpx2.TransportError as error:
                self.error = type(error).__name__
                raise

        async def aclose(self) -> None:
            await response.aclose()
            to.finished(asked, self.pieces, self.error)

    return Tee()


class ReplayTransport:
    """An `httpx2` transport that answers from recorded exchanges, in their order, and opens no socket.

    A request that is not the recorded one is answered by HTTP 410 with a diff, which no adapter retries or mends.
    """

    def __init__(self, exchanges: Iterable[Http], hide: Redaction | None = None) -> None:
        self._exchanges = iter(exchanges)
        self._hide = hide or Redaction()

    async def handle_async_request(self, request: Any) -> Any:
        import httpx2

        method, path, body = await _sent(request, self._hide)
        exchange = next(self._exchanges, None)
        if exchange is None:
            return _gone("The recording holds no further request.")
        if fingerprint([method, path, body]) != exchange.hash:
            recorded = {"request": f"{exchange.method} {exchange.path}", "body": exchange.body}
            shown = difference(recorded, {"request": f"{method} {path}", "body": body})
            return _gone(f"This is not the request that was recorded: {shown}")
        if not exchange.status:
            raise _error(exchange.error, request)

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in exchange.chunks:
                yield chunk.bytes
            if exchange.error:
                raise _error(exchange.error, request)

        return httpx2.Response(exchange.status, headers=exchange.headers, content=chunks())

    async def aclose(self) -> None:
        pass

    async def __aenter__(self) -> ReplayTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def _gone(why: str) -> Any:
    import httpx2

    return httpx2.Response(410, headers={"x-should-retry": "false"}, json={"error": {"message": why}})


def _error(name: str, request: Any) -> Exception:
    import httpx2

    kind = getattr(httpx2, name, httpx2.TransportError)
    error: Exception = kind("as recorded", request=request)
    return error


async def _sent(request: Any, hide: Redaction) -> tuple[str, str, Any]:
    """Method, path and body of a request, normalised and free of secrets."""
    raw = await request.aread()
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        body = raw.decode("utf-8", "replace")
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key not in VOLATILE}
    return request.method, hide(request.url.path), hide.deep(body)


def _chunks(pieces: list[tuple[int, bytes]], hide: Redaction) -> tuple[Chunk, ...]:
    """The pieces verbatim; as one without it where a secret stands in them, for it may have come in pieces itself."""
    whole = b"".join(piece for _, piece in pieces).decode("utf-8", "replace")
    if hide.contains(whole):
        return (Chunk(pieces[-1][0], hide(whole)),)
    return tuple(_chunk(ms, piece) for ms, piece in pieces)


def _chunk(ms: int, piece: bytes) -> Chunk:
    try:
        return Chunk(ms, piece.decode())
    except UnicodeDecodeError:
        return Chunk(ms, base64.b64encode(piece).decode(), True)
