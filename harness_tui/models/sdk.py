"""The wire under the families whose vendor ships an SDK: its connections, headers and stream reader, no types of it.

The raw route is taken: chunks stay plain dicts, so what a server adds or leaves out cannot trip the SDK's own types.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, ClassVar

from . import failures
from .family import Broken, Family, NoStream, Refused


class SdkFamily(Family):
    """A family spoken through a vendor's SDK. `connect` sets `sdk` to the imported module."""

    path: ClassVar[str]
    sdk: Any = None

    @abstractmethod
    def headers(self) -> dict[str, Any]:
        """Headers of one request, over the SDK's own; `self.sdk.Omit()` leaves one out."""

    def chunks(self, stream: Any) -> AsyncIterator[Any]:
        """The decoded events of an open stream."""
        return aiter(stream)

    def error(self, body: Any) -> Any:
        """The error object in the body of a refusal."""
        return body

    async def events(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        import httpx2

        sdk = self.sdk
        try:
            async with await self.client.post(
                self.path,
                cast_to=object,
                body=body,
                options={"headers": self.headers()},
                stream=True,
                stream_cls=sdk.AsyncStream[object],
            ) as stream:
                kind = stream.response.headers.get("content-type", "").partition(";")[0].strip()
                if kind and kind != "text/event-stream":
                    raise NoStream(kind)
                async for chunk in self.chunks(stream):
                    yield chunk
        except sdk.APIStatusError as error:
            body_or_text = error.body if error.body is not None else error.response.text
            raise Refused(error.status_code, error.response.headers, self.error(body_or_text)) from None
        except (sdk.APIConnectionError, httpx2.TransportError) as error:
            raise Broken from error
        except sdk.APIError as error:
            raise Refused(200, {}, error.body) from None

    def http_client(self) -> Any:
        """The SDK's HTTP client over `transport`, or None for its own."""
        return self.sdk.DefaultAsyncHttpxClient(transport=self.transport) if self.transport else None

    def timeout(self) -> Any:
        return self.sdk.Timeout(
            connect=failures.CONNECT_TIMEOUT, read=failures.IDLE_TIMEOUT, write=failures.IDLE_TIMEOUT, pool=None
        )

    async def disconnect(self, client: Any) -> None:
        await client.close()
