"""Where a model answers: the forms a URL may be given in, and what of an endpoint may be shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..domain.errors import CredentialError, UsageError
from ..domain.safetext import clip

OLLAMA_PORT = 11434
_ENDPOINT = re.compile(r"/(chat/completions|responses|messages)$")
_MODELS = re.compile(r"/models(/.*)?$")
_VERSION = re.compile(r"/v\d+(alpha|beta)?\d*$")
DETAIL = 300
"""Characters kept of what a server says about an error."""


@dataclass(frozen=True)
class Endpoint:
    """One model at one URL with one key; neither `repr` nor `shown` contain the key.

    Attributes:
        key_source: where the key came from, for people: `OPENAI_API_KEY (environment)`, `NAME (keyring)`.
        key_name: the name under which a key for this server is looked for, `OPENAI_API_KEY`.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    key_source: str = ""
    key_name: str = "OPENAI_API_KEY"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def shown(self) -> str:
        """The URL without user name, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))

    def quote(self, text: str) -> str:
        """What the server said, as one short safe line; a key it echoes is left out."""
        if self.key:
            text = text.replace(self.key, "[the key]")
        return clip(" ".join(text.split()), DETAIL)


def base_url(given: str, api: str = "openai-chat") -> str:
    """The base that vendor's SDK takes: a scheme is added to a bare host, and the version where it belongs. UsageError.

    OpenAI families end in `/v1` (added where there is no path), Anthropic's has none, Gemini's gets `/v1beta` unless it
    ends in a version. What is pasted too much of (`/chat/completions`, `/messages`) is taken off.
    """
    parts = _split(given, "--url")
    path = _ENDPOINT.sub("", parts.path.rstrip("/")).rstrip("/")
    if api == "anthropic":
        path = path.removesuffix("/v1")
    elif api == "gemini":
        path = _MODELS.sub("", path)
        path = path if _VERSION.search(path) else f"{path}/v1beta"
    else:
        path = path or "/v1"
    return urlunsplit(parts._replace(path=path, fragment=""))


def ollama_url(environ: Mapping[str, str]) -> str:
    """Where a local Ollama listens: OLLAMA_URL or OLLAMA_HOST as Ollama itself reads it, else its port. UsageError."""
    name = "OLLAMA_URL" if environ.get("OLLAMA_URL", "").strip() else "OLLAMA_HOST"
    given = environ.get(name, "").strip() or f"127.0.0.1:{OLLAMA_PORT}"
    parts = _split(f"127.0.0.1{given}" if given.startswith(":") else given, name)
    host = parts.hostname or ""
    # A server's listening address is no address to connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    port = parts.port or ({"http": 80, "https": 443}[parts.scheme] if "://" in given else OLLAMA_PORT)
    path = parts.path.rstrip("/")
    return urlunsplit((parts.scheme, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", path or "/v1", "", ""))


def _split(given: str, source: str) -> SplitResult:
    text = given.strip()
    try:
        parts = urlsplit(text if "://" in text else f"//{text}", scheme="")
        if not parts.scheme:
            parts = parts._replace(scheme="http" if _near(parts.hostname or "") or parts.port else "https")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise UsageError(
            f'{source} "{clip(text, 80)}" is not the address of a model server.',
            "Give http(s)://HOST:PORT/v1 or HOST:PORT.",
        )
    return parts


def _near(host: str) -> bool:
    """Whether a bare host is rather a machine of ours than a public name: these get http."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))


def clean_key(key: str, source: str) -> str:
    """The key without surrounding white space. CredentialError if it cannot travel in a header."""
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CredentialError(f"The key from {source} contains characters no key has.", "Copy it again, on one line.")
    return key
