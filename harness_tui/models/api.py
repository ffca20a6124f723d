"""The front door of this room: which protocol family a model speaks, and building it. Imports no SDK."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..domain.errors import SetupError, UsageError
from ..domain.money import Price
from ..domain.task import Options
from .choice import OPENAI_URL, default_model
from .endpoint import OLLAMA_PORT, Endpoint, base_url, clean_key

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from ..domain.seams import Model, Vault
    from ..domain.task import ModelSpec

__all__ = ["ApiKind", "default_model", "from_spec"]

GROUP = "harness_tui.models"
"""Entry points of further kinds: each names a callable `(url, model, key) -> seams.Model`."""


class ApiKind(StrEnum):
    """Protocol families. `ollama` is chat-completions with Ollama's own window read beside it."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"

    @staticmethod
    def guess(url: str) -> ApiKind:
        """The family by the URL: the vendors' own hosts, Ollama's port, else chat-completions, which most speak."""
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, path = parts.hostname or "", parts.path.rstrip("/")
        if host == "api.openai.com" or not host:
            return ApiKind.OPENAI_RESPONSES
        if host == "api.anthropic.com" or path.removesuffix("/v1").endswith("/anthropic"):
            return ApiKind.ANTHROPIC
        if host == "generativelanguage.googleapis.com" and not path.endswith("/openai"):
            return ApiKind.GEMINI
        return ApiKind.OLLAMA if parts.port == OLLAMA_PORT else ApiKind.OPENAI_CHAT

    @staticmethod
    def build(
        url: str,
        model: str,
        key: str | None = None,
        api: str | None = None,
        *,
        options: Options = Options(),  # noqa: B008 - frozen
        key_source: str = "the key given",
        price: Callable[[], Price | None] | None = None,
        dropped: Collection[str] = (),
        transport: Any = None,
    ) -> Model:
        """A model ready to stream; opens no connection.

        Args:
            url: the API's base, as the vendor's SDK takes it; HOST:PORT gets `/v1`; "" is the vendor's own.
            key: the value; None or "" sends none.
            api: a family or the name of an installed kind such as `stand-in`; None = guessed from the URL.
            options: sampling, effort and the like; each family takes what it knows.
            key_source: where the key came from, for error messages.
            price: reads its price on first use; None = the price table.
            dropped: parameters the endpoint is known to refuse.
            transport: an `httpx2.AsyncBaseTransport` instead of the network.

        Raises UsageError for an unknown api or a broken URL, CredentialError for a key that cannot be one.
        """
        family = api or ApiKind.guess(url)
        if family not in _FAMILIES:
            return _installed_kind(family, url, model, key or "")
        module, name, vendor_url, key_name = _FAMILIES[ApiKind(family)]
        if not model.strip():
            raise UsageError("No model is named.", "Give --model NAME.")
        base = base_url(url or vendor_url, family)
        at = Endpoint(base, model.strip(), clean_key(key or "", key_source), key_source, key_name)
        if price is None:
            from .prices import finder

            price = finder(family, base, at.model)
        built: Model = getattr(import_module(f".{module}", __package__), name)(
            at, options, price=price, dropped=dropped, transport=transport
        )
        return built


_FAMILIES: dict[ApiKind, tuple[str, str, str, str]] = {
    ApiKind.OPENAI_CHAT: ("openai_chat", "OpenAIChat", OPENAI_URL, "OPENAI_API_KEY"),
    ApiKind.OPENAI_RESPONSES: ("openai_responses", "OpenAIResponses", OPENAI_URL, "OPENAI_API_KEY"),
    ApiKind.ANTHROPIC: ("anthropic_messages", "AnthropicMessages", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    ApiKind.GEMINI: ("gemini", "Gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    ApiKind.OLLAMA: ("ollama", "Ollama", f"http://127.0.0.1:{OLLAMA_PORT}/v1", "OLLAMA_API_KEY"),
}
"""(module, class, the vendor's own base, name of its key)"""


def from_spec(spec: ModelSpec, vault: Vault) -> Model:
    """The model of a run; its key is read from the vault now. Raises as `build`, and CredentialError."""
    key = vault.secret(spec.key) if spec.key else ""
    source = spec.key.partition(":")[2] if spec.key else "no key"
    return ApiKind.build(spec.url, spec.model, key, spec.api or None, options=spec.options, key_source=source)


def _installed_kind(api: str, url: str, model: str, key: str) -> Model:
    installed = _installed()
    if api not in installed.names:
        known = sorted({*map(str, ApiKind), *installed.names})
        near = get_close_matches(api, known, 1)
        raise UsageError(
            f'There is no model API "{api}"' + (f'; did you mean "{near[0]}"?' if near else "."),
            f"Known: {', '.join(known)}.",
        )
    try:
        factory = installed[api].load()
    except (ImportError, AttributeError) as error:
        raise SetupError(f'The model API "{api}" cannot be loaded: {error}.', "Install its package again.") from None
    built: Model = factory(url, model, key)
    return built


def _installed() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
