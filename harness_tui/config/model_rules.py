"""What a well-formed `[model]` table must also make sense of, in a task file and in config.toml alike.

No value that may be a pasted key is ever repeated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..domain.safetext import clip
from ..domain.task import ModelTable
from .toml_lines import Step
from .toml_schema import Problem, nearest, table_name
from .vault import NAME

APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
GROUP = "harness_tui.models"
"""Entry points of further kinds."""

_HANDLE = re.compile(rf"env:[A-Za-z_][A-Za-z0-9_]*|vault:{NAME}")
_WORD = re.compile(r"[A-Za-z0-9._-]+")


def model_problems(path: tuple[Step, ...], table: ModelTable) -> Iterator[Problem]:
    """Everything wrong with the `[model]` table at `path`."""
    name = table_name(path)
    if table.url and not _address(table.url):
        text = f'"url" in {name} must be the address of a model server, such as http://HOST:PORT/v1'
        yield Problem((*path, "url"), text)
    if table.api and table.api not in APIS and table.api not in (kinds := _installed()):
        known = ", ".join((*APIS, *kinds))
        near = nearest(table.api, (*APIS, *kinds))
        text = f'there is no model API "{clip(table.api, 60)}"{near or f"; there are {known}"}'
        yield Problem((*path, "api"), text)
    if table.key and not _HANDLE.fullmatch(table.key):
        text = f'"key" in {name} must be a handle, env:VAR or vault:NAME, never the key itself'
        yield Problem((*path, "key"), text)
    if table.temperature is not None and not (math.isfinite(table.temperature) and table.temperature >= 0):
        yield Problem((*path, "temperature"), f'"temperature" in {name} must be 0 or more, not {table.temperature}')
    if table.max_tokens is not None and table.max_tokens < 1:
        yield Problem((*path, "max_tokens"), f'"max_tokens" in {name} must be 1 or more, not {table.max_tokens}')
    for key in ("effort", "version"):
        if (word := getattr(table, key)) and not _WORD.fullmatch(word):
            yield Problem((*path, key), f'"{key}" in {name} must be one word, not "{clip(word, 60)}"')
    for key, value in table.extra.items():
        if not _json(value):
            yield Problem((*path, "extra", key), f'"{clip(key, 60)}" in {name[:-1]}.extra] cannot be sent as JSON')
    for index, other in enumerate(table.fallback):
        if not other.strip() or other in table.fallback[:index]:
            yield Problem((*path, "fallback", index), f'a name of "fallback" in {name} is empty or there twice')


def _installed() -> tuple[str, ...]:
    from importlib.metadata import entry_points

    return tuple(sorted(entry_points(group=GROUP).names))


def _address(url: str) -> bool:
    """Whether that is http(s)://HOST or HOST:PORT; a user or a password belongs into no address."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}", scheme="http")
        _ = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and not set(url) & set(" \\@")
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def _json(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_json, value.values()))
        case list():
            return all(map(_json, value))
        case float():
            return math.isfinite(value)
        case _:
            return isinstance(value, str | int)
