"""The makers of models: their addresses, the names of their keys, and which protocol an address probably speaks."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from .endpoint import OLLAMA_PORT


class Vendor(NamedTuple):
    """One maker.

    Attributes:
        name: as people know it.
        api: the protocol family of its own address.
        url: that address, as its SDK takes it.
        keys: names its key may have, in the order in which they count.
        key: the one of these that people are told.
        base: variables that name another address, in the order in which they count.
    """

    name: str
    api: str
    url: str
    keys: tuple[str, ...]
    key: str
    base: tuple[str, ...] = ()


OPENAI = Vendor(
    "OpenAI",
    "openai-responses",
    "https://api.openai.com/v1",
    ("OPENAI_API_KEY",),
    "OPENAI_API_KEY",
    ("OPENAI_BASE_URL",),
)
ANTHROPIC = Vendor(
    "Anthropic",
    "anthropic",
    "https://api.anthropic.com",
    ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "ANTHROPIC_API_KEY",
    ("ANTHROPIC_BASE_URL",),
)
GEMINI = Vendor(
    "Gemini",
    "gemini",
    "https://generativelanguage.googleapis.com/v1beta",
    ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "GEMINI_API_KEY",
)
OLLAMA = Vendor(
    "Ollama",
    "ollama",
    f"http://127.0.0.1:{OLLAMA_PORT}/v1",
    ("OLLAMA_API_KEY",),
    "OLLAMA_API_KEY",
    ("OLLAMA_URL", "OLLAMA_HOST"),
)

BY_KEY = (OPENAI, ANTHROPIC, GEMINI)
"""Who is asked when nothing is named: the first of these whose key, or whose other address, is set."""

OF_API = {
    "openai-chat": OPENAI,
    "openai-responses": OPENAI,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "ollama": OLLAMA,
}

_OF_HOST = {urlsplit(vendor.url).hostname: vendor for vendor in BY_KEY} | {"ollama.com": OLLAMA}


def at_host(url: str) -> Vendor | None:
    """The vendor whose own host that is, over https; None for every other server."""
    parts = urlsplit(url)
    return _OF_HOST.get(parts.hostname) if parts.scheme == "https" else None


def fits(api: str, url: str) -> bool:
    """Whether a server there may speak that protocol: a vendor speaks its own and chat-completions, others any."""
    vendor = at_host(url)
    return api == "openai-chat" or vendor is None or OF_API.get(api) is vendor


def guess(url: str) -> str:
    """The family by the URL: the vendors' own hosts, Ollama's port, else chat-completions, which most speak."""
    parts = urlsplit(url if "://" in url else f"//{url}")
    host, path = parts.hostname or "", parts.path.rstrip("/")
    if host == "api.openai.com" or not host:
        return "openai-responses"
    if host == "api.anthropic.com" or path.removesuffix("/v1").endswith("/anthropic"):
        return "anthropic"
    if host == "generativelanguage.googleapis.com" and not path.endswith("/openai"):
        return "gemini"
    return "ollama" if parts.port == OLLAMA_PORT else "openai-chat"
