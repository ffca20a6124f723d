"""Which model a run gets when the operator does not spell it out: flags, then the environment, then a local Ollama."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ..domain.errors import SetupError, UsageError
from ..domain.safetext import clip
from ..domain.task import ModelSpec
from .endpoint import base_url, ollama_url

OPENAI_URL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
PROBE_TIMEOUT = 1.0
"""Seconds a server may take to list its models."""
MAX_LISTING = 4 * 1024 * 1024

_CHAT = "openai-chat"


def default_model(environ: Mapping[str, str], *, url: str = "", model: str = "", api: str = "") -> ModelSpec:
    """The model to use, given the flags (none by default) and the environment.

    Order: `--api` of an installed kind; `--url`; OPENAI_API_KEY or OPENAI_BASE_URL; a local Ollama that answers.
    Among several models of a server the operator named none is guessed. Raises UsageError, SetupError (exit 78).
    """
    key = f"env:{KEY}" if environ.get(KEY, "").strip() else ""
    if api and api != _CHAT:
        return ModelSpec(api, model or api, url)
    named = url or environ.get("OPENAI_BASE_URL", "").strip() or (OPENAI_URL if key else "")
    if named:
        base = base_url(named)
        return ModelSpec(_CHAT, model or _only_model(base, environ.get(KEY, "").strip()), base, key)
    local = ollama_url(environ)
    models = _listed(local, "")
    if models is None:
        raise SetupError(
            f"No model: no --url was given, {KEY} is not set and no Ollama answers at {_host(local)}.",
            f"Give --url URL --model NAME, or set {KEY} (and OPENAI_BASE_URL), or start Ollama; "
            "`harness-tui demo` needs no model.",
        )
    if not model and not models:
        raise SetupError(
            f"The Ollama at {_host(local)} has no model.", "Run `ollama pull NAME`, or give --url and --model."
        )
    return ModelSpec(_CHAT, model or models[0], local)


def _only_model(base: str, key: str) -> str:
    """The model of a server that has exactly one. UsageError naming some of them otherwise."""
    listed = None if base == OPENAI_URL else _listed(base, key)
    if listed and len(listed) == 1:
        return listed[0]
    some = ", ".join(clip(name, 60) for name in (listed or [])[:5])
    more = ", ..." if listed and len(listed) > 5 else ""
    raise UsageError(
        f"No model is named for {_host(base)}.", f"Give --model NAME{f'; it has {some}{more}' if some else ''}."
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _listed(base: str, key: str) -> list[str] | None:
    """Names from `GET {base}/models`, newest first as servers list them; None if nothing usable answers in time."""
    import http.client
    import json

    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}/models", headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        found = json.loads(answer.read(MAX_LISTING)) if answer.status == 200 else None
        return [str(item["id"]) for item in found["data"] or ()] if found else None
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, RecursionError):
        return None
    finally:
        connection.close()
