"""The Gemini family, spoken natively: `streamGenerateContent` straight over HTTP, for what the SDK would rebuild."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from ...domain.messages import Answer, ModelRequest
from .. import failures
from ..family import MAX_ANSWER, Assembly, Broken, Family, NoStream, Refused
from ..sse import Reader
from .stream import GeminiAssembly, events_in
from .wire import OPTIONAL, asks_for_signatures, body_of, error_of, model_path, told_as_text


class Gemini(Family):
    """One model behind a Gemini endpoint."""

    api = "gemini"
    searches = True
    optional = OPTIONAL

    _as_text = False
    """Whether calls without a signature are told as text, because the endpoint takes no others."""
    _notes: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        base = urlsplit(self.at.url)
        path = f"{base.path}/{quote(model_path(self.name))}:streamGenerateContent"
        return urlunsplit(base._replace(path=path, query="&".join(filter(None, (base.query, "alt=sse")))))

    def connect(self) -> Any:
        import httpx2

        idle = failures.IDLE_TIMEOUT
        timeout = httpx2.Timeout(connect=failures.CONNECT_TIMEOUT, read=idle, write=idle, pool=None)
        return httpx2.AsyncClient(timeout=timeout, transport=self.transport)

    async def disconnect(self, client: Any) -> None:
        await client.aclose()

    def body(self, request: ModelRequest) -> dict[str, Any]:
        return body_of(request, self.name, self.options, self.dropped)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        """As in every family, but fields of one's own lie beside those of the options, not in their place."""
        body = super()._body(request)
        own = self.options.extra.get("generationConfig")
        if isinstance(own, dict):
            body["generationConfig"] = self.body(request).get("generationConfig", {}) | own
        return body

    def assembly(self, request: ModelRequest) -> Assembly:
        return GeminiAssembly(request, self.name)

    async def events(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        if self._as_text:
            body = {**body, "contents": told_as_text(body["contents"])}
        try:
            async with contextlib.aclosing(self._post(body)) as events:
                async for event in events:
                    yield event
            return
        except Refused as error:
            # Newer models refuse calls that no model of theirs has signed, as those of a model used before.
            told = {**body, "contents": told_as_text(body["contents"])}
            if self._as_text or told == body or not asks_for_signatures(error):
                raise
        self._as_text = True
        self._notes = (f"{self.at.shown} takes no unsigned calls: those of other models are told as text.",)
        async with contextlib.aclosing(self._post(told)) as events:
            async for event in events:
                yield event

    async def observe(self, request: ModelRequest, answer: Answer) -> tuple[str, ...]:
        notes, self._notes = self._notes, ()
        return notes

    async def _post(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        import httpx2

        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if self.at.key:
            headers["x-goog-api-key"] = self.at.key
        content = msgspec.json.encode(body)
        try:
            async with self.client.stream("POST", self.url, content=content, headers=headers) as response:
                if not response.is_success:
                    raise Refused(response.status_code, response.headers, _error(await _whole(response)))
                async with contextlib.aclosing(_events(response)) as events:
                    async for event in events:
                        yield event
        except httpx2.RequestError as error:
            raise Broken from error


async def _events(response: Any) -> AsyncGenerator[Any, None]:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":  # a proxy that passed over `alt=sse`
        body = await _whole(response)
        events = events_in(json.loads(body))
        if not events:
            raise NoStream(kind, body.decode("utf-8", "replace"))
        for event in events:
            yield event
        return
    if kind not in ("", "text/event-stream"):
        raise NoStream(kind, (await _whole(response)).decode("utf-8", "replace"))
    reader = Reader()
    async for raw in response.aiter_bytes():
        for data in reader.feed(raw):
            if data.strip() not in ("", "[DONE]"):
                yield json.loads(data)
    for event in _last(reader):
        yield event


def _last(reader: Reader) -> Iterator[Any]:
    """What a stream ends with: its last event, if whole, and an error that came as bare JSON."""
    for data in reader.end():
        try:
            value = json.loads(data)
        except ValueError:
            continue  # half an event: the answer is cut
        yield from events_in(value)


async def _whole(response: Any) -> bytes:
    """The body, as far as anybody would read it."""
    body = bytearray()
    async for raw in response.aiter_bytes():
        body += raw
        if len(body) > MAX_ANSWER:
            break
    return bytes(body)


def _error(body: bytes) -> Any:
    try:
        return error_of(json.loads(body))
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
