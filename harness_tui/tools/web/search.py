"""Web search: the model's own first, then the engine the operator has a key for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ...domain.errors import CredentialError, HarnessError
from ...domain.seams import ToolOutcome

TIMEOUT = 15.0
MAX_BYTES = 2 * 1024 * 1024
NONE = (
    "No web search is set up: the model has none of its own here, and there is no key of Brave (BRAVE_API_KEY) or of "
    "Tavily (TAVILY_API_KEY), nor a SearXNG under [search] url in config.toml. web_fetch reads known addresses."
)


class Found(msgspec.Struct, frozen=True):
    """One result."""

    title: str
    url: str
    text: str


class Searches(Protocol):
    """Something that may know how to search; None = it does not, somebody else is asked."""

    async def search(self, query: str, limit: int) -> ToolOutcome | None: ...


class Engine(msgspec.Struct, frozen=True):
    """A search engine's address and how it is asked.

    Attributes:
        key: name of its key, or "".
        url: where it is asked.
    """

    name: str
    key: str
    url: str

    def request(self, query: str, limit: int, key: str) -> tuple[str, dict[str, Any]]:
        """Method and arguments of the HTTP call."""
        match self.name:
            case "Brave":
                headers = {"X-Subscription-Token": key, "Accept": "application/json"}
                return "GET", {"params": {"q": query, "count": limit}, "headers": headers}
            case "Tavily":
                body = {"query": query, "max_results": limit}
                return "POST", {"json": body, "headers": {"Authorization": f"Bearer {key}"}}
            case _:
                return "GET", {"params": {"q": query, "format": "json"}}

    def results(self, body: Any) -> list[Found]:
        """What its answer lists; [] for anything that is not such a list."""
        body = body if isinstance(body, dict) else {}
        web = body.get("web")
        listed = (
            (web.get("results") if isinstance(web, dict) else None) if self.name == "Brave" else body.get("results")
        )
        told = "description" if self.name == "Brave" else "content"
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        return [
            Found(_line(row.get("title")), _line(row.get("url")), _line(row.get(told)))
            for row in rows
            if row.get("url")
        ]


BRAVE = Engine("Brave", "BRAVE_API_KEY", "https://api.search.brave.com/res/v1/web/search")
TAVILY = Engine("Tavily", "TAVILY_API_KEY", "https://api.tavily.com/search")


def searxng(url: str) -> Engine:
    """The operator's own SearXNG; its `search.formats` must hold `json`."""
    return Engine("SearXNG", "", url.rstrip("/") + "/search")


class WebSearch:
    """Asks the model itself, then each engine that can be asked, until one answers.

    Args:
        secret: the key behind a handle, bound to an address; raises CredentialError. Called off the event loop.
        engines: in this order.
        own: the model's own search, if there is one.
        transport: an `httpx2.AsyncBaseTransport` instead of the network (tests).
    """

    def __init__(
        self,
        secret: Callable[[str, str], str],
        engines: tuple[Engine, ...] = (BRAVE, TAVILY),
        own: Searches | None = None,
        *,
        transport: Any = None,
    ) -> None:
        self._secret = secret
        self._engines = engines
        self._own = own
        self._transport = transport

    async def search(self, query: str, limit: int) -> ToolOutcome:
        """Numbered results; ok=False with every reason when nobody answers."""
        if self._own and (outcome := await self._own.search(query, limit)):
            return outcome
        failed: list[str] = []
        for engine in self._engines:
            try:
                key = await asyncio.to_thread(self._secret, f"vault:{engine.key}", engine.url) if engine.key else ""
            except CredentialError:
                continue
            try:
                found = engine.results(await self._ask(engine, query, limit, key))[:limit]
            except HarnessError as error:
                failed.append(error.what)
                continue
            return ToolOutcome(True, _listed(engine, query, found))
        return ToolOutcome(False, " ".join(failed) or NONE)

    async def _ask(self, engine: Engine, query: str, limit: int, key: str) -> Any:
        import httpx2

        method, arguments = engine.request(query, limit, key)
        # The address is the operator's configuration or the vendor's: no guard, and no redirect either.
        client = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False, follow_redirects=False, transport=self._transport)
        body = bytearray()
        try:
            async with asyncio.timeout(TIMEOUT), client, client.stream(method, engine.url, **arguments) as response:
                if not response.is_success:
                    raise HarnessError(f"{engine.name} refused the search (HTTP {response.status_code}).")
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise HarnessError(f"{engine.name} sent more than {MAX_BYTES // 1024} KiB.")
            return msgspec.json.decode(bytes(body))
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise HarnessError(f"{engine.name} did not answer ({type(error).__name__}).") from None
        except (msgspec.DecodeError, RecursionError):
            raise HarnessError(f"{engine.name} did not send JSON.") from None


def _line(value: Any) -> str:
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def _listed(engine: Engine, query: str, found: list[Found]) -> str:
    if not found:
        return f'{engine.name} found nothing for "{query}".'
    rows = (f"{number}. {each.title}\n   {each.url}\n   {each.text}" for number, each in enumerate(found, 1))
    return f"Found by {engine.name}:\n" + "\n".join(rows)
