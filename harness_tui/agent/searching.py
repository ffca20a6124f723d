"""The model's own web search: one call beside the conversation, within the run's budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any, cast

from ..domain.errors import HarnessError
from ..domain.events import ModelConsulted, root_of
from ..domain.ledger import Refused
from ..domain.messages import Answer, Message, ModelRequest, Usage
from ..domain.seams import Model, ToolOutcome
from ..domain.task import RunSpec
from .kit import Kit

READ = 50_000
"""Tokens held for what the server reads of the pages it finds; it tells only afterwards how much that was."""
SAID = 2_000
"""Tokens of the answer."""

_PROMPT = """Search the web once for the query below and list what you found: at most {limit} results, best first,
each with its title, its URL and one sentence on what it says. Add nothing of your own.

Query: {query}"""


class OwnSearch:
    """Asks the run's model to search, where its vendor's server can.

    Args:
        kit: read when a search is asked for; the kit holds the environment that holds this.
    """

    def __init__(self, spec: RunSpec, uid: str, kit: Callable[[], Kit]) -> None:
        self._spec = spec
        self._uid = uid
        self._kit = kit

    async def search(self, query: str, limit: int) -> ToolOutcome | None:
        """What the model found, and what that cost; None when it cannot, or may not: then an engine is asked.

        Vendors take a fee for each search, which no table of prices knows; so under a money limit it may not.
        """
        kit = self._kit()
        model = await asyncio.to_thread(kit.model, self._spec)
        try:
            if not getattr(model, "searches", False):
                return None
            scopes = (f"run:{root_of(self._uid)}", f"day:{kit.day()}")
            if any(kit.ledger.account(scope).usd_limit is not None for scope in scopes):
                return None
            request = ModelRequest((Message.say("user", _PROMPT.format(limit=limit, query=query)),), search=True)
            return await self._paid(kit, model, request, scopes)
        finally:
            with suppress(Exception):
                await model.close()

    async def _paid(self, kit: Kit, model: Model, request: ModelRequest, scopes: tuple[str, ...]) -> ToolOutcome | None:
        asked = READ + len(request.messages[0].text.encode())
        hold = kit.ledger.reserve(scopes, asked, SAID, SAID, None)
        if isinstance(hold, Refused):
            return None
        answer: Answer | None = None
        spent = 0
        try:
            request = ModelRequest(request.messages, max_output=SAID, search=True)
            async with aclosing(cast("Any", model.stream(request))) as items:
                async for item in items:
                    answer = item if isinstance(item, Answer) else answer
            spent = answer.usage.total if answer else 0
        except HarnessError as error:
            spent = getattr(error, "spent", 0)
        finally:
            kit.ledger.settle(scopes, hold.tokens, hold.usd, spent, None)
        if not spent:
            return None
        name = (answer.model if answer else "") or model.name
        cost = ModelConsulted("web_search", name, answer.usage if answer else Usage(input=spent), scopes)
        text = answer.message.text if answer else ""
        if not text.strip():
            return ToolOutcome(False, "The model's own search found nothing.", (cost,))
        return ToolOutcome(True, f"Found by {name} itself:\n{text}", (cost,))
