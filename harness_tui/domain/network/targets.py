"""From a URL to what is connected to: one strict parser, for who judges and for who connects.

What two parsers could read in two ways (user names, backslashes, blanks, escapes in a host) is refused, not repaired.
Hosts are read as browsers read them (UTS 46; WHATWG's IPv4 numbers), since that is what would be connected to.
"""

from __future__ import annotations

import re
import string
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal
from urllib.parse import quote

import msgspec

MAX_URL = 8_192
MAX_HOST = 253
PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BLANK = re.compile(r"[\s\x00-\x20\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OTHER_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
_KEPT = string.punctuation


class Target(msgspec.Struct, frozen=True):
    """One place to connect to.

    Attributes:
        scheme: `http`, `https`, or "" for a tunnel, whose bytes only the browser can read.
        host: lower case, ASCII; an IP address in its one canonical spelling, IPv6 without brackets.
        path: path and query as they are sent; "" for a tunnel.
    """

    scheme: Literal["http", "https", ""]
    host: str
    port: int
    path: str = ""

    @property
    def netloc(self) -> str:
        """`host` or `host:port`, no default port, IPv6 in brackets: what rules match and the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS.get(self.scheme or "https") else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`; for a tunnel `//host[:port]`."""
        return f"{self.scheme}://{self.netloc}" if self.scheme else f"//{self.netloc}"

    @property
    def url(self) -> str:
        return self.origin + self.path

    @property
    def address(self) -> str:
        """The host if it is an IP address, else ""."""
        try:
            return str(ip_address(self.host))
        except ValueError:
            return ""


def target(url: str) -> Target | str:
    """Where an http(s) URL leads, its fragment left out; or one sentence why it leads nowhere."""
    if not url or len(url) > MAX_URL:
        return f"A URL has 1 to {MAX_URL} characters, not {len(url)}."
    try:
        url.encode()
    except UnicodeEncodeError:
        return "The URL holds half a character (a lone surrogate)."
    if _BLANK.search(url):
        return "The URL holds a blank, control or invisible character; write it percent-encoded."
    found = _SCHEME.match(url)
    if not found:
        return "The URL has no scheme; it starts with https:// or http://."
    scheme = found[1].lower()
    if scheme not in PORTS:
        return f"{scheme}: is not fetched; only http and https are."
    rest = url[found.end() :]
    if not rest.startswith("//"):
        return f"After {scheme}: the URL needs //."
    end = next((i for i, c in enumerate(rest) if i > 1 and c in "/?#"), len(rest))
    place = authority(rest[2:end], scheme)  # type: ignore[arg-type]
    if isinstance(place, str):
        return place
    path, query = _cut(rest[end:].partition("#")[0])
    return msgspec.structs.replace(place, path=quote(path or "/", safe=_KEPT) + quote(query, safe=_KEPT))


def authority(text: str, scheme: Literal["http", "https", ""] = "") -> Target | str:
    """`host` or `host:port`; without a scheme the port must be given. Or one sentence what is wrong with it."""
    if "@" in text:
        return "The URL holds a user name before its host (`name@host`), which hides where it leads."
    if text.startswith("["):
        name, closed, port = text.partition("]")
        name, sound = name + closed, bool(closed) and (not port or port[0] == ":")
        given, port = bool(port), port[1:]
        if not sound:
            return "The URL's IPv6 address is not closed by ] and an optional :port."
    else:
        name, colon, port = text.partition(":")
        given = bool(colon)
    if given and not (_PORT.fullmatch(port) and int(port) < 65_536):
        return "The URL's port is not a number from 1 to 65535."
    if not given and not scheme:
        return "A tunnel needs a port."
    host, problem = canonical(name)
    return problem or Target(scheme, host, int(port) if given else PORTS[scheme])


def canonical(name: str) -> tuple[str, str]:
    """A host in its one spelling, or "" and one sentence what is wrong with it."""
    if name.startswith("["):
        try:
            return str(IPv6Address(name[1:-1].replace("%", "no zone"))), ""
        except ValueError:
            return "", "The URL's IPv6 address is not one; a zone (%eth0) cannot be given."
    if not name.isascii():
        name = _ascii(name)
        if not name:
            return "", "The URL's host is no international domain name."
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        return "", "The URL's host is no host name: letters, digits, - and dots, up to 63 in a part, 253 in all."
    if _NUMBER.fullmatch(labels[-1]):
        number = _ipv4(labels)
        return ("", "The URL's host ends like an IPv4 address but is none.") if number is None else (number, "")
    return name, ""


def _ascii(name: str) -> str:
    """An international name as DNS has it, digits and dots of other scripts made plain; "" when it is none."""
    import idna

    try:
        plain = idna.uts46_remap(name.translate(_OTHER_DOTS), std3_rules=False, transitional=False)
        return plain if plain.isascii() else idna.encode(plain).decode("ascii")
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        return ""


def _ipv4(labels: list[str]) -> str | None:
    """`127.1`, `0x7f000001`, `0177.0.0.1`, `2130706433`: the address browsers and `inet_aton` read there."""
    numbers = [_integer(label) for label in labels]
    if len(numbers) > 4 or any(number is None for number in numbers):
        return None
    *first, last = [number for number in numbers if number is not None]
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(labels)):
        return None
    return str(IPv4Address(sum(each << 8 * (3 - place) for place, each in enumerate(first)) + last))


def _integer(label: str) -> int | None:
    if not _NUMBER.fullmatch(label):
        return None
    try:
        if label.startswith("0x"):
            return int(label[2:] or "0", 16)
        return int(label, 8 if len(label) > 1 and label[0] == "0" else 10)
    except ValueError:  # 08 is no octal number, and no browser reads it as a decimal one
        return None


def _cut(text: str) -> tuple[str, str]:
    path, mark, query = text.partition("?")
    return path, mark + query
