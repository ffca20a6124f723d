"""What a server says of an error, read from the body of any provider: its codes, its words, its wait. Pure."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from .assembly import items_of, object_of

MAX_TEXT = 10_000
"""Characters of a message that are looked at; what an operator reads of it is far shorter."""
MAX_DEPTH = 8
"""Errors inside errors that are opened."""
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


class Reported(NamedTuple):
    """An error as the provider tells it.

    Attributes:
        codes: its `code`, `type`, `status`, `reason` and `error_code`, in lower case.
        message: its own words; a page of HTML is only named, with its title.
        parameter: the request parameter it says it is about, or "".
        wait: seconds after which it may be asked again, or None.
        daily: a quota of the day is used up (Gemini's, which end at midnight Pacific).
        request: the provider's name of this request, or "".
        page: the body was a page of HTML, which no model API sends.
    """

    codes: tuple[str, ...] = ()
    message: str = ""
    parameter: str = ""
    wait: float | None = None
    daily: bool = False
    request: str = ""
    page: bool = False

    @property
    def status(self) -> int:
        """The HTTP status among the codes, for errors inside an answer with status 200; 0 = none."""
        return next((int(code) for code in self.codes if code.isdecimal() and 400 <= int(code) < 600), 0)


def read(body: Any, depth: int = MAX_DEPTH) -> Reported:
    """Read what a provider sent: an object, the object under its `error`, a list of one, JSON or a page as text."""
    if isinstance(body, bytes | str):
        return _text(body, depth)
    if isinstance(body, list):
        body = next(iter(items_of(body)), {})
    if not isinstance(body, dict) or not depth:
        return Reported()
    error = body.get("error")
    if isinstance(error, dict):
        inner = read(error, depth - 1)
        return inner._replace(request=inner.request or _plain(body.get("request_id")))
    return _relayed(body, depth) or _object(body)


def _text(raw: bytes | str, depth: int) -> Reported:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    start = text[:200].lstrip()
    if start[:1] == "<":
        found = _TITLE.search(text[:MAX_TEXT])
        title = " ".join(html.unescape(found[1]).split())[:80] if found else ""
        return Reported(message=f'an HTML page titled "{title}"' if title else "an HTML page", page=True)
    if start[:1] in ("{", "[") and depth:
        try:
            return read(msgspec.json.decode(text), depth - 1)
        except (ValueError, RecursionError):
            pass
    return Reported(message=text[:MAX_TEXT])


def _relayed(error: dict[str, Any], depth: int) -> Reported | None:
    """A gateway's error around the one of the provider behind it: OpenRouter's `metadata.raw`, or JSON as its words."""
    metadata, words = object_of(error, "metadata"), _words(error)
    raw = metadata.get("raw") or (words if words.lstrip()[:1] == "{" else "")
    inner = read(raw, depth - 1) if raw else Reported()
    if inner.page or not inner.message or inner.message == words:
        return None
    outer = _object({key: value for key, value in error.items() if key in ("code", "type", "status", "request_id")})
    who = _plain(metadata.get("provider_name"))
    return inner._replace(
        codes=(*outer.codes, *inner.codes),
        message=f"{who}: {inner.message}" if who else inner.message,
        request=outer.request or inner.request,
    )


def _object(error: dict[str, Any]) -> Reported:
    details = items_of(error.get("details"))
    codes = [_plain(error.get(key)) for key in ("code", "type", "status")]
    codes += [_plain(object_of(error, "details").get("error_code")), *(_plain(d.get("reason")) for d in details)]
    if "flagged_input" in object_of(error, "metadata"):
        codes.append("flagged_input")
    violated = [_plain(violation.get("quotaId")) for d in details for violation in items_of(d.get("violations"))]
    places = [place for item in items_of(error.get("detail")) if (place := _place(item.get("loc")))]
    return Reported(
        codes=tuple(code.lower() for code in codes if code),
        message=_words(error)[:MAX_TEXT],
        parameter=_plain(error.get("param")) or (places[0] if len(places) == 1 else ""),
        wait=next((wait for d in details if (wait := _seconds(d.get("retryDelay"))) is not None), None),
        daily=any("perday" in quota.lower() for quota in violated),
        request=_plain(error.get("request_id")),
    )


def _words(error: dict[str, Any]) -> str:
    for key in ("message", "detail", "error", "msg"):
        value = error.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list):
            return "; ".join(_complaints(value))
    return ""


def _complaints(detail: list[Any]) -> Iterator[str]:
    """The pieces of FastAPI's `detail`."""
    for item in items_of(detail):
        yield f"{_place(item.get('loc')) or 'body'}: {_plain(item.get('msg'))}"


def _place(loc: Any) -> str:
    """The request parameter in FastAPI's `loc`, which begins with `body`."""
    path = [str(step) for step in loc] if isinstance(loc, list) else []
    return path[1] if len(path) > 1 and path[0] == "body" else ""


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _seconds(duration: Any) -> float | None:
    """Seconds of a protobuf duration in JSON, `43s`, `0.5s`."""
    found = _SECONDS.fullmatch(duration) if isinstance(duration, str) else None
    seconds = float(found[1]) if found else math.inf
    return seconds if math.isfinite(seconds) else None
