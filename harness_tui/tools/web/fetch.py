"""One GET: each hop judged by the guard, everything bounded, and nothing sent but the URL.

Redirects stay where the operator said yes: on the same host, or on what he named. Others are told, not followed.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urljoin

import msgspec

from ...domain.errors import HarnessError
from ...domain.network.reach import Reach
from ...domain.network.targets import PORTS, Target, target
from ..network.connect import Connector, Refused, Streams, guarded
from .decode import CODINGS, Body

_MOVED = (301, 302, 303, 307, 308)
_SHOWN = 500
"""Characters of a redirect's address that an error quotes."""


class Limits(msgspec.Struct, frozen=True):
    """What one fetch may take.

    Attributes:
        total: seconds for all of it.
        request: seconds for one request, its body included.
        redirects: followed at most.
        body: bytes of a body, received as well as decoded.
        ratio: decoded bytes for each received one.
    """

    total: float = 30.0
    request: float = 15.0
    redirects: int = 5
    body: int = 10 * 1024 * 1024
    ratio: int = 100


class NotFetched(HarnessError):
    """No answer, too late an answer, or none that is HTTP."""


class Page(msgspec.Struct, frozen=True):
    """What the last request came to.

    Attributes:
        url: of that request.
        media: its Content-Type, or "".
        whole: whether `body` is all of it.
        moved: where it leads to, when that was not followed; then the body was not read.
    """

    status: int
    url: str
    media: str
    body: bytes = b""
    whole: bool = True
    moved: str = ""


async def fetch(place: Target, connector: Connector, limits: Limits) -> Page:
    """GET `place`. Raises Refused, Unreachable, Undecodable, NotFetched."""
    now = place
    for _ in range(limits.redirects + 1):
        try:
            async with asyncio.timeout(limits.request):
                page = await _get(now, connector, limits)
        except TimeoutError:
            raise NotFetched(f"{now.netloc} did not send the page within {limits.request:g} s.") from None
        if not page.moved:
            return page
        onward = _onward(now, page.moved, connector.reach)
        if not follows(place, now, onward, connector.reach):
            return msgspec.structs.replace(page, moved=onward.url)
        now = onward
    raise NotFetched(f"{place.netloc} redirects more than {limits.redirects} times; the last was to {now.url}.")


def _onward(now: Target, location: str, reach: Reach) -> Target:
    """Where a redirect leads. Raises Refused."""
    try:
        found = target(urljoin(now.url, location) if location.isprintable() else location)
    except ValueError:
        found = "That is no URL."
    why = found if isinstance(found, str) else guarded(found, reach)
    if isinstance(found, str) or why:
        raise Refused(f"{now.netloc} redirects to {location[:_SHOWN]!r}, which is refused. {why}")
    return found


def follows(asked: Target, now: Target, onward: Target, reach: Reach) -> bool:
    """Whether a redirect stays within what was judged: the host that was asked for, or one the operator named."""
    if now.scheme == "https" and onward.scheme == "http":
        return False
    if reach.exempt(onward):
        return True
    same = onward.host.removeprefix("www.") == asked.host.removeprefix("www.")
    usual = (asked.port, onward.port) == (PORTS["http"], PORTS["https"]) and onward.scheme == "https"
    return same and (onward.port == asked.port or usual)


async def _get(place: Target, connector: Connector, limits: Limits) -> Page:
    import httpcore2

    link = Link(await connector.open(place))
    where: dict[str, Any] = {"scheme": place.scheme.encode(), "host": _bracketed(place).encode(), "port": place.port}
    connection = httpcore2.AsyncHTTP11Connection(httpcore2.Origin(**where), link)  # type: ignore[arg-type]
    url = httpcore2.URL(**where, target=place.path.encode())
    try:
        response = await connection.handle_async_request(httpcore2.Request("GET", url, headers=_headers(place)))
        said = {name.lower(): value.decode("utf-8", "replace") for name, value in response.headers}
        media, moved = said.get(b"content-type", ""), said.get(b"location", "")
        if response.status in _MOVED and moved:
            return Page(response.status, place.url, media, moved=moved)
        body = Body(said.get(b"content-encoding", ""), limits.body, limits.ratio)
        async for piece in response.aiter_stream():
            if not body.add(piece):
                break
        return Page(response.status, place.url, media, bytes(body.data), not body.full)
    except (httpcore2.ProtocolError, httpcore2.NetworkError, OSError, EOFError) as error:
        raise NotFetched(f"{place.netloc} did not answer as a web server does ({_told(error)}).") from None
    finally:
        await link.aclose()


def _headers(place: Target) -> list[tuple[str, str]]:
    return [
        ("Host", place.netloc),
        ("User-Agent", "harness-tui"),
        ("Accept", "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.5"),
        ("Accept-Encoding", ", ".join(CODINGS)),
        ("Connection", "close"),
    ]


def _bracketed(place: Target) -> str:
    return f"[{place.host}]" if ":" in place.host else place.host


def _told(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__


class Link:
    """A judged connection as `httpcore2` reads and writes it. Times are the caller's."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._writer.write(buffer)
        await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        return None
