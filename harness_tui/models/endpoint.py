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
_MASKED = re.compile(r"\*{2,}|\.{3,}|…|•+")
_HIDDEN = "[the key]"
_PIECE = 8
"""Characters of a key that are too many to be shown."""
_NO_SOURCE = ("", "no key", "the key given")
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
    def private(self) -> bool:
        """Whether the server is this machine or one of a private network, not a public address."""
        try:
            return not ipaddress.ip_address(self.host).is_global
        except ValueError:
            return _near(self.host)

    @property
    def versioned(self) -> bool:
        """Whether the path ends in a version (`/v1`), as the base of an API usually does."""
        return _VERSION.search(urlsplit(self.url).path) is not None

    @property
    def kept_as(self) -> str:
        """The name under which the key is kept, or would be: that of its source, else the vendor's."""
        return self.key_name if self.key_source in _NO_SOURCE else self.key_source.partition(" ")[0]

    @property
    def empty_source(self) -> str:
        """The source whose key turned out to be empty, or "" (a key was given, or none was meant to be)."""
        return "" if self.key or self.key_source in _NO_SOURCE else self.key_source

    @property
    def shown(self) -> str:
        """The URL without user name, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))

    def quote(self, text: str) -> str:
        """What the server said, as one short safe line; a key it echoes is left out, masked and partial ones too."""
        if self.key:
            text = text.replace(self.key, _HIDDEN)
            text = " ".join(_HIDDEN if self._echoes(word) else word for word in text.split())
        return clip(" ".join(text.split()), DETAIL)

    def _echoes(self, word: str) -> bool:
        """Whether a word is the key with its middle masked, or holds a good piece of it."""
        if masked := _MASKED.search(word):
            before, after = word[: masked.start()][-3:], word[masked.end() :][:3]
            return bool(before or after) and before in self.key and after in self.key
        pieces = (self.key[at : at + _PIECE] for at in range(len(self.key) - _PIECE + 1))
        return any(piece in word for piece in pieces)


def base_url(given: str, api: str = "openai-chat", source: str = "--url") -> str:
    """The base that vendor's SDK takes: a scheme is added to a bare host, and the version where it belongs. UsageError.

    OpenAI families end in `/v1` (added where there is no path), Anthropic's has none, Gemini's gets `/v1beta` unless it
    ends in a version. What is pasted too much of (`/chat/completions`, `/messages`) is taken off.
    `source` says where it was given, for the error.
    """
    parts = _split(given, source)
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


_NO_KEY = frozenset(" \"'")


def clean_key(key: str, source: str) -> str:
    """The key without surrounding white space. CredentialError if it cannot travel in a header."""
    key = key.strip()
    if not key.isascii() or not key.isprintable() or not _NO_KEY.isdisjoint(key):
        raise CredentialError(f"The key from {source} contains characters no key has.", "Copy it again, on one line.")
    return key


_VENDORS = (
    ("OpenAI", "api.openai.com", ("sk-proj-", "sk-svcacct-", "sk-admin-")),
    ("Anthropic", "api.anthropic.com", ("sk-ant-",)),
    ("OpenRouter", "openrouter.ai", ("sk-or-",)),
    ("Google", "generativelanguage.googleapis.com", ("AIza", "AQ.")),
    ("Groq", "api.groq.com", ("gsk_",)),
    ("xAI", "api.x.ai", ("xai-",)),
    ("Hugging Face", "router.huggingface.co", ("hf_",)),
    ("Perplexity", "api.perplexity.ai", ("pplx-",)),
    ("NVIDIA", "integrate.api.nvidia.com", ("nvapi-",)),
    ("Cerebras", "api.cerebras.ai", ("csk-",)),
    ("Fireworks", "api.fireworks.ai", ("fw_",)),
    ("Together", "api.together.xyz", ("tgp_v1_",)),
    ("Replicate", "api.replicate.com", ("r8_",)),
    ("GitHub", "models.github.ai", ("ghp_", "gho_", "github_pat_")),
    ("AWS", "", ("AKIA", "ASIA")),
)
"""(vendor, host of its API, how its keys begin)"""


def stranger(at: Endpoint) -> str:
    """Whose key this looks like, when that is another provider than the one asked; "" when nothing speaks for it."""
    for vendor, host, beginnings in _VENDORS:
        if at.key.startswith(beginnings):
            return "" if at.host == host else vendor
    return ""
