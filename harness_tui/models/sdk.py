"""The wire under the families whose vendor ships an SDK: its connections, headers and stream reader, no types of it.

The raw route is taken: chunks stay plain dicts, so what a server adds or leaves out cannot trip the SDK's own types.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, ClassVar

from . import failures
from .family import Broken, Family, NoStream, Refused
from .sse import Reader

DONE = "[DONE]"
LINGER = 0.5
"""Seconds a finished stream may take to close, so that its connection can be used again."""


class SdkFamily(Family):
    """A family spoken through a vendor's SDK. `connect` sets `sdk` to the imported module."""

    path: ClassVar[str]
    sdk: Any = None

    @abstractmethod
    def headers(self) -> dict[str, Any]:
        """Headers of one request, over the SDK's own; `self.sdk.Omit()` leaves one out."""

    def ends(self, event: Any) -> bool:
        """Whether nothing of the answer comes after this event."""
        return False

    async def chunks(self, stream: Any) -> AsyncIterator[Any]:
        """The decoded events of an open stream.

        The SDKs' own readers stumble over heartbeats, pass over events without a name and lose a last event without
        its blank line.
        """
        reader, pieces = Reader(), stream.response.aiter_bytes()
        async for piece in pieces:
            for data in reader.feed(piece):
                event = None if data in ("", DONE) else json.loads(data)
                if event is not None:
                    yield event
                if data == DONE or self.ends(event):
                    await _drain(pieces)
                    return
        with contextlib.suppress(ValueError):  # half an event: the answer is cut
            for data in reader.end():
                yield json.loads(data)

    def whole(self, text: str) -> Any:
        """The event in an answer of a server that does not stream; None if it is none. Raises Refused."""
        return None

    def error(self, body: Any) -> Any:
        """The error object in the body of a refusal."""
        return body

    async def events(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        import httpx2

        sdk, headers = self.sdk, dict[str, str]()
        try:
            async with await self.client.post(
                self.path,
                cast_to=object,
                body=body,
                options={"headers": self.headers(), "follow_redirects": False},  # a key goes where it was meant to
                stream=True,
                stream_cls=sdk.AsyncStream[object],
            ) as stream:
                headers = stream.response.headers
                kind = headers.get("content-type", "").partition(";")[0].strip()
                if kind and kind != "text/event-stream":
                    text = await _text(stream.response)
                    if (event := self.whole(text)) is None:
                        raise NoStream(kind, text)
                    yield event
                    return
                async for chunk in self.chunks(stream):
                    if isinstance(chunk, dict) and chunk.get("error"):
                        raise Refused(200, headers, self.error(chunk["error"]))
                    yield chunk
        except sdk.APIStatusError as error:
            body_or_text = error.body if error.body is not None else error.response.text
            raise Refused(error.status_code, error.response.headers, self.error(body_or_text)) from None
        except (sdk.APIConnectionError, httpx2.TransportError) as error:
            raise Broken from error
        except sdk.APIError as error:
            raise Refused(200, headers, error.body) from None

    def http_client(self) -> Any:
        """The SDK's HTTP client, over `transport` if there is one, that reads only the beginning of an error's body."""
        return self.sdk.DefaultAsyncHttpxClient(transport=self.transport, event_hooks={"response": [_bounded]})

    def timeout(self) -> Any:
        return self.sdk.Timeout(
            connect=failures.CONNECT_TIMEOUT, read=failures.IDLE_TIMEOUT, write=failures.IDLE_TIMEOUT, pool=None
        )

    async def disconnect(self, client: Any) -> None:
        await client.close()


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read the end of a stream whose answer is whole; whatever is wrong with it costs nothing any more."""
    import httpx2

    with contextlib.suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(LINGER):
            async for _ in pieces:
                pass


async def _bounded(response: Any) -> None:
    """Let an error's body end where it is longer than anybody reads."""
    import httpx2

    class Beginning(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self.stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self.stream:
                yield piece[: failures.MAX_BODY - size]
                size += len(piece)
                if size >= failures.MAX_BODY:
                    return

        async def aclose(self) -> None:
            await self.stream.aclose()

    if response.status_code >= 300:
        response.stream = Beginning(response.stream)


async def _text(response: Any) -> str:
    """The beginning of a body, as text."""
    pieces, size = list[bytes](), 0
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size >= failures.MAX_BODY:
            break
    return b"".join(pieces).decode("utf-8", "replace")
