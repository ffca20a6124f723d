"""POST the report to the operator's URL: once, without redirects, and only to the origin he wrote down."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ...domain.errors import HarnessError, UsageError
from ...domain.events import Receipt
from ...domain.network.reach import Reach
from ...domain.network.targets import Target, target
from ...tools.network.connect import Connector
from .job import Job, Settled

SECONDS = 15.0
_MOST = 64 * 1024
"""Bytes of the answer that are read."""


async def execute(job: Job) -> Receipt:
    """Raises HarnessError unless the answer is 2xx. Its path is not told: of many services it is the secret."""
    place = _target(job.spec.action.url)
    connector = Connector(Reach(start_url=job.spec.action.url))
    seconds = min(SECONDS, job.spec.action.deadline)
    try:
        async with asyncio.timeout(seconds):
            status, said = await post(place, connector, body(job), job.digest)
    except TimeoutError:
        raise HarnessError(
            f"{place.netloc} did not answer within {seconds:g} s; it may have got the report.", "Look there."
        ) from None
    if 300 <= status < 400:
        raise HarnessError(f"{place.netloc} redirects ({status}), which is not followed.", "Set [action] url to where.")
    if not 200 <= status < 300:
        tail = f": {said}" if said else ""
        raise HarnessError(f"{place.netloc} answered {status}{tail}", "Look at what it expects.")
    return Receipt("webhook", f"{place.netloc} took the report ({status})", job.digest)


async def settled(job: Job) -> Settled:
    """Whether it arrived is known there alone."""
    return "unknown"


def body(job: Job) -> bytes:
    """What is sent, as JSON."""
    sent = {
        "loop": job.spec.name,
        "round": job.round,
        "outcome": job.outcome,
        "summary": job.summary,
        "report": job.report,
        "digest": job.digest,
    }
    return msgspec.json.encode({key: text.encode("utf-8", "replace").decode() for key, text in sent.items()})


async def post(place: Target, connector: Connector, data: bytes, key: str) -> tuple[int, str]:
    """(status, beginning of the answer). Raises HarnessError when there is no answer that is HTTP."""
    import httpcore2

    from ...tools.web.fetch import Link

    link = Link(await connector.open(place))
    host = f"[{place.host}]" if ":" in place.host else place.host
    where: dict[str, Any] = {"scheme": place.scheme.encode(), "host": host.encode(), "port": place.port}
    connection = httpcore2.AsyncHTTP11Connection(httpcore2.Origin(**where), link)  # type: ignore[arg-type]
    headers = [
        ("Host", place.netloc),
        ("User-Agent", "harness-tui"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(data))),
        ("Idempotency-Key", key),
        ("Connection", "close"),
    ]
    url = httpcore2.URL(**where, target=place.path.encode())
    try:
        answer = await connection.handle_async_request(httpcore2.Request("POST", url, headers=headers, content=data))
        got = bytearray()
        async for piece in answer.aiter_stream():
            got += piece
            if len(got) > _MOST:
                break
        return answer.status, " ".join(got[:300].decode("utf-8", "replace").split())
    except (httpcore2.ProtocolError, httpcore2.NetworkError, OSError, EOFError) as error:
        said = str(error)[:200] or type(error).__name__
        raise HarnessError(f"{place.netloc} did not answer as a web server does ({said}).", "Look there.") from None
    finally:
        await link.aclose()


def _target(url: str) -> Target:
    found = target(url)
    if isinstance(found, str):
        raise UsageError(f"[action] url leads nowhere. {found}", "Correct it, and add the loop again.")
    return found
