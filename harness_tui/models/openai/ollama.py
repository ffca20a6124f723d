"""A local Ollama: chat-completions, and beside it what only Ollama's own API tells (the window a model really has).

Ollama cuts a prompt that is longer than its window without a word; the facts of each call are compared for that.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from ...domain.messages import Answer, ModelRequest, Text, ToolResult
from ...domain.money import Free, Price
from ..assembly import count_of, items_of, object_of
from .chat import OpenAIChat

ASK_TIMEOUT = 1.0
"""Seconds for both questions about the window; no answer means it is not known."""
MARGIN = 8
"""Tokens: a prompt this close under the window has been cut to it."""
SMALLEST = 2048
"""Tokens: the smallest window Ollama gives by itself; a prompt that is too long is cut to half a window or more."""
DENSEST = 6
"""Bytes one token stands for at most, on average over a prompt without runs of one character; usual are 3 to 5."""

_RUN = re.compile(r"(\s)\s+|(.)\2{3,}")
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


class Ollama(OpenAIChat):
    """One model of an Ollama server.

    Attributes:
        window: tokens the loaded model can read at once; None = not known (yet).
    """

    api = "ollama"
    window: int | None = None
    _asked = False
    _before: tuple[ModelRequest, int] | None = None

    async def price(self) -> Price | None:
        return Free("a local Ollama") if self.at.private else await super().price()

    async def observe(self, request: ModelRequest, answer: Answer) -> tuple[str, ...]:
        if not self._asked:  # only now is the model surely loaded, with the window it got
            self._asked, self.window = True, await self._ask_window()
        if not answer.usage_reported:
            return ()
        read, before = answer.usage.input, self._before
        self._before = request, read
        known = f"window of {self.window} tokens" if self.window else "window"
        if _cut(request, read, self.window, before):
            what = f"{self.at.shown} read only {read} tokens of the conversation: it was cut to the model's {known}."
        elif answer.stop == "length" and self.window and answer.usage.total >= self.window - MARGIN:
            what = f"The model's {known} was full before its answer ended."
        else:
            return ()
        return (f"{what} Set OLLAMA_CONTEXT_LENGTH where the server runs, or give a smaller task.",)

    async def context_window(self) -> int | None:
        return self.window

    async def _ask_window(self) -> int | None:
        """What `/api/ps` says of the loaded model (newer servers), else what its Modelfile sets; never an error."""
        import httpx2

        root = self.at.url.rstrip("/").removesuffix("/v1")
        headers = {"Authorization": f"Bearer {self.at.key}"} if self.at.key else {}
        try:
            async with (
                asyncio.timeout(ASK_TIMEOUT),
                httpx2.AsyncClient(transport=self.transport, headers=headers) as client,
            ):
                loaded = _loaded((await client.get(f"{root}/api/ps")).json(), self.name)
                if loaded:
                    return loaded
                return _modelfile((await client.post(f"{root}/api/show", json={"model": self.name})).json())
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, ValueError, RecursionError):
            return None


def _loaded(ps: Any, model: str) -> int | None:
    """The window of a model that is loaded, as `/api/ps` tells it."""
    for entry in items_of(ps.get("models")) if isinstance(ps, dict) else ():
        if model in (entry.get("name"), entry.get("model")) or f"{model}:latest" == entry.get("name"):
            return count_of(entry, "context_length") or None
    return None


def _modelfile(show: Any) -> int | None:
    """`num_ctx` of `/api/show`, never more than the model was made for (`ARCHITECTURE.context_length`).

    Without `num_ctx` the server's own setting decides, which nobody tells: unknown.
    """
    if not isinstance(show, dict):
        return None
    info = object_of(show, "model_info")
    most = next((count_of(info, key) for key in info if key.endswith(".context_length")), 0)
    found = _NUM_CTX.search(str(show.get("parameters") or ""))
    if not found:
        return None
    return min(int(found[1]), most or int(found[1])) or None


def _cut(request: ModelRequest, read: int, window: int | None, before: tuple[ModelRequest, int] | None) -> bool:
    """Whether the server cannot have read the whole request.

    Args:
        read: tokens of the prompt as it reported them.
        before: the request before, and what was read of it.
    """
    least = _bytes(request) // DENSEST
    if window is None:  # servers too old to tell it count only what their cache did not hold, which may be little
        return SMALLEST // 2 <= read < least // 2
    shrunk = before is not None and read < before[1] and _grew(before[0], request)
    return read >= window - MARGIN or read < least or shrunk


def _grew(before: ModelRequest, now: ModelRequest) -> bool:
    """Whether a conversation is the one before and more."""
    size = len(before.messages)
    return len(now.messages) > size and now.messages[:size] == before.messages and now.tools == before.tools


def _bytes(request: ModelRequest) -> int:
    """Bytes of text that surely was sent, runs of one character as one: a lower bound."""
    parts = (part for message in request.messages for part in message.parts)
    texts = (_RUN.sub(r"\1\2", part.text) for part in parts if isinstance(part, Text | ToolResult))
    return sum(len(text.encode("utf-8", "replace")) for text in texts)
