"""Hosts an operator names: `host`, `host:port`, `[v6]:port`, `*.host`. Nothing wider is one."""

from __future__ import annotations

import ipaddress
import re

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.I)


def problem(entry: str) -> str:
    """What is wrong with an entry, continuing its name: `must be ...`, or ""."""
    host, port = entry, ""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        if (rest and not rest.startswith(":")) or not _is_address(host, 6):
            return "is no address in brackets"
        return _port_problem(rest[1:]) if rest else ""
    if "/" in entry or "@" in entry:
        return "must be a host, without scheme, user or path"
    if ":" in entry:
        host, _, port = entry.partition(":")
        if wrong := _port_problem(port):
            return wrong if not _is_address(entry, 6) else "is an IPv6 address and must stand in brackets"
    if _is_address(host, 4):
        return ""
    labels = host.removeprefix("*.").split(".")
    if "*" in host.removeprefix("*."):
        return "may have a * only as its whole first part, as in *.example.com"
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        return "is no host name"
    if host.startswith("*.") and len(labels) < 2:
        return "stands for too much: name at least two parts after the *, as in *.example.com"
    if labels[-1].isdigit() or labels[-1].lower().startswith("0x"):
        return "is no host name; write an address as four numbers"
    return ""


def _port_problem(port: str) -> str:
    sound = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    return "" if sound else "must end in a port from 1 to 65535"


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False
