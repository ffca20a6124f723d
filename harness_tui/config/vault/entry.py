"""What is kept under one name: a key, or a user with a password; bound to an origin when the operator said so."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

import msgspec

from ...domain.errors import CredentialError, UsageError

_MARK = '{"harness-tui":'
_PORTS = {"http": 80, "https": 443}


class Entry(msgspec.Struct, frozen=True):
    """One kept secret; `repr` shows none of it.

    Attributes:
        secret: the key, or the password of a login.
        user: whose password it is; None for a key.
        origin: the only `scheme://host[:port]` it may be sent to; "" = wherever the caller says.
    """

    secret: str
    user: str | None = None
    origin: str = ""

    def __repr__(self) -> str:
        return "Entry(...)"

    def encode(self) -> str:
        """As text for a store: a bare key stays as it is, so that other programs can read it, or have put it there."""
        if self.user is None and not self.origin and not self.secret.startswith(_MARK):
            return self.secret
        fields = {"secret": self.secret, "user": self.user, "origin": self.origin}
        return f"{_MARK}1,{json.dumps(fields)[1:]}"

    @classmethod
    def decode(cls, name: str, text: str) -> Entry:
        """Raises CredentialError when a record of ours cannot be read."""
        if not text.startswith(_MARK):
            return cls(text)
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            raise CredentialError(
                f"What is kept as {name} cannot be read: another version wrote it, or it is damaged.",
                f"Set it again: harness-tui key set {name}",
            ) from None

    def allow(self, name: str, url: str) -> None:
        """Raises CredentialError unless the secret may be sent to `url` (its origin counts)."""
        if not self.origin:
            return
        there = _origin(url)
        if there != self.origin:
            goes = f"and is not sent to {there}" if there else "and it is not known where it would be sent"
            raise CredentialError(
                f"{name} is bound to {self.origin} {goes}.", "Use another key there, or set this one anew."
            )


def bound_origin(url: str, *, login: bool) -> str:
    """The origin an operator's `--origin` means, in its one spelling.

    Raises UsageError for what is no origin, for patterns, and for a login over plain http outside this machine.
    """
    origin = _origin(url)
    if not origin:
        raise UsageError("--origin must be scheme://host[:port], without user, pattern or wildcard.", _EXAMPLE)
    if login and urlsplit(url).path not in ("", "/"):
        raise UsageError("--origin of a login is scheme://host[:port] alone, without a path.", _EXAMPLE)
    if login and origin.startswith("http:") and not _loopback(urlsplit(origin).hostname or ""):
        raise UsageError(f"A login for {origin} would travel in clear text.", _EXAMPLE)
    return origin


_EXAMPLE = "For example: --origin https://news.example"


def _origin(url: str) -> str:
    """`scheme://host[:port]`, default port left out; "" for everything that is not plainly one."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return ""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    if not plain or parts.scheme not in _PORTS or not host or "@" in parts.netloc or set(host) & set("*[]{}%,"):
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
