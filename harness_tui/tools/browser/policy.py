"""What a call may do, as rules over values: arguments against a schema, URLs against origins, levels against risk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, quote, urljoin, urlsplit, urlunsplit

from ...domain.network.reach import Reach
from ...domain.network.targets import target
from ...domain.task import TaskFile

MAX_HREFS = 5_000
_PORTS = {"http": 80, "https": 443}
_TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
_ENCODED = re.compile("%([0-9A-Fa-f]{2})")
_PLAIN = re.compile(r"[\w-]+\Z", re.ASCII)


# -- arguments -----------------------------------------------------------------------------------------------------


def malformed(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What is wrong with a call's arguments, or "". Checks presence, names and types."""
    properties: dict[str, Any] = schema.get("properties", {})
    missing = [f"{name} is missing" for name in schema.get("required", ()) if name not in arguments]
    extra = [f"{name!r} is no argument" for name in arguments if name not in properties]
    wrong = [
        f"{name} must be {_a(properties[name]['type'])}"
        for name, value in arguments.items()
        if name in properties and not _is(value, properties[name]["type"])
    ]
    problems = missing + extra + wrong
    return f"{'; '.join(problems)} (it takes: {', '.join(properties) or 'no arguments'})" if problems else ""


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"


# -- URLs ----------------------------------------------------------------------------------------------------------


def origin(url: str) -> str:
    """`scheme://host[:port]` of an http(s) URL, default port left out; "" for everything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname:
        return ""
    host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def trusted(where: str) -> bool:
    """Whether a password may travel to the origin at all: https, or http on loopback."""
    parts = urlsplit(where)
    host = parts.hostname or ""
    loopback = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)


def normalise(url: str, base: str = "") -> str:
    """The URL as a browser would ask for it: absolute, dot segments resolved, no fragment or default port, one
    spelling of percent-encoding. "" unless it is http(s) without user and password."""
    cleaned = re.sub(r"[\t\r\n]", "", url.strip()).replace("\\", "/")
    try:
        parts = urlsplit(urljoin(base, cleaned))
    except ValueError:
        return ""
    where = origin(urlunsplit(parts))
    if not where or parts.username is not None or parts.password is not None:
        return ""
    path = urlsplit(urljoin(where, _spelled(parts.path) or "/")).path
    return where + (path or "/") + (f"?{_spelled(parts.query)}" if parts.query else "")


def _spelled(text: str) -> str:
    # What needs no encoding is decoded, to the end, so that no spelling of a link escapes the rules for it.
    while (plain := _ENCODED.sub(_decoded, text)) != text:
        text = plain
    return quote(text, safe="/?:@!$&'()*+,;=[]~%")


def _decoded(escape: re.Match[str]) -> str:
    char = chr(int(escape[1], 16))
    return char if _PLAIN.match(char) or char in ".~" else escape[0].upper()


def covers(href: str, url: str) -> bool:
    """Whether asking for `url` may do what following `href` does: same place, and all of the link's parameters.

    Wider than equality, since `vote?id=1&how=up` also acts as `vote?how=up&id=1&x=`. Both must be normalised.
    """
    link, wanted = urlsplit(href.casefold()), urlsplit(url.casefold())
    if (link.scheme, link.netloc, link.path.rstrip("/")) != (wanted.scheme, wanted.netloc, wanted.path.rstrip("/")):
        return False
    return _pairs(link.query) <= _pairs(wanted.query)


def _pairs(query: str) -> set[tuple[str, str]]:
    return set(parse_qsl(query.replace(";", "&"), keep_blank_values=True))


class Rules:
    """The task's URL rules, and the links seen in this session that would ask when clicked.

    Args:
        reach: the hosts the operator allowed; they may be acted on like the task's own origins.
    """

    def __init__(self, task: TaskFile, reach: Reach) -> None:
        self.start = normalise(task.start_url) if task.start_url else ""
        self._globs = task.allow_urls
        self._allowed = task.allow_hosts
        self._reach = reach
        named = [task.start_url, *task.allow_urls, task.login.origin if task.login else ""]
        self.origins = frozenset(where for url in named if (where := origin(url)) and "*" not in where)
        self._hrefs: dict[str, None] = {}
        self._overflow = False

    def ours(self, url: str) -> bool:
        """Whether the URL is on one of the task's origins, or on a host the operator allowed."""
        where = origin(url)
        place = target(where) if where else ""
        return where in self.origins or (not isinstance(place, str) and self._reach.exempt(place))

    def remember(self, hrefs: Iterable[str]) -> None:
        """Links that ask when clicked; kept for the whole session. Past the bound every navigation asks."""
        for href in hrefs:
            if (url := normalise(href)) and url != self.start and url not in self._hrefs:
                self._overflow = self._overflow or len(self._hrefs) >= MAX_HREFS
                if not self._overflow:
                    self._hrefs[url] = None

    def free(self, url: str) -> bool:
        """Whether a navigation to the (normalised) URL needs no approval."""
        if url == self.start:
            return True
        allowed = any(fnmatchcase(url, pattern) for pattern in self._globs)
        return allowed and not self._overflow and not any(covers(href, url) for href in self._hrefs)

    def names(self) -> str:
        return ", ".join(sorted({*self.origins, *self._allowed})) or "none"


# -- CSS -----------------------------------------------------------------------------------------------------------


def with_id(template: str, ident: str) -> str:
    """`template` with `{id}` filled in, escaped so that a page's id can never become CSS of its own."""
    before, *after = template.split("{id}")
    out = before
    for piece in after:
        out += _escaped(ident, leading=out.endswith(("#", "."))) + piece
    return out


def _escaped(ident: str, *, leading: bool) -> str:
    if _PLAIN.match(ident) and not (leading and re.match(r"-?\d|-\Z", ident)):
        return ident
    head = "".join(f"\\{ord(c):x} " for c in ident[: 1 if leading else 0])
    return head + "".join(c if _PLAIN.match(c) else f"\\{ord(c):x} " for c in ident[1 if leading else 0 :])


def filled(text: str, first: dict[str, Any] | None) -> str:
    """`text` with `{first.id}`, `{first.arrow}` and `{first.title}` of the story that was first at the start."""
    for key in ("id", "arrow", "title"):
        text = text.replace(f"{{first.{key}}}", str((first or {}).get(key, f"{{first.{key}}}")))
    return text
