"""Which models a server has, asked with the standard library's own client: no SDK is loaded before a run begins."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

PATIENCE = 5.0
"""Seconds a server may take to list its models."""
MAX_LISTING = 4 * 1024 * 1024
ANTHROPIC_VERSION = "2026-10-21"


class Listing(NamedTuple):
    """`models`: names, in the server's order; None when nothing usable came. `asks_key`: it answered 401 or 403."""

    models: list[str] | None
    asks_key: bool = False


def listed(api: str, base: str, key: str = "", *, version: str = "", patience: float = PATIENCE) -> Listing:
    """Ask the server at `base` (as `endpoint.base_url` gives it) in the words of its family. Follows no redirect.

    `key` is clean (`endpoint.clean_key`).
    """
    import http.client
    import json

    path, headers = _words(api, key, version)
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=patience)
    try:
        connection.request("GET", f"{parts.path}{path}", headers=headers)
        answer = connection.getresponse()
        if answer.status in (401, 403):
            return Listing(None, asks_key=True)
        if answer.status != 200:
            return Listing(None)
        return Listing(_names(json.loads(answer.read(MAX_LISTING))))
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, RecursionError):
        return Listing(None)
    finally:
        connection.close()


def _words(api: str, key: str, version: str) -> tuple[str, dict[str, str]]:
    """Path under the base, and headers."""
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    match api:
        case "anthropic":
            own = {"x-api-key": key} if key else {}
            return "/v1/models?limit=100", {"anthropic-version": version or ANTHROPIC_VERSION, **bearer, **own}
        case "gemini":
            return "/models?pageSize=1000", {"x-goog-api-key": key} if key else {}
        case _:
            return "/models", bearer


def _names(found: dict[str, Any]) -> list[str]:
    """Of OpenAI's and Anthropic's form (`data`), or Gemini's (`models`), where only some can hold a conversation."""
    if "models" in found:
        talking = [one for one in found["models"] if "generateContent" in one.get("supportedGenerationMethods", ())]
        return [str(one["name"]).removeprefix("models/") for one in talking]
    return [str(one["id"]) for one in found["data"] or ()]
