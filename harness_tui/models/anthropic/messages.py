"""The Anthropic Messages family: Anthropic itself and every server that speaks like it."""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from typing import Any

from ...domain.messages import Answer, ModelRequest
from ..family import Assembly
from ..sdk import SdkFamily
from .stream import MessagesAssembly
from .wire import body_of, error_of, unsendable

ANTHROPIC_HOST = "api.anthropic.com"


class AnthropicMessages(SdkFamily):
    """One model behind a Messages endpoint."""

    api = "anthropic"
    path = "/v1/messages"
    searches = True
    optional = frozenset({"cache_control", "output_config", "temperature", "thinking", "tool_choice"})

    _told: frozenset[str] = frozenset()
    """Options already said to be left out."""

    def connect(self) -> Any:
        self.sdk = importlib.import_module("anthropic")
        client = self.sdk.AsyncAnthropic(
            base_url=self.at.url,
            api_key=self.at.key or "none",  # given, so that none is looked for in the environment or in profiles
            max_retries=0,
            timeout=self.timeout(),
            http_client=self.http_client(),
            open_telemetry=False,
        )
        if self.at.host != ANTHROPIC_HOST:
            client._custom_headers = {}  # ANTHROPIC_CUSTOM_HEADERS are the vendor's; no argument keeps them out
        return client

    def headers(self) -> dict[str, Any]:
        """The key under both names: the SDK's own is the newer one, which many other servers do not know."""
        version = {"anthropic-version": self.options.version} if self.options.version else {}
        if not self.at.key:
            return {**version, "Authorization": self.sdk.Omit(), "x-api-key": self.sdk.Omit()}
        return {**version, "Authorization": f"Bearer {self.at.key}", "x-api-key": self.at.key}

    def body(self, request: ModelRequest) -> dict[str, Any]:
        return body_of(request, self.name, self.options, cache="cache_control" not in self.dropped)

    def assembly(self, request: ModelRequest) -> Assembly:
        return MessagesAssembly(request, self.name)

    def whole(self, text: str) -> Any:
        with suppress(ValueError):
            event = json.loads(text)
            return event if isinstance(event, dict) and event.get("type") in ("message", "error") else None
        return None

    def error(self, body: Any) -> Any:
        return error_of(body)

    def ends(self, event: Any) -> bool:
        return isinstance(event, dict) and event.get("type") == "message_stop"

    async def observe(self, request: ModelRequest, answer: Answer) -> tuple[str, ...]:
        """Options that were left out, each said once."""
        reasons = unsendable(self.options)
        fresh = [f"{name} was not sent: {why}." for name, why in reasons.items() if name not in self._told]
        self._told |= reasons.keys()
        return tuple(fresh)
