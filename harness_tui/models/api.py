"""The front door of this room: which protocol family a model speaks, and building it. Imports no SDK."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..domain.errors import SetupError, UsageError
from ..domain.money import Price
from ..domain.task import Options
from . import vendors
from .choice import Choice, default_model
from .endpoint import Endpoint, base_url, clean_key

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from ..domain.seams import Model, Vault
    from ..domain.task import ModelSpec
    from .prices import Overrides

__all__ = ["ApiKind", "Choice", "build", "default_model", "from_spec"]

GROUP = "harness_tui.models"
"""Entry points of further kinds: each names a callable `(url, model, key) -> seams.Model`."""


def build(
    url: str,
    model: str,
    key: str | None = None,
    api: str | None = None,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    key_source: str = "the key given",
    price: Callable[[], Price | None] | None = None,
    overrides: Overrides | None = None,
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
        price: reads its price on first use; None = the price table, after `overrides`.
        overrides: the operator's own prices and windows, by model.
        dropped: parameters the endpoint is known to refuse.
        transport: an `httpx2.AsyncBaseTransport` instead of the network.

    Raises UsageError for an unknown api or a broken URL, CredentialError for a key that cannot be one.
    """
    family = api or ApiKind.guess(url)
    if family not in _FAMILIES:
        return _installed_kind(family, url, model, key or "")
    module, name = _FAMILIES[ApiKind(family)]
    vendor = vendors.OF_API[family]
    if not model.strip():
        raise UsageError("No model is named.", "Give --model NAME.")
    base = base_url(url or vendor.url, family)
    at = Endpoint(base, model.strip(), clean_key(key or "", key_source), key_source, vendor.key)
    if price is None:
        from .prices import finder

        price = finder(family, base, at.model, overrides, options.extra)
    built: Model = getattr(import_module(f".{module}", __package__), name)(
        at, options, price=price, window=partial(_window, family, at, overrides), dropped=dropped, transport=transport
    )
    return built


def _window(family: str, at: Endpoint, overrides: Overrides | None) -> int | None:
    from .prices import window

    return window(family, at.url, at.model, overrides)


class _Build:
    """`ApiKind.build` guesses the family from the URL; `ApiKind.GEMINI.build` is that family's."""

    def __get__(self, kind: ApiKind | None, owner: type[ApiKind]) -> Callable[..., Model]:
        return build if kind is None else partial(build, api=kind.value)


class ApiKind(StrEnum):
    """Protocol families. `ollama` is chat-completions with Ollama's own window read beside it."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"

    build = _Build()

    @staticmethod
    def guess(url: str) -> ApiKind:
        """The family by the URL: the vendors' own hosts, Ollama's port, else chat-completions, which most speak."""
        return ApiKind(vendors.guess(url))


_FAMILIES: dict[ApiKind, tuple[str, str]] = {
    ApiKind.OPENAI_CHAT: ("openai.chat", "OpenAIChat"),
    ApiKind.OPENAI_RESPONSES: ("openai.responses", "OpenAIResponses"),
    ApiKind.ANTHROPIC: ("anthropic.messages", "AnthropicMessages"),
    ApiKind.GEMINI: ("gemini.generate", "Gemini"),
    ApiKind.OLLAMA: ("openai.ollama", "Ollama"),
}
"""(module, class)"""


def from_spec(spec: ModelSpec, vault: Vault, *, overrides: Overrides | None = None, transport: Any = None) -> Model:
    """The model of a run, without its fallbacks; its key is read from the vault now.

    Raises as `build`, and CredentialError.
    """
    key = vault.secret(spec.key, spec.url) if spec.key else ""
    source = _source(spec.key, vault) if spec.key else "no key"
    return build(
        spec.url,
        spec.model,
        key,
        spec.api or None,
        options=spec.options,
        key_source=source,
        overrides=overrides,
        transport=transport,
    )


def _source(handle: str, vault: Vault) -> str:
    """`OPENAI_API_KEY (keyring)`: the key's name and where it was found."""
    kind, _, name = handle.partition(":")
    place = vault.where(name).place if kind == "vault" else "environment"
    return f"{name} ({place})" if place else name


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
