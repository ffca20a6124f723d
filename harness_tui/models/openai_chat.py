"""The chat-completions family: OpenAI and every server that speaks like it (Ollama, vLLM, llama.cpp, gateways)."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..domain.errors import ModelError
from ..domain.messages import Answer, Delta, ModelRequest
from . import failures
from .endpoint import Endpoint
from .openai_wire import MAX_ANSWER, Assembly, body_of

_OPENAI = "api.openai.com"


class OpenAIChat:
    """One model behind a chat-completions endpoint (`seams.Model`).

    The SDK is imported on first use, in a thread. Its connections belong to the event loop of that first call.
    """

    def __init__(self, at: Endpoint, *, now: Callable[[], float] = time.time) -> None:
        self.name = at.model
        self.label = f"{at.model} at {at.host}"
        self._at = at
        self._now = now
        self._sdk: Any = None
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """Yield deltas and, last, one Answer; "cut" when the stream broke after it began. Raises ModelError.

        Close the iterator (`contextlib.aclosing`) to give up early: that closes the connection.
        """
        await self._open()
        sdk, at = self._sdk, self._at
        assembly = Assembly(request, self.name)
        try:
            async with await self._post(request) as chunks:
                async for chunk in chunks:
                    for delta in assembly.feed(chunk):
                        yield delta
                    if assembly.size > MAX_ANSWER:
                        raise failures.unreadable(at, "sent an answer without end", assembly.spent)
                if not assembly.begun:
                    raise _nothing(at, chunks.response.headers.get("content-type", ""))
        except sdk.APIStatusError as error:
            body = error.body if error.body is not None else error.response.text
            raise failures.refusal(at, error.status_code, _lower(error.response.headers), body, self._now) from None
        except sdk.APIConnectionError as error:
            if not assembly.begun:
                raise failures.unreachable(at, error) from None
        except sdk.APIError as error:
            raise failures.refusal(at, 200, {}, error.body, self._now, assembly.spent) from None
        except (ValueError, RecursionError):
            raise failures.unreadable(at, "sent broken JSON", assembly.spent) from None
        yield assembly.answer()

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _open(self) -> None:
        async with self._opening:
            if self._client is None:
                self._sdk, self._client = await asyncio.to_thread(_connect, self._at)

    async def _post(self, request: ModelRequest) -> Any:
        limit = "max_completion_tokens" if self._at.host == _OPENAI else "max_tokens"
        # The raw route: chunks stay plain dicts, so what a server adds or leaves out cannot trip the SDK's types.
        return await self._client.post(
            "/chat/completions",
            cast_to=object,
            body=body_of(request, self.name, max_field=limit),
            options={"headers": self._withheld()},
            stream=True,
            stream_cls=self._sdk.AsyncStream[object],
        )

    def _withheld(self) -> dict[str, Any]:
        """Headers the SDK would add by itself: a key we do not have, and the names of an OpenAI account elsewhere."""
        names = [] if self._at.key else ["Authorization"]
        if self._at.host != _OPENAI:
            names += ["OpenAI-Organization", "OpenAI-Project"]
        return dict.fromkeys(names, self._sdk.Omit())


def _connect(at: Endpoint) -> tuple[Any, Any]:
    """Import the SDK and build its client: a second of work, so it runs in a thread."""
    sdk = importlib.import_module("openai")
    timeout = sdk.Timeout(
        connect=failures.CONNECT_TIMEOUT, read=failures.IDLE_TIMEOUT, write=failures.IDLE_TIMEOUT, pool=None
    )
    return sdk, sdk.AsyncOpenAI(base_url=at.url, api_key=at.key or "none", max_retries=0, timeout=timeout)


def _nothing(at: Endpoint, content_type: str) -> ModelError:
    kind = content_type.partition(";")[0].strip()
    if kind == "text/event-stream":
        return ModelError(f"{at.shown} closed the stream before it answered.", "Look at the server's log.", status=200)
    return failures.unreadable(at, f"answered with {at.quote(kind) or 'nothing'} instead of an event stream")


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
