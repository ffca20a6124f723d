"""The front door of this room: which protocol family a model speaks, and building it. Imports no SDK."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from ..domain.errors import SetupError, UsageError
from .choice import OPENAI_URL, default_model
from .endpoint import Endpoint, base_url, clean_key

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from ..domain.seams import Model, Vault
    from ..domain.task import ModelSpec

__all__ = ["ApiKind", "default_model", "from_spec"]

GROUP = "harness_tui.models"
"""Entry points of further kinds: each names a callable `(url, model, key) -> seams.Model`."""


class ApiKind(StrEnum):
    """Protocol families."""

    OPENAI_CHAT = "openai-chat"

    @staticmethod
    def build(
        url: str, model: str, key: str | None = None, api: str | None = None, *, key_source: str = "the key given"
    ) -> Model:
        """A model ready to stream; opens no connection.

        Args:
            url: the API's base, as the vendor's SDK takes it; HOST:PORT gets `/v1`; "" is api.openai.com.
            key: the value; None or "" sends none.
            api: a family or the name of an installed kind such as `stand-in`; None = guessed from the URL
                (chat-completions is what every server speaks that we can talk to).
            key_source: where the key came from, for error messages.

        Raises UsageError for an unknown api or a broken URL, CredentialError for a key that cannot be one.
        """
        if api is None or api == ApiKind.OPENAI_CHAT:
            return _openai_chat(url or OPENAI_URL, model, clean_key(key or "", key_source), key_source)
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
            raise SetupError(
                f'The model API "{api}" cannot be loaded: {error}.', "Install its package again."
            ) from None
        built: Model = factory(url, model, key or "")
        return built


def from_spec(spec: ModelSpec, vault: Vault) -> Model:
    """The model of a run; its key is read from the vault now. Raises as `build`, and CredentialError."""
    key = vault.secret(spec.key) if spec.key else ""
    source = spec.key.removeprefix("env:") if spec.key else "no key"
    return ApiKind.build(spec.url, spec.model, key, spec.api or None, key_source=source)


def _openai_chat(url: str, model: str, key: str, key_source: str) -> Model:
    from .openai_chat import OpenAIChat

    if not model.strip():
        raise UsageError("No model is named.", "Give --model NAME.")
    return OpenAIChat(Endpoint(base_url(url), model.strip(), key, key_source))


def _installed() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
